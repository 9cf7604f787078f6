"""What a browser is asked about a page: each is a function of JavaScript that gives a list."""

from __future__ import annotations

# The width of the page where one must scroll sideways to see all of it.
OVERFLOWING = """() => {
  const root = document.documentElement;
  return root.scrollWidth > root.clientWidth ? [`${root.scrollWidth} > ${root.clientWidth}`] : [];
}"""

# What a person who does not see the page, or has no mouse, would miss.
FAULTS = """() => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const show = (element) => element.outerHTML.slice(0, 90);
  const complain = (elements, words) => elements.forEach((each) => faults.push(`${words}: ${show(each)}`));
  const nameOf = (each) => (each.getAttribute("aria-label") || each.textContent).trim()
    || [...each.querySelectorAll("img")].map((image) => image.alt).join("");
  complain(all("main img").filter((image) => image.alt.trim() === ""), "no alt");
  complain(all("button, a, summary").filter((each) => nameOf(each) === ""), "no name");
  complain(all("th").filter((each) => !["col", "row"].includes(each.scope)), "no scope");
  complain(all("table").filter((each) => !each.caption || each.caption.textContent.trim() === ""), "no caption");
  complain(all("thead th").filter((each) => each.closest(".sortable") && !each.ariaSort), "no aria-sort");
  complain(all("svg:not(.plot svg)").filter((each) => each.getAttribute("aria-hidden") !== "true"), "read out");
  complain(all(".plot").filter((each) => each.role !== "graphics-document" || !each.ariaLabel), "no plot");
  complain(all("[tabindex='0']").filter((each) => !each.role || !each.ariaLabel), "a stop without a name");
  const levels = all("h1, h2, h3, h4, h5, h6").map((each) => Number(each.tagName[1]));
  if (levels[0] !== 1 || levels.filter((level) => level === 1).length !== 1) faults.push("not one h1 at the start");
  levels.forEach((level, index) => index && level > levels[index - 1] + 1 && faults.push(`h${level} skips a level`));
  for (const landmark of ["header", "nav", "main"]) {
    if (all(landmark).length !== 1) faults.push(`not one ${landmark}`);
  }
  const ids = all("[id]").map((each) => each.id);
  if (new Set(ids).size !== ids.length) faults.push("an id twice");
  for (const each of all("[aria-labelledby]")) {
    const missing = each.getAttribute("aria-labelledby").split(" ").filter((id) => !document.getElementById(id));
    if (missing.length) faults.push(`no element ${missing}`);
  }
  for (const each of all("a[href^='#']")) {
    if (!document.getElementById(each.hash.slice(1))) faults.push(`a link to nothing: ${each.hash}`);
  }
  if (document.documentElement.lang !== "en") faults.push("no language");
  return faults;
}"""

# Contrast of all text to what is behind it (WCAG 2.2, 1.4.3).
CONTRASTS = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((level) => {
      const part = level / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const told = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const shown = [...document.body.querySelectorAll("*")].filter(
    (element) => told(element) && !["SCRIPT", "TITLE", "title", "desc"].includes(element.tagName));
  return shown.map((element) => {
    const style = getComputedStyle(element);
    const ink = light(parse(element instanceof SVGElement ? style.fill : style.color));
    const paper = light(ground(element));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    return { words: element.textContent.slice(0, 40), ratio };
  });
}"""
