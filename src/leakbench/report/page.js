"use strict";

// Sorting: every head of a sortable table becomes a button; numbers sort by data-v, names as people count.
function value(row, column) {
  const cell = row.cells[column];
  return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
}

function sortBy(table, column, numeric, ascending) {
  const sign = ascending ? 1 : -1;
  const rows = [...table.tBodies[0].rows];
  const order = new Intl.Collator("en", { numeric: true });
  rows.sort((a, b) => {
    if (!numeric) return sign * order.compare(a.cells[column].textContent, b.cells[column].textContent);
    const [x, y] = [value(a, column), value(b, column)];
    if (x === null || y === null) return (x === null) - (y === null); // what is missing stays last
    return sign * (x - y);
  });
  table.tBodies[0].append(...rows);
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("n");
      const now = head.getAttribute("aria-sort");
      const ascending = now ? now === "descending" : !numeric; // numbers: the largest first
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sortBy(table, column, numeric, ascending);
    });
  });
}

// Filtering: a line stays if each chosen name is its cell's own text, notes aside.
function makeFilters(form, table) {
  const selects = [...form.querySelectorAll("select")];
  const boxes = [...form.querySelectorAll("input")];
  const rows = [...table.tBodies[0].rows];
  const style = document.head.appendChild(document.createElement("style"));
  const name = (row, column) => row.cells[column].firstChild.textContent.trim();

  function apply() {
    const wanted = selects.filter((s) => s.value !== "").map((s) => [Number(s.dataset.column), s.value]);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !wanted.every(([column, text]) => name(row, column) === text);
      shown += !row.hidden;
    }
    form.querySelector("output").textContent = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} lines`;
  }

  function columns() { // a column with one chosen name in every line says nothing
    style.textContent = [...boxes.filter((box) => !box.checked), ...selects.filter((select) => select.value !== "")]
      .map((box) => `#${table.id} tr > :nth-child(${Number(box.dataset.column) + 1}) { display: none; }`)
      .join("\n");
  }

  selects.forEach((select) => {
    const start = select.dataset.start;
    if (start !== undefined && [...select.options].some((option) => option.value === start)) select.value = start;
    select.addEventListener("change", apply);
    select.addEventListener("change", columns);
  });
  boxes.forEach((box) => box.addEventListener("change", columns));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
  columns();
}

// Switching: of all matrices the one that has every chosen value is shown.
function makeSwitches(form, matrices) {
  const selects = [...form.querySelectorAll("select")];
  const apply = () => matrices.forEach((m) => (m.hidden = selects.some((s) => m.dataset[s.dataset.key] !== s.value)));
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
const filters = document.getElementById("filters");
if (filters) makeFilters(filters, document.getElementById("leakage"));
const switches = document.getElementById("switches");
if (switches) makeSwitches(switches, [...document.querySelectorAll(".matrix")]);
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => (d.open = true)));
