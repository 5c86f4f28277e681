// The matrix: rows are drawn when their folder or case is open, and so many at a time, whatever the run's size.
// Text from a case or a worker is only ever set as text.
"use strict";

const PORTION = 100;           // rows drawn at once below one folder or case
const FEW = 150;               // up to so many rows everything that is found is shown unfolded
const INFINITE = 1.7e308;      // how the run file writes infinity: the largest double
const $ = (id) => document.getElementById(id);
const facts = JSON.parse($("facts").textContent);
const GLYPH = facts.verdicts.map((v) => v[2]);
const OUTCOME = facts.verdicts.map((v) => v[3]);
const filter = { words: [], verdict: "", framework: "", dtype: "", mode: "" };
const open = new Set();
const drawn = new Map();
const chunks = new Map();

function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value; else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function idOf(cell) {
  const [row, column] = facts.cells[cell];
  const [kase, variant] = facts.rows[row];
  const [framework, dtype, mode] = facts.columns[column];
  return `${facts.cases[kase]}::${variant ? variant + "-" : ""}${dtype}-${framework}-${mode}`;
}

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const breakable = (text) => text.split(/(?<=[_/:])/).flatMap((part) => [part, el("wbr")]);  // long names break where people would
const number = (value, digits = 3) =>
  value === null || value === undefined ? "-" : value >= INFINITE ? "∞" : value === 0 ? "0"
    : Math.abs(value) >= 1e-3 && Math.abs(value) < 1e4 ? String(Number(value.toPrecision(digits))) : value.toExponential(digits - 1).replace(/\.?0*e\+?/, "e");
const short = (used) => used >= 100 ? number(used, 2) : used > 0 && used < 0.005 ? "<0.01" : used.toFixed(2);
const digits = (relative) => (relative === 0 ? "every digit is right" : relative >= 1 ? "no digit is right" : `${(-Math.log10(relative)).toFixed(1)} digits are right`);
const level = (used) => (used === 0 ? 0 : used <= 0.1 ? 1 : used <= 0.25 ? 2 : used <= 0.5 ? 3 : 4);

// What of the matrix the filters leave: folders of cases of rows, each with its cells by column.
function matching() {
  const columns = facts.columns.map(([framework, dtype, mode]) =>
    (!filter.framework || framework === filter.framework) && (!filter.dtype || dtype === filter.dtype) && (!filter.mode || mode === filter.mode));
  const folders = new Map();
  let count = 0;
  const rows = new Set();
  const having = new Set();
  facts.cells.forEach(([row, column, verdict], cell) => {
    if (!columns[column] || (filter.verdict !== "" && verdict !== filter.verdict)) return;
    if (filter.words.length) {
      const id = idOf(cell).toLowerCase();
      if (!filter.words.every((word) => id.includes(word))) return;
    }
    const kase = facts.rows[row][0];
    const name = facts.cases[kase];
    const folder = name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : ".";
    if (!folders.has(folder)) folders.set(folder, new Map());
    const cases = folders.get(folder);
    if (!cases.has(kase)) cases.set(kase, new Map());
    const own = cases.get(kase);
    if (!own.has(row)) own.set(row, []);
    own.get(row).push(cell);
    rows.add(row);
    having.add(column);
    count += 1;
  });
  const interest = new Map([...folders].map(([folder, cases]) => [folder, interestOf(folder, cases)]));
  const ordered = [...folders].sort(([a], [b]) => interest.get(b) - interest.get(a));  // others stay as they came
  return { columns: [...having].sort((a, b) => a - b), folders: new Map(ordered), count, rows: rows.size };
}

// Folders with failures come first, then those with known deviations; `exact` has the cases that say least, so it is last.
function interestOf(folder, cases) {
  const outcomes = new Set([...cases.values()].flatMap((rows) => [...rows.values()].flat()).map((cell) => OUTCOME[facts.cells[cell][2]]));
  return outcomes.has("failed") ? 2 : outcomes.has("xfailed") ? 1 : folder === "exact" ? -1 : 0;
}

const filtered = () => filter.words.length > 0 || filter.verdict !== "" || filter.framework !== "" || filter.dtype !== "" || filter.mode !== "";

function draw() {
  const found = matching();
  const cases = [...found.folders.values()].reduce((sum, own) => sum + own.size, 0);
  const unfold = filter.words.length || filter.verdict !== "" ? found.rows <= FEW : false;
  const body = [];
  for (const [folder, own] of found.folders) {
    const key = `folder ${folder}`;
    const shown = unfold || isOpen(key, cases <= FEW);
    body.push(line("folder", key, `${folder}/`, plural(own.size, "case"), [...own.values()].flatMap((rows) => [...rows.values()].flat()), found.columns, shown));
    if (shown) body.push(...portion(key, [...own], ([kase, rows]) => caseLines(kase, rows, found.columns, unfold)));
  }
  const grid = $("grid");
  grid.style.setProperty("--columns", found.columns.length);
  grid.tHead.replaceChildren(...heading(found.columns));
  grid.tBodies[0].replaceChildren(...body);
  const first = grid.tBodies[0].querySelector("button");
  if (first) first.tabIndex = 0;
  $("shown").textContent = `${filtered() ? found.count : "all"} of ${facts.cells.length} cells`;
  document.querySelectorAll(".tile").forEach((tile) => tile.setAttribute("aria-pressed", Number(tile.dataset.verdict) === filter.verdict && filter.verdict !== ""));
}

// Whether something that folds is open; `otherwise` until somebody has decided.
const isOpen = (key, otherwise) => (open.has(`not ${key}`) ? false : open.has(key) || otherwise);

function portion(key, items, lines) {
  const limit = drawn.get(key) || PORTION;
  const made = items.slice(0, limit).flatMap(lines);
  if (items.length > limit) {
    const more = el("button", { type: "button", textContent: `${limit} of ${items.length} shown: show more`, onclick: () => { drawn.set(key, limit + PORTION); draw(); } });
    made.push(el("tr", { className: "more" }, el("td", { colSpan: 99 }, more)));
  }
  return made;
}

function caseLines(kase, rows, columns, unfold) {
  const name = facts.cases[kase];
  const stem = name.slice(name.lastIndexOf("/") + 1);
  const variants = [...rows];
  const single = variants.length === 1;
  const key = `case ${name}`;
  const shown = !single && (unfold || isOpen(key, false));
  const label = single && facts.rows[variants[0][0]][1] ? `${stem}::${facts.rows[variants[0][0]][1]}` : stem;
  const first = line("case", single ? "" : key, label, single ? "" : plural(variants.length, "variant"), variants.flatMap(([, cells]) => cells), columns, shown);
  if (!shown) return [first];
  return [first, ...portion(key, variants, ([row, cells]) => [line("variant", "", facts.rows[row][1] || "-", "", cells, columns, false)])];
}

// A row: its name, which folds if it has a key, and a box a column.
function line(kind, key, label, count, cells, columns, expanded) {
  const toggle = () => {
    open.delete(key); open.delete(`not ${key}`);
    open.add(expanded ? `not ${key}` : key);
    draw();
    document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  };
  const head = el("th", { scope: "row" });
  if (key) {
    const button = el("button", { type: "button", className: "toggle", tabIndex: -1, onclick: toggle }, ...breakable(label));
    button.dataset.key = key;
    button.setAttribute("aria-expanded", expanded);
    head.append(button, " ", el("span", { className: "count", textContent: count }));
  } else {
    head.append(...breakable(label));
  }
  const byColumn = new Map();
  for (const cell of cells) {
    const column = facts.cells[cell][1];
    if (!byColumn.has(column)) byColumn.set(column, []);
    byColumn.get(column).push(cell);
  }
  const boxes = columns.map((column) => el("td", {}, ...(byColumn.has(column) ? [box(byColumn.get(column), label, column, toggle)] : [])));
  const empty = cells.every((cell) => OUTCOME[facts.cells[cell][2]] === "skipped");
  return el("tr", { className: kind + (empty ? " empty" : "") }, head, ...boxes);
}

function box(cells, label, column, toggle) {
  const counts = new Array(facts.verdicts.length).fill(0);
  let used = null;
  for (const cell of cells) {
    const [, , verdict, own] = facts.cells[cell];
    counts[verdict] += 1;
    if (verdict === 0 && own !== null) used = used === null ? own : Math.max(used, own);
  }
  const worst = counts.findLastIndex((count) => count > 0);
  const single = cells.length === 1;
  const own = facts.cells[cells[0]][3];
  const parts = used === null ? [] : [short(used)];
  counts.forEach((count, verdict) => {
    if (verdict && count) parts.push(single ? `${GLYPH[verdict]} ${own === null ? "" : short(own)}`.trim() : `${count}\u00a0${GLYPH[verdict]}`);
  });
  const words = counts.flatMap((count, verdict) => (count ? [`${count} ${facts.verdicts[verdict][0]}`] : []));
  const name = `${label}, ${facts.columns[column].join(" ")}: ${words.join(", ")}${used === null ? "" : `, used ${number(used)}`}`;
  const kind = worst === 0 ? `u${level(used ?? 0)}` : facts.verdicts[worst][1];
  const made = el("button", { type: "button", className: `box ${kind}`, tabIndex: -1, title: name, textContent: parts.join(" + "), onclick: () => (single ? show(cells[0]) : toggle()) });
  made.setAttribute("aria-label", name);
  if (single) made.dataset.cell = idOf(cells[0]);
  if (worst === 0 && used > 0) made.style.setProperty("--used", Math.min(1, used));
  return made;
}

function heading(columns) {
  const top = [];
  for (const column of columns) {
    const name = facts.columns[column][0];
    const last = top[top.length - 1];
    if (last && last.textContent === name) last.colSpan += 1;
    else top.push(el("th", { scope: "colgroup", textContent: name }));
  }
  const below = columns.map((column) => el("th", { scope: "col" }, facts.columns[column][1], el("br"), facts.columns[column][2]));
  return [el("tr", {}, el("td"), ...top), el("tr", {}, el("td"), ...below)];
}

// What stands behind a box, and what a long list has further down, from files beside the page.
function loaded(src, data) { chunks.get(src).resolve(data); }

function chunk(src) {
  const inside = document.querySelector(`script[data-src="${CSS.escape(src)}"]`);  // a page of one file has all of it
  if (inside) return Promise.resolve(JSON.parse(inside.textContent));
  if (!chunks.has(src)) {
    const own = {};
    own.promise = new Promise((resolve, reject) => { own.resolve = resolve; own.reject = reject; });
    chunks.set(src, own);
    document.head.append(el("script", { src, onerror: () => { chunks.delete(src); own.reject(new Error(`${src} is not beside this page: keep its folder whole`)); } }));
  }
  return chunks.get(src).promise;
}

async function show(cell) {
  const id = idOf(cell);
  history.replaceState(null, "", `#${encodeURI(id)}`);
  $("cell-title").textContent = id;
  $("cell-body").replaceChildren("…");
  if (!$("cell").open) $("cell").showModal();
  try {
    const { cells, cases } = await chunk(`cells/${Math.floor(cell / facts.chunk)}.js`);
    const own = cells[cell % facts.chunk];
    if (own?.result.cell !== id) throw new Error("this page was made anew while it was open here: load it again");
    if ($("cell-title").textContent === id) $("cell-body").replaceChildren(...details(own, cases[own.result.case]));
  } catch (error) {
    $("cell-body").replaceChildren(el("p", { className: "problem", textContent: error.message }));
  }
}

function details({ result, repeat, deviations }, kase) {
  const verdict = facts.verdicts.find(([name]) => name === result.verdict);
  const agrees = result.verdict === "agree";
  const kind = agrees ? `u${level((result.used > 1 ? result.composed : result.used) ?? 0)}` : verdict[1];
  const apart = agrees && result.conventions.length ? " by a convention" : "";
  const made = [
    el("p", {}, el("span", { className: `box badge ${kind}`, textContent: `${verdict[2]} ${result.verdict}${apart}` }),
      ` used ${number(result.used)} of its tolerance; ${result.relative === null || apart ? "" : `${digits(result.relative)}: `}largest error ${number(result.relative)} of its tensor's scale; ${number(result.seconds)} s${result.compiling ? `, ${number(result.compiling)} of it compiling` : ""}`),
  ];
  const lines = result.message.split("\n");
  const last = deviations.some(({ place, reason }) => lines.at(-1) === `${place}: ${reason}`);  // the ledger's, told below
  const said = last ? lines.slice(0, -1).join("\n") : result.message;
  if (said) made.push(el("pre", { textContent: said }));
  if (result.first_difference && !result.calls.length) made.push(el("p", {}, el("b", { textContent: "first difference: " }), result.first_difference));
  if (result.calls.length) made.push(el("h3", { textContent: `Wrong by ${result.calls.length === 1 ? "itself" : "themselves"}, each at the framework's own numbers` }), calls(result.calls, result.verdict === "known deviation" ? "by the entry below" : "new"));
  made.push(...deviations.flatMap(evidence));
  if (result.composed !== null && (result.calls.length || result.conventions.length)) {
    const taken = result.calls.length ? "what is wrong by itself" : "what was chosen at kinks";
    made.push(el("p", { textContent: `With ${taken} taken as the framework has it, the whole uses ${number(result.composed)} of its tolerance.` }));
  }
  if (result.conventions.length) made.push(el("h3", { textContent: "Chosen at kinks, and as right as the reference's" }), list(result.conventions));
  if (result.budget.length) made.push(el("h3", { textContent: "Where the worst element's error comes from" }), list(result.budget.map(({ share, place }) => `${(100 * share).toFixed(0)} % ${place}`)));
  made.push(el("h3", { textContent: "Repeat it" }), el("pre", { className: "repeat", textContent: repeat }));
  if (result.tensors.length) made.push(el("h3", { textContent: "Tensors, each by its element with the largest error / tolerance" }), tensors(result.tensors));
  made.push(el("h3", { textContent: kase.title || "Program" }));
  if (kase.problem) made.push(el("p", { className: "problem", textContent: kase.problem }));
  else made.push(...(kase.source ? [el("p", { textContent: `Source: ${kase.source}` })] : []), el("pre", { className: "program", textContent: kase.program }), el("p", { className: "count", textContent: `${kase.file}, ${result.content ? "the program and inputs that were run" : "as it is when this page is made"}${result.variant ? `; here ${result.variant}` : ""}` }));
  return made;
}

function evidence({ place, reason, evidence: text, link, case: minimal, since }) {
  const made = [el("p", {}, el("b", { textContent: "ledger: " }), reason, " ", el("code", { textContent: `(${place})` }))];
  if (!text) made.push(el("p", { className: "problem", textContent: "This entry isn't in the ledger any more, or says something else by now." }));
  if (text) made.push(el("p", {}, el("b", { textContent: "evidence: " }), text));
  for (const [what, told] of [["minimal case", minimal], ["since", since]]) {
    if (told) made.push(el("p", {}, el("b", { textContent: `${what}: ` }), told));
  }
  if (/^https?:/.test(link)) made.push(el("p", {}, el("a", { href: link, textContent: link, rel: "noreferrer" })));
  return made;
}

const list = (texts) => el("ul", {}, ...texts.map((text) => el("li", { textContent: text })));

const CALLS = 50;              // wrong calls that a box shows: a training may have thousands
const CALL_HEADS = ["call", "result", "got", "should be", "used", "relative", "elements wrong", "known"];

function calls(all, unnamed) {
  const rows = all.slice(0, CALLS).map((c) => {
    const where = `${c.name}${c.where?.length ? `[${c.where.join(", ")}]` : ""}${c.step === null ? "" : ` in step ${c.step}`}`;
    const known = c.entry ? `${c.note} (${c.entry})` : [unnamed, c.note, c.likely && `likely: ${c.likely}`].filter(Boolean).join(": ");
    const cell = (text, className = "") => el("td", { className, textContent: text });
    return el("tr", { className: c.entry ? "" : "wrong" }, cell(c.place), cell(where), cell(c.got), cell(c.want), cell(number(c.used), "n"),
      cell(number(c.relative), "n"), cell(`${c.wrong} of ${c.elements}`, "n"), cell(known));
  });
  const head = el("tr", {}, ...CALL_HEADS.map((text) => el("th", { scope: "col", textContent: text })));
  const made = el("div", { className: "scroll" }, el("table", { className: "calls" }, el("thead", {}, head), el("tbody", {}, ...rows)));
  if (all.length > CALLS) made.append(el("p", { className: "count", textContent: `and ${all.length - CALLS} more; the run file has all` }));
  return made;
}

const HEADS = ["", "tensor", "where", "got", "should be", "error", "tolerance", "used", "ULP", "relative"];

function tensors(all) {
  const rows = all.map((t) => {
    const name = `${t.role}${t.role === "gradient" ? " of" : ""} ${t.name}${t.step === null ? "" : ` in step ${t.step}`}`;
    const [verdict, kind, glyph] = facts.verdicts.find(([known]) => known === t.verdict);
    const sign = el("td", { title: verdict, textContent: glyph });
    sign.setAttribute("aria-label", verdict);
    const texts = [name, t.problem || (t.where === null ? "-" : `[${t.where.join(", ")}]`), t.got, t.want];
    const numbers = [t.error, t.tolerance, t.used, t.ulp, t.relative].map((value) => el("td", { className: "n", textContent: number(value) }));
    return el("tr", { className: kind === "agree" ? "" : "wrong" }, sign, ...texts.map((text) => el("td", { textContent: text })), ...numbers);
  });
  const head = el("tr", {}, ...HEADS.map((text) => el("th", { scope: "col", textContent: text })));
  return el("div", { className: "scroll" }, el("table", { className: "tensors" }, el("thead", {}, head), el("tbody", {}, ...rows)));
}

// The next portion of a list of what changed.
async function more(button) {
  const items = button.closest("details").querySelector("ol");
  const { list, files } = button.dataset;
  const next = Number(button.dataset.next ?? 0);
  button.disabled = true;
  try {
    for (const [address, cell, became, message] of await chunk(`changes/${list}-${next}.js`)) {
      const name = address ? el("a", { href: address, textContent: cell }) : cell;
      items.append(el("li", {}, name, " ", el("span", { textContent: became }), ...(message ? [el("code", { textContent: message })] : [])));
    }
  } catch (error) {
    button.replaceWith(el("span", { className: "problem", textContent: error.message }));
    return;
  }
  button.disabled = false;
  button.dataset.next = next + 1;
  button.textContent = button.textContent.replace(/^\d+/, items.children.length);
  if (next + 1 === Number(files)) button.remove();
}

function named() {
  try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; }
}

function openNamed() {
  const id = named();
  if (!id.includes("::")) return;
  const cell = facts.cells.findIndex((_, i) => idOf(i) === id);
  if (cell >= 0) show(cell);
}

// Arrow keys move between the buttons of the matrix; Tab leaves it.
function move(event) {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  const from = event.target.closest("#grid tbody th, #grid tbody td");
  if (!step || !from) return;
  event.preventDefault();
  let row = from.parentElement;
  let column = from.cellIndex;
  for (;;) {
    if (step[0] > 0) row = row.nextElementSibling; else if (step[0] < 0) row = row.previousElementSibling;
    column += step[1];
    if (!row || column < 0 || (step[1] && column >= row.cells.length)) return;
    const button = row.cells[column]?.querySelector("button");
    if (button) {
      event.target.tabIndex = -1;
      button.tabIndex = 0;
      button.focus();
      return;
    }
  }
}

function choose(id, names) {
  $(id).replaceChildren(el("option", { value: "", textContent: "all" }), ...names.map(([value, text]) => el("option", { value, textContent: text })));
}

const words = () => $("text").value.toLowerCase().split(/\s+/).filter(Boolean).join(" ");

function read() {
  filter.words = words().split(" ").filter(Boolean);
  filter.verdict = $("verdict").value === "" ? "" : Number($("verdict").value);
  for (const key of ["framework", "dtype", "mode"]) filter[key] = $(key).value;
  draw();
}

function start() {
  const column = (i) => [...new Set(facts.columns.map((names) => names[i]))].map((name) => [name, name]);
  choose("verdict", facts.verdicts.map(([name, , glyph], i) => [i, `${glyph} ${name}`]));
  choose("framework", column(0));
  choose("dtype", column(1));
  choose("mode", column(2));
  let waiting;
  $("text").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(read, 100); });
  // When the text loses focus and was read already, a redraw would take the box away from under the click.
  $("filters").addEventListener("change", (event) => { if (event.target !== $("text") || words() !== filter.words.join(" ")) read(); });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("reset", () => setTimeout(read));
  document.querySelectorAll(".tile").forEach((tile) => tile.addEventListener("click", () => {
    $("verdict").value = $("verdict").value === tile.dataset.verdict ? "" : tile.dataset.verdict;
    read();
    $("matrix").scrollIntoView();
  }));
  document.querySelectorAll(".changes button").forEach((button) => button.addEventListener("click", () => more(button)));
  $("grid").addEventListener("keydown", move);
  $("close").addEventListener("click", () => $("cell").close());
  $("cell").addEventListener("click", (event) => { if (event.target === $("cell")) $("cell").close(); });
  $("cell").addEventListener("close", () => {  // it comes after the closing: by now the address may name the next cell
    if (!$("cell").open && named() === $("cell-title").textContent) history.replaceState(null, "", location.pathname + location.search);
  });
  addEventListener("hashchange", openNamed);
  draw();
  openNamed();
}

start();
