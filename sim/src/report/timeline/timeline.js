// The state of the view: filters, position on the axis, selection; and the handlers of keys, wheel and pointer.

const page = Object.fromEntries(
  ["error", "outcome", "title", "facts", "findings", "message", "parties", "count", "stage", "heads", "drawing",
    "details", "details-title", "details-facts", "details-finding", "details-links", "details-json", "help",
    "help-button", "legend", "live", "type", "find", "fold", "script", "script-button", "script-lines"].map((id) => [id, document.getElementById(id)]),
);

window.addEventListener("error", (event) => {
  document.body.dataset.error = event.message;
  page.error.hidden = false;
  page.error.textContent = `This page is broken: ${event.message}`;
});

const run = runOf(document.getElementById("data").textContent);

/** The content of the drawing, selected by the filters in `choose`. */
const shown = {
  events: run.events,
  faults: run.faults,
  axis: null,
  bars: [],
  slots: 0,
  findingRows: [],
  /** Events whose arrow has two records, in order. */
  longArrows: [],
  /** The sent event for each received event. */
  sentBy: new Map(),
  selected: -1,
  hovered: -1,
  laneOf: (name) => run.lanes.indexOf(name),
  wordsOf,
  density,
};

/** The filters. */
const choice = { isTrue: false, message: -1, hidden: new Set(), type: "", find: "", folds: true };
/** Events whose fold the user has opened. */
const opened = new Set();
const frequent = frequentHeadlines(run.events);

/** The visible part of the axis: its top, pixels per unit of the axis, its height in pixels. */
const view = { top: -Infinity, scale: READABLE, height: 600, width: 800 };

/** The maximum of pixels per microsecond on the true axis; network events are not closer than that. */
const MOST_FOR_MICROSECOND = 0.2;

let columns = null;

run.events.forEach((event, index) => {
  if (event.arrow && event.arrow.arrives !== null) {
    shown.longArrows.push(index);
    shown.sentBy.set(event.arrow.arrives, index);
  }
});

/** The texts of a row. */
function wordsOf(row) {
  if (row.finding !== undefined) {
    const { rule, text, at_us } = run.findings[row.finding];
    const sentence = `${seconds(at_us)} seconds: ${rule} failed. ${text}`;
    return { who: "finding", headline: rule, detail: text, line: 0, sentence };
  }
  if (row.fold) return wordsOfFold(row);
  const { arrow, headline, detail, kind, party, line: step, at_us } = run.events[row.event];
  let who = party;
  if (arrow) who = `${run.lanes[arrow.from]} → ${run.lanes[arrow.to]}`;
  const sent = shown.sentBy.get(row.event);
  if (sent !== undefined) who = `${run.lanes[run.events[sent].arrow.from]} → ${party}`;
  if (kind === "step") who = step > 0 ? `line ${step}` : "afterwards";
  const line = kind === "step" ? step : 0;
  return { who, headline, detail, line, sentence: `${seconds(at_us)} seconds, ${who}: ${headline}` };
}

/** The texts of a row that stands for several events. */
function wordsOfFold({ fold }) {
  const names = [...new Set(fold.map((event) => run.events[event].headline))];
  const lapsed = lapse(run.events[fold[fold.length - 1]].at_us - run.events[fold[0]].at_us);
  const headline = `${fold.length} × ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}`;
  const sentence = `${seconds(run.events[fold[0]].at_us)} seconds: ${headline}, folded`;
  return { who: "folded", headline, detail: `in ${lapsed}; Enter or a click in the details unfolds`, line: 0, sentence };
}

/** The type of an event for the filter: the first word of its headline, without what differs from event to event. */
function typeOf({ kind, headline }) {
  if (kind === "step" || kind === "world") return kind === "step" ? "steps" : "faults";
  return headline.split(" ")[0];
}

/** The bin height of the overview for a height in pixels, and the number of rows in each bin. */
function density(height) {
  if (density.of !== shown.axis || density.height !== height) {
    const parts = new Map();
    const { positions, end } = shown.axis;
    const tall = Math.max(2, Math.min(6, Math.floor((height - 4) / positions.length)));
    for (const position of positions) {
      const y = 2 + Math.floor(((position / end) * (height - 4)) / tall) * tall;
      parts.set(y, (parts.get(y) || 0) + 1);
    }
    density.result = [tall, [...parts]];
    density.of = shown.axis;
    density.height = height;
  }
  return density.result;
}

/** Whether an event passes the filters. Faults, and steps that name no message, always do. */
function isChosen(event) {
  const { kind, lane, messages } = run.events[event];
  if (kind === "world" || (kind === "step" && messages.length === 0)) return true;
  if (lane !== null && choice.hidden.has(lane)) return false;
  if (choice.type && typeOf(run.events[event]) !== choice.type) return false;
  if (choice.find && !matchesText(run.events[event])) return false;
  return choice.message < 0 || messages.includes(choice.message);
}

function matchesText({ headline, detail, party }) {
  return `${headline} ${detail} ${party}`.toLowerCase().includes(choice.find);
}

/** Rebuilds the axis and the rows after a change of filters, and keeps the position. */
function choose(isTrue = choice.isTrue) {
  const anchor = anchorOf();
  const isOtherAxis = isTrue !== choice.isTrue;
  choice.isTrue = isTrue;
  const rows = [];
  let finding = 0;
  const take = (limit) => {
    while (finding < run.findings.length && run.findings[finding].at_us < limit) {
      const { at_us, message } = run.findings[finding];
      if (choice.message < 0 || message === null || message === choice.message) {
        rows.push({ at: at_us, finding, after: rows.length ? (rows[rows.length - 1].event ?? 0) : 0 });
      }
      finding += 1;
    }
  };
  run.events.forEach((event, index) => {
    take(event.at_us);
    if (isChosen(index)) rows.push({ at: event.at_us, event: index });
  });
  take(Infinity);
  const chosen = rows.length - rows.filter((row) => row.finding !== undefined).length;
  const isFoldable = (event) =>
    choice.folds && !choice.find && !choice.type && run.events[event].kind === "wire" &&
    frequent.has(run.events[event].headline) && !opened.has(event);
  const visible = folded(rows, isFoldable);
  shown.axis = new Axis(visible, choice.isTrue);
  shown.findingRows = visible.flatMap((row, index) => (row.finding === undefined ? [] : [[index, row.finding]]));
  shown.hovered = -1;
  placeBars();
  if (isOtherAxis) view.scale = isTrue ? scaleOfSteps() : READABLE;
  restore(anchor);
  page.count.textContent = `${chosen} of ${run.events.length} events`;
  writeAddress();
}

/** Assigns the messages' bars to the smallest number of columns. */
function placeBars() {
  const { axis } = shown;
  const at = (event) => axis.ofEvent(event, run.events[event].at_us);
  const air = axis.isTrue ? axis.end / 2000 : 1.2;
  const bars = [];
  run.messages.forEach(({ label, moments }, message) => {
    if (moments.length === 0 || (choice.message >= 0 && choice.message !== message)) return;
    const parts = moments.map(([moment, event]) => ({ moment, top: at(event), isEnd: ENDS.includes(moment) }));
    const last = parts[parts.length - 1];
    bars.push({ label, parts, top: parts[0].top, bottom: last.isEnd ? last.top : axis.end + 1 });
  });
  const ends = [];
  for (const bar of bars.sort((one, other) => one.top - other.top)) {
    let slot = ends.findIndex((end) => end <= bar.top);
    if (slot < 0) slot = ends.length;
    ends[slot] = bar.bottom + air;
    bar.slot = slot;
  }
  shown.bars = bars;
  shown.slots = ends.length;
}

/** The row that keeps its place when the axis changes: the selected row if it is visible, otherwise the one in the middle. */
function anchorOf() {
  const { axis } = shown;
  if (!axis || axis.rows.length === 0) return null;
  keepInBounds();
  const y = (row) => (axis.positions[row] - view.top) * view.scale;
  const isInView = shown.selected >= 0 && y(shown.selected) >= 0 && y(shown.selected) <= view.height;
  const row = isInView ? shown.selected : axis.nearest(view.top + view.height / 2 / view.scale);
  return { y: y(row), row: axis.rows[row], selected: shown.selected >= 0 ? axis.rows[shown.selected] : null };
}

function rowLike({ event, finding, at }) {
  const { axis } = shown;
  const exact = event === undefined
    ? axis.rows.findIndex((row) => row.finding === finding)
    : axis.rowOf(event);
  return exact >= 0 ? exact : axis.nearest(axis.ofTime(at));
}

function restore(anchor) {
  shown.selected = -1;
  if (!anchor) return;
  if (anchor.selected) {
    const row = rowLike(anchor.selected);
    const { event, finding } = shown.axis.rows[row] || {};
    if (event === anchor.selected.event && finding === anchor.selected.finding) shown.selected = row;
  }
  const row = rowLike(anchor.row);
  if (row >= 0) view.top = shown.axis.positions[row] - anchor.y / view.scale;
}

/** Limits the position and the scale. */
function keepInBounds() {
  const { end } = shown.axis;
  const whole = (view.height - 2 * READABLE) / end;
  const most = choice.isTrue ? MOST_FOR_MICROSECOND : 3 * READABLE;
  view.scale = Math.min(most, Math.max(Math.min(whole, choice.isTrue ? most : READABLE), view.scale));
  const margin = READABLE / view.scale;
  const lowest = Math.max(-margin, end + margin - view.height / view.scale);
  view.top = Math.min(lowest, Math.max(-margin, view.top));
}

let isPlanned = false;

/** Schedules drawing for the next frame. */
function draw() {
  if (isPlanned) return;
  isPlanned = true;
  requestAnimationFrame(drawNow);
}

function drawNow() {
  isPlanned = false;
  view.width = page.drawing.clientWidth || 800;
  view.height = page.drawing.clientHeight || 600;
  keepInBounds();
  const lanes = run.lanes.map((_, lane) => lane).filter((lane) => !choice.hidden.has(lane));
  columns = new Columns(view.width, lanes, shown.bars, shown.slots);
  page.heads.replaceChildren(drawHeads(columns, run.lanes, shown.bars.length > 0));
  page.drawing.replaceChildren(hatches, new Drawing(shown, view, columns).draw());
  const selected = shown.selected >= 0 ? `row-${shown.selected}` : "";
  if (selected && document.getElementById(selected)) page.drawing.setAttribute("aria-activedescendant", selected);
  else page.drawing.removeAttribute("aria-activedescendant");
  report();
}

/** Attributes of the page for tests. */
function report() {
  const arrows = run.events.filter((event) => event.arrow).length;
  Object.assign(document.body.dataset, {
    ready: "yes",
    lanes: columns.lanes.size,
    events: run.events.length,
    rows: shown.axis.rows.length,
    arrows,
    faults: run.faults.length,
    findings: run.findings.length,
    messages: run.messages.length,
    drawn: page.drawing.querySelectorAll("*").length,
    axis: choice.isTrue ? "true" : "busy",
  });
}

/* Scrolling and zooming. */

function pan(pixels) {
  view.top += pixels / view.scale;
  draw();
}

function zoom(factor, y = view.height / 2) {
  const position = view.top + y / view.scale;
  view.scale *= factor;
  keepInBounds();
  view.top = position - y / view.scale;
  choice.isWhole = false;
  writeAddress();
  draw();
}

function showWhole() {
  view.scale = 0;
  view.top = -Infinity;
  choice.isWhole = true;
  writeAddress();
  draw();
}

function showRows() {
  const middle = view.top + view.height / 2 / view.scale;
  // On the true axis, so that network events are separate.
  view.scale = choice.isTrue ? READABLE / AT_ONCE_US : READABLE;
  view.top = middle - view.height / 2 / view.scale;
  choice.isWhole = false;
  writeAddress();
  draw();
}

/** The scale at which the steps of the run fill the view on the true axis, with a margin after them. */
function scaleOfSteps() {
  return (view.height - 3 * READABLE) / Math.max(run.played_us * 1.05, AT_ONCE_US);
}

function setAxis(isTrue) {
  if (choice.isTrue === isTrue) return;
  document.querySelector(`input[name=axis][value=${isTrue ? "true" : "busy"}]`).checked = true;
  choose(isTrue);
  draw();
}

/* Selection. */

function select(row) {
  if (row < 0 || row >= shown.axis.rows.length) return;
  shown.selected = row;
  keepInBounds();
  const y = (shown.axis.positions[row] - view.top) * view.scale;
  const edge = Math.min(3 * READABLE, view.height / 4);
  if (y < edge) view.top = shown.axis.positions[row] - edge / view.scale;
  if (y > view.height - edge) view.top = shown.axis.positions[row] - (view.height - edge) / view.scale;
  page.live.textContent = wordsOf(shown.axis.rows[row]).sentence;
  showDetails();
  draw();
}

function unselect() {
  shown.selected = -1;
  page.details.hidden = true;
  markLine(0);
  writeAddress();
  draw();
}

function selectEvent(event) {
  const row = shown.axis.rowOf(event);
  if (row >= 0) select(row);
}

/** The event at the other end of the selected event's arrow. */
function otherEnd(event) {
  const arrives = run.events[event].arrow?.arrives;
  return arrives ?? shown.sentBy.get(event);
}

/** Selects an event, and unfolds the fold that contains it. */
function revealEvent(event) {
  if (shown.axis.rowOf(event) < 0) {
    opened.add(event);
    const around = shown.axis.rows.find((row) => row.fold?.includes(event));
    around?.fold.forEach((one) => opened.add(one));
    choose();
  }
  selectEvent(event);
}

function selectFinding(step) {
  const rows = shown.findingRows.map(([row]) => row);
  if (rows.length === 0) return;
  const later = rows.find((row) => row > shown.selected);
  const earlier = rows.findLast((row) => row < shown.selected);
  select(step > 0 ? (later ?? rows[0]) : (earlier ?? rows[rows.length - 1]));
}

/* Keys. */

const KEYS = {
  ArrowDown: () => select(shown.selected < 0 ? firstInView() : shown.selected + 1),
  ArrowUp: () => select(shown.selected < 0 ? firstInView() : shown.selected - 1),
  ArrowRight: () => followArrow(),
  ArrowLeft: () => followArrow(),
  PageDown: () => pan(view.height * 0.85),
  PageUp: () => pan(-view.height * 0.85),
  Home: () => select(0),
  End: () => select(shown.axis.rows.length - 1),
  "+": () => zoom(1.4),
  "=": () => zoom(1.4),
  "-": () => zoom(1 / 1.4),
  0: showWhole,
  1: showRows,
  n: () => selectFinding(1),
  p: () => selectFinding(-1),
  t: () => setAxis(!choice.isTrue),
  m: () => page.message.focus(),
  "/": () => page.find.focus(),
  f: () => setFolds(!choice.folds),
  s: () => setScript(page.script.hidden),
  Enter: () => unfold(),
  "?": () => setHelp(page.help.hidden),
  Escape: () => {
    if (!page.help.hidden) setHelp(false);
    else if (!page.details.hidden) unselect();
    else setScript(false);
  },
};

function firstInView() {
  return Math.max(0, shown.axis.range(view.top, Infinity)[0]);
}

function followArrow() {
  const event = shown.axis.rows[shown.selected]?.event;
  const other = event === undefined ? undefined : otherEnd(event);
  if (other !== undefined) revealEvent(other);
}

function setHelp(isShown) {
  page.help.hidden = !isShown;
  page["help-button"].setAttribute("aria-expanded", isShown);
  if (isShown) page.legend.replaceChildren(drawLegend());
  draw();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  // Outside of the drawing these keys have other meanings.
  const others = event.key === "Enter" ? "select, input, pre, ol, button" : "select, input, pre, ol";
  const isElsewhere = event.target.closest?.(others) && event.key !== "Escape";
  const act = KEYS[event.key];
  if (!act || isElsewhere) return;
  event.preventDefault();
  act();
});

/* Wheel and pointer. */

const LINE = 16;

page.drawing.addEventListener("wheel", (event) => {
  event.preventDefault();
  const pixels = event.deltaY * (event.deltaMode === 1 ? LINE : event.deltaMode === 2 ? view.height : 1);
  if (event.ctrlKey || event.metaKey) zoom(Math.exp(-pixels / 300), event.offsetY);
  else pan(pixels);
}, { passive: false });

/** A drag: its start, and what it moves. */
let drag = null;

page.drawing.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  const isMap = event.offsetX <= columns.map.width;
  drag = { y: event.offsetY, top: view.top, isMap, isFar: false };
  page.drawing.setPointerCapture(event.pointerId);
  if (isMap) goTo(event.offsetY);
});

page.drawing.addEventListener("pointermove", (event) => {
  if (!drag) {
    hover(event.offsetX > columns.map.width ? rowAt(event.offsetY) : -1);
    return;
  }
  drag.isFar ||= Math.abs(event.offsetY - drag.y) > 4;
  if (drag.isMap) goTo(event.offsetY);
  else if (drag.isFar) {
    page.drawing.classList.add("dragged");
    view.top = drag.top - (event.offsetY - drag.y) / view.scale;
    draw();
  }
});

page.drawing.addEventListener("pointerup", (event) => {
  if (drag && !drag.isMap && !drag.isFar) {
    const row = rowAt(event.offsetY);
    if (row >= 0) select(row);
    else unselect();
  }
  drag = null;
  page.drawing.classList.remove("dragged");
});

page.drawing.addEventListener("pointerleave", () => hover(-1));

function rowAt(y) {
  const row = shown.axis.nearest(view.top + y / view.scale);
  if (row < 0) return -1;
  const distance = Math.abs((shown.axis.positions[row] - view.top) * view.scale - y);
  return distance <= READABLE ? row : -1;
}

function hover(row) {
  if (row === shown.hovered) return;
  shown.hovered = row;
  draw();
}

/** Scrolls to the part of the run at a height of the overview. */
function goTo(y) {
  const position = ((y - 2) / (view.height - 4)) * shown.axis.end;
  view.top = position - view.height / 2 / view.scale;
  draw();
}

const hatches = patterns();
fillHeader();
fillFilters();
fillScript();
view.width = page.drawing.clientWidth || view.width;
view.height = page.drawing.clientHeight || view.height;
readAddress();
drawNow();
// Draw before the resized frame is painted, not after it.
new ResizeObserver(drawNow).observe(page.drawing);
