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

// Pictures, large, one run's after another.
function makeViewer() {
  const dialog = document.createElement("dialog");
  const caption = document.createElement("p");
  const bar = document.createElement("div");
  const image = document.createElement("img");
  const [previous, next, close] = ["Previous", "Next", "Close"].map((label) => makeButton(label));
  caption.setAttribute("aria-live", "polite");
  dialog.setAttribute("aria-label", "Picture");
  bar.className = "bar";
  bar.append(caption, previous, next, close);
  dialog.append(bar, image);
  document.body.append(dialog);
  let openers = [];
  let current = 0;

  function show(index) {
    current = (index + openers.length) % openers.length;
    const small = openers[current].querySelector("img");
    image.src = small.src;
    image.alt = small.alt;
    const run = openers[current].closest(".gallery").querySelector("h3").textContent;
    const words = openers[current].closest("figure").querySelector("figcaption").textContent;
    caption.textContent = `${run}: ${words} (${current + 1} of ${openers.length})`;
  }
  previous.addEventListener("click", () => show(current - 1));
  next.addEventListener("click", () => show(current + 1));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      event.preventDefault();
      show(current + step);
    }
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  let opener = null;
  // Not every browser gives the focus to a button that is clicked, and so could not give it back.
  dialog.addEventListener("close", () => opener.focus());

  return (button) => {
    opener = button;
    openers = [...button.closest(".gallery").querySelectorAll(".pictures button")];
    dialog.showModal();
    show(openers.indexOf(button));
    next.focus();
  };
}

function makeGallery() {
  const images = [...document.querySelectorAll(".pictures img")];
  if (images.length === 0) return;
  const open = makeViewer();
  for (const image of images) {
    const button = makeButton("");
    button.setAttribute("aria-haspopup", "dialog");
    image.replaceWith(button);
    button.append(image);
    button.addEventListener("click", () => open(button));
  }
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
makeGallery();
makeCopying();
makeThemes();
