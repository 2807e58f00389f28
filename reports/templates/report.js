"use strict";
// Tables sort and filter; without this script they are whole, in the order of the study.

function keyOf(cell) {
  if (cell.dataset.key !== undefined) return cell.dataset.key;
  const text = cell.textContent.trim();
  return text === "\u2013" ? "" : text;
}

function numberOf(key) {
  return parseFloat(key.replace(/,/g, "").replace(/^[<>+\s]+/, ""));
}

function compared(column, sign) {
  const keys = new Map(column);
  const isNumeric = column.every(([, key]) => key === "" || !isNaN(numberOf(key)));
  return (one, other) => {
    const a = keys.get(one), b = keys.get(other);
    // What has no value comes last, whichever way the rest is sorted.
    if (a === "" || b === "") return (a === "") - (b === "");
    if (isNumeric) return sign * (numberOf(a) - numberOf(b));
    return sign * (a < b ? -1 : a > b ? 1 : 0);
  };
}

function makeSortable(table, rows) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" };
      const order = next[head.getAttribute("aria-sort")];
      for (const each of heads) each.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", order);
      table.toggleAttribute("data-sorted", order !== "none");
      const column = rows.map((row) => [row, keyOf(row.cells[place])]);
      const sorted = order === "none" ? rows
        : [...rows].sort(compared(column, order === "ascending" ? 1 : -1));
      table.tBodies[0].append(...sorted);
    });
  });
}

function makeFilter(tables, rows) {
  const box = document.createElement("div"), label = document.createElement("label");
  const input = document.createElement("input"), told = document.createElement("output");
  const captions = tables.map((table) => table.caption.textContent).join(", ");
  box.className = "filter";
  input.type = "search";
  input.setAttribute("aria-label", "Filter rows of: " + captions);
  label.append("Filter rows", input);
  box.append(label, told);
  const apply = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = (row.closest("table").caption.textContent + " " + row.textContent).toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    told.textContent = words.length ? shown + " of " + rows.length + " rows" : "";
  };
  input.addEventListener("input", apply);
  // A link to a row that is filtered away shows it again.
  window.addEventListener("hashchange", () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.hidden && rows.includes(target)) {
      input.value = "";
      apply();
      target.scrollIntoView();
    }
  });
  tables[0].parentElement.before(box);
}

const kinds = new Map();
for (const table of document.querySelectorAll(".scroll > table")) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length > 1 && !table.hasAttribute("data-fixed")) makeSortable(table, rows);
  if (table.matches(".environments")) continue;
  kinds.set(table.className, [...(kinds.get(table.className) || []), table]);
}
// Tables of one kind, as those of the comparison, are filtered together.
for (const tables of kinds.values()) {
  const rows = tables.flatMap((table) => [...table.tBodies[0].rows]);
  if (rows.length >= 8) makeFilter(tables, rows);
}
