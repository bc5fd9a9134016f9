"use strict";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function made(tag, text = "", properties = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  return Object.assign(element, properties);
}

// Sorting: every head of a table becomes a button; numbers sort by data-v, names as people count.
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
    if (head.textContent === "") return;
    const button = made("button", head.textContent, { type: "button" });
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

// What a reader sees of a table, for CSV and LaTeX.
const shownRows = (table) => [...table.tBodies[0].rows].filter((row) => !row.hidden);
const shown = (cell) => getComputedStyle(cell).display !== "none";
const name = (cell) => all("small", cell).reduce((text, note) => text.replace(note.textContent, ""), cell.textContent).trim();
const note = (cell) => all("small", cell).map((small) => small.textContent).join(" ");

function csv(table) {
  const heads = [...table.tHead.rows[0].cells];
  const rows = shownRows(table);
  const withInterval = heads.map((_, column) => rows.some((row) => row.cells[column].dataset.ci));
  const titles = heads.flatMap((head, column) => {
    const title = head.textContent;
    return withInterval[column] ? [title, `${title}, low`, `${title}, high`] : [title];
  });
  const lines = rows.map((row) => [...row.cells].flatMap((cell, column) => {
    const first = cell.dataset.v ?? name(cell);
    return withInterval[column] ? [first, ...(cell.dataset.ci ?? " ").split(" ")] : [first];
  }));
  // A text that begins with one of these would be a formula in a spreadsheet.
  const safe = (text) => (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text);
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [titles, ...lines].map((line) => line.map((text) => quoted(safe(text))).join(",")).join("\n") + "\n";
}

function latex(table) {
  const characters = JSON.parse(document.getElementById("latex-characters").textContent);
  const escaped = (text) => [...text].map((mark) => characters[mark] ?? mark).join("");
  const columns = [...table.tHead.rows[0].cells].map((head, column) => [head, column]).filter(([head]) => shown(head));
  const cell = (one) => {
    const small = note(one) ? ` {\\footnotesize ${escaped(note(one))}}` : "";
    return (name(one).startsWith("[") ? "{}" : "") + escaped(name(one)) + small; // a bracket would be an option of \\
  };
  return [
    `\\begin{tabular}{${columns.map(([head]) => (head.classList.contains("n") ? "r" : "l")).join("")}}`,
    "\\toprule",
    `${columns.map(([head]) => escaped(head.textContent)).join(" & ")} \\\\`,
    "\\midrule",
    ...shownRows(table).map((row) => `${columns.map(([, column]) => cell(row.cells[column])).join(" & ")} \\\\`),
    "\\bottomrule",
    "\\end{tabular}",
    "",
  ].join("\n");
}

function saver(table, label, ending, write) {
  const title = table.caption.textContent;
  const button = made("button", label, { type: "button", ariaLabel: `Save "${title}" as ${label}` });
  button.addEventListener("click", () => {
    const link = made("a", "", { href: URL.createObjectURL(new Blob([write(table)], { type: "text/plain" })) });
    link.download = `${table.id}.${ending}`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  return button;
}

// Filters: a row stays if each chosen name is its cell's own text and the row holds the words searched for.
const MANY_ROWS = 12;
const MOST_NAMES = 80;

function makeTools(table) {
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows];
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const always = "filter" in table.dataset; // whatever the number of rows
  const tools = made("form", "", { className: "tools" });
  const said = made("output");
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  tools.addEventListener("submit", (event) => event.preventDefault());

  const selects = heads.flatMap((head, column) => {
    const names = [...new Set(rows.map((row) => name(row.cells[column])))];
    if (head.classList.contains("n") || names.length < 2 || names.length > MOST_NAMES) return [];
    if (names.length === rows.length && !always) return [];
    const select = made("select");
    select.dataset.column = column;
    select.append(made("option", "every", { value: "" }), ...names.map((text) => made("option", text, { value: text })));
    if (names.includes(head.dataset.start)) select.value = head.dataset.start;
    return [select];
  });
  const search = made("input", "", { type: "search" });
  const boxes = heads.flatMap((head, column) => {
    if (!head.classList.contains("n")) return [];
    const box = made("input", "", { type: "checkbox", checked: !("more" in head.dataset) });
    box.dataset.column = column;
    return [box];
  });
  const choosing = boxes.length > 4 && heads.some((head) => "more" in head.dataset);

  function apply() {
    const wanted = selects.filter((s) => s.value !== "").map((s) => [Number(s.dataset.column), s.value]);
    const words = search.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      row.hidden =
        !wanted.every(([column, chosen]) => name(row.cells[column]) === chosen) || !words.every((word) => texts.get(row).includes(word));
    }
    said.textContent = `${shownRows(table).length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
    // A column that says the same in every row tells nothing.
    const idle = [...(choosing ? boxes.filter((box) => !box.checked) : []), ...selects.filter((s) => s.value !== "")];
    const selectors = idle.map((each) => `#${table.id} tr > :nth-child(${Number(each.dataset.column) + 1})`);
    sheet.replaceSync(selectors.length ? `${selectors.join(",")} { display: none }` : "");
  }

  const labelled = (text, control) => {
    const label = made("label", text);
    label.append(control);
    return label;
  };
  if (always || (rows.length > MANY_ROWS && !table.closest(".matrix"))) {
    tools.append(...selects.map((s) => labelled(heads[Number(s.dataset.column)].textContent, s)), labelled("Search", search));
    if (choosing) {
      const menu = made("details");
      const fields = made("fieldset");
      fields.append(made("legend", "Columns shown", { className: "aside" }));
      boxes.forEach((box) => {
        const label = made("label");
        label.append(box, ` ${heads[Number(box.dataset.column)].textContent}`);
        fields.append(label);
      });
      menu.append(made("summary", "Columns"), fields);
      tools.append(menu);
    }
    tools.append(said);
    tools.addEventListener("input", apply);
    apply();
  }
  const savers = made("span", "", { className: "savers" });
  savers.append(saver(table, "CSV", "csv", csv), saver(table, "LaTeX", "tex", latex));
  tools.append(savers);
  table.parentElement.before(tools);
}

// Switching: of all matrices the one that has every chosen value is shown.
function makeSwitches(form, matrices) {
  const selects = all("select", form);
  const apply = () => matrices.forEach((m) => (m.hidden = selects.some((s) => m.dataset[s.dataset.key] !== s.value)));
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
}

// The cheapest defence whose interval lies below a ceiling: the rows are ordered by cost.
function makeCeiling(form, table) {
  const input = form.querySelector("input");
  const percent = table.tHead.textContent.includes("TPR");
  function apply() {
    const ceiling = Number(input.value) / (percent ? 100 : 1);
    const rows = [...table.tBodies[0].rows].sort((a, b) => value(a, 1) - value(b, 1));
    const meets = (row) => input.value !== "" && value(row, 3) <= ceiling;
    rows.forEach((row) => row.classList.toggle("meets", meets(row)));
    const best = rows.find(meets);
    const lowest = rows.reduce((a, b) => (value(b, 3) < value(a, 3) ? b : a));
    form.querySelector("output").textContent = best
      ? `Cheapest: ${name(best.cells[0])}. Its interval ends at ${name(best.cells[3])}; accuracy ${name(best.cells[2])}, training cost ${name(best.cells[1])}.`
      : `No defence has an interval below that. The lowest ends at ${name(lowest.cells[3])} (${name(lowest.cells[0])}).`;
  }
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
}

// Values: a tap or the arrow keys say below a drawing what the pointer shows over a mark.
const NEAR = 20; // pixels from a tap to the mark that is meant

function makeTold(plot) {
  const marks = all("svg title", plot).map((title) => title.parentNode);
  if (marks.length === 0) return;
  const said = made("output", "", { className: "told" });
  plot.after(said);
  plot.setAttribute("tabindex", "0");
  const tell = (mark) => {
    marks.forEach((each) => each.classList.toggle("told", each === mark));
    said.textContent = mark.querySelector(":scope > title").textContent;
  };
  const away = (mark, { clientX, clientY }) => {
    const box = mark.getBoundingClientRect();
    return Math.hypot(Math.max(box.left - clientX, 0, clientX - box.right), Math.max(box.top - clientY, 0, clientY - box.bottom));
  };
  plot.addEventListener("click", (event) => {
    const hit = marks.find((mark) => mark.contains(event.target));
    const [near] = marks.map((mark) => [away(mark, event), mark]).filter(([d]) => d < NEAR).sort(([a], [b]) => a - b);
    if (hit || near) tell(hit ?? near[1]);
  });
  plot.addEventListener("focus", () => (said.textContent ||= "The arrow keys go from mark to mark."));
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const now = marks.findIndex((mark) => mark.classList.contains("told"));
    tell(marks[now < 0 ? 0 : (now + step + marks.length) % marks.length]);
  });
}

// Folding: a link opens its section; one button opens or folds all.
function makeContents() {
  const [list, folded, button] = ["contents", "contents-button", "fold-button"].map((id) => document.getElementById(id));
  const sections = all("main > section > details");
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const details = target && target.querySelector(":scope > details");
    if (details) details.open = true;
    if (target) target.scrollIntoView();
  };
  const show = (expanded) => {
    list.classList.toggle("open", expanded);
    folded.setAttribute("aria-expanded", expanded);
  };
  window.addEventListener("hashchange", open);
  list.addEventListener("click", (event) => {
    if (!event.target.closest("a")) return;
    show(false);
    setTimeout(open); // also where the link is that of the present place
  });
  folded.addEventListener("click", () => show(folded.getAttribute("aria-expanded") !== "true"));
  button.addEventListener("click", () => {
    const opening = sections.some((details) => !details.open);
    sections.forEach((details) => (details.open = opening));
    button.textContent = opening ? "Fold all sections" : "Open all sections";
  });
  folded.hidden = button.hidden = false;
  document.documentElement.classList.add("scripted");
  open();
}

all("svg.plot, .forest > [role=img]").forEach(makeTold);
all("table").forEach(makeSortable);
all("table").forEach(makeTools);
const switches = document.getElementById("switches");
if (switches) makeSwitches(switches, all(".matrix[data-attack]"));
const ceiling = document.getElementById("ceiling");
if (ceiling) makeCeiling(ceiling, document.getElementById("ceilings"));
if (document.getElementById("contents")) makeContents();
