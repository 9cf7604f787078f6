"use strict";
// What the page can do beyond being read. Every button is made here, so without this script none of them is there.

function makeButton(label, style) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = style || "";
  button.textContent = label;
  return button;
}

// Sorting. A column is numeric where all its cells that say something begin with a number; the others come last.
const SAYS_NOTHING = ["", "–", "not run", "absent"];

function cellText(row, column) {
  return row.cells[column].textContent.trim();
}

function figure(words) {
  return parseFloat(words.replace("−", "-"));
}

function sortRows(table, column, descending) {
  const rows = [...table.tBodies[0].rows];
  const said = rows.filter((row) => !SAYS_NOTHING.includes(cellText(row, column)));
  const silent = rows.filter((row) => SAYS_NOTHING.includes(cellText(row, column)));
  const numeric = said.every((row) => /^[+−]?\d+(\.\d+)?(%|\s|$)/.test(cellText(row, column)));
  said.sort((first, second) => {
    const [a, b] = [cellText(first, column), cellText(second, column)];
    const order = numeric ? figure(a) - figure(b) : a.localeCompare(b, "en", { numeric: true });
    return descending ? -order : order;
  });
  table.tBodies[0].append(...said, ...silent);
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = makeButton(head.textContent);
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sortRows(table, column, descending);
    });
  });
}

// Pictures: one panel of the sheet at a time, or the refined one over the coarse one up to a line that can be moved.
const COMPARED = "coarse | refined";
const WHOLE = "all panels";

function makeViewer(figure) {
  const image = figure.querySelector("img");
  const panels = JSON.parse(figure.dataset.panels);
  const [stage, bar, select, slider] = ["div", "div", "select", "input"].map((tag) => document.createElement(tag));
  stage.className = "stage";
  bar.className = "bar";
  select.append(...[COMPARED, ...Object.keys(panels), WHOLE].map((name) => new Option(name)));
  select.setAttribute("aria-label", "Panel");
  slider.type = "range";
  slider.setAttribute("aria-label", "Coarse left of the line, refined right of it");
  bar.append(select, slider);

  function panel(name) {
    const canvas = document.createElement("canvas");
    const [left, top, width, height] = panels[name];
    Object.assign(canvas, { width, height, className: name });
    canvas.getContext("2d").drawImage(image, left, top, width, height, 0, 0, width, height);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${image.alt.split(". Panels")[0]}: ${name}`);
    return canvas;
  }
  function show() {
    const name = select.value;
    slider.hidden = name !== COMPARED;
    stage.classList.toggle("compared", name === COMPARED);
    figure.classList.toggle("whole", name === WHOLE);
    if (name === WHOLE) stage.replaceChildren(image);
    else stage.replaceChildren(...(name === COMPARED ? name.split(" | ") : [name]).map(panel));
  }
  slider.addEventListener("input", () => stage.style.setProperty("--line-at", `${slider.value}%`));
  select.addEventListener("change", show);
  image.decode().then(() => {
    image.replaceWith(stage, bar);
    show();
  });
}

// Hashes to copy. A page that was opened from a folder may lack the clipboard's interface; the old way works there.
async function copyText(words) {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = words;
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}

function makeCopying() {
  const status = document.createElement("div");
  status.className = "status";
  status.setAttribute("role", "status");
  status.setAttribute("aria-live", "polite");
  document.body.append(status);
  let forgetting = 0;
  for (const code of document.querySelectorAll("code.hash")) {
    const row = code.closest("tr, dd");
    const name = (row.tagName === "TR" ? row.cells[0] : row.previousElementSibling).textContent;
    const button = makeButton("Copy", "copy");
    button.setAttribute("aria-label", `Copy the sha256 of ${name}`);
    code.after(button);
    button.addEventListener("click", async () => {
      const copied = await copyText(code.textContent);
      button.focus();
      status.textContent = copied ? `Copied: sha256 of ${name}` : "The browser does not let this page copy";
      clearTimeout(forgetting);
      forgetting = setTimeout(() => status.replaceChildren(), 4000);
    });
  }
}

// Plots. Vega interprets its expressions instead of compiling them, which the page's policy forbids.
const ink = { labelColor: "var(--quiet)", titleColor: "var(--quiet)", labelFontSize: 12, titleFontSize: 12 };
const EMBEDDING = {
  mode: "vega-lite", ast: true, renderer: "svg", actions: false, defaultStyle: false,
  tooltip: { disableDefaultStyle: true },
  config: {
    font: "system-ui, sans-serif", background: null, view: { stroke: null },
    axis: { ...ink, titleFontWeight: "normal", gridColor: "var(--line)", domainColor: "var(--quiet)", tickColor: "var(--quiet)" },
    axisY: { labelLimit: 140 },
    legend: { ...ink, orient: "top", symbolSize: 90, columns: 3 },
  },
};

// What the controls of a plot ask for.
function asked(source, form) {
  const chosen = form ? new FormData(form) : new Map();
  const reach = Number(chosen.get("smoothing"));
  const spec = JSON.parse(source, (key, value) => {
    if (key === "frame") return [-reach, reach];
    return value?.type === "linear" && chosen.get("scale") === "log" ? { type: "log" } : value;
  });
  for (const param of form ? spec.params : []) {
    param.value = param.name === "runs" ? chosen.getAll("run") : chosen.get(param.name);
  }
  return spec;
}

function makeChart(figure) {
  const place = figure.querySelector(".plot");
  const form = figure.querySelector("form");
  const source = place.textContent;
  const folded = figure.closest("details:not([open])");
  const draw = () => vegaEmbed(place, asked(source, form), EMBEDDING);
  if (form) form.addEventListener("input", draw);
  figure.hidden = false;
  const numbers = figure.nextElementSibling;
  if (numbers && numbers.matches(".numbers")) numbers.open = false;
  if (folded) folded.addEventListener("toggle", draw, { once: true });
  else draw();
}

// Light and dark: as the system has it, until someone chooses.
function makeThemes() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = makeButton("", "theme");
  const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const name = () => (button.textContent = isDark() ? "Light colours" : "Dark colours");
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch {
    // Storage may be forbidden; the choice then holds for this visit.
  }
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // As above.
    }
    name();
  });
  system.addEventListener("change", name);
  name();
  document.querySelector("header").append(button);
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll(".pictures figure").forEach(makeViewer);
makeCopying();
makeThemes();
document.querySelectorAll(".chart").forEach(makeChart);
