// Positions of columns, and text that fits into them.

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  return made;
}

const pen = document.createElement("canvas").getContext("2d");
const widths = new Map();

/** The approximate width of a text, sufficient to truncate it. */
function widthOf(text, font) {
  const key = font + text;
  let width = widths.get(key);
  if (width === undefined) {
    if (widths.size > 5000) widths.clear();
    pen.font = font;
    width = pen.measureText(text).width;
    widths.set(key, width);
  }
  return width;
}

/** Truncates a text to a width, with an ellipsis. */
function fitted(text, room, font) {
  if (room <= 8) return "";
  if (widthOf(text, font) <= room) return text;
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (widthOf(`${text.slice(0, middle)}…`, font) <= room) low = middle;
    else high = middle - 1;
  }
  return low > 0 ? `${text.slice(0, low)}…` : "";
}

const FONT = "12px system-ui, 'Liberation Sans', sans-serif";
const SMALL = "11px system-ui, 'Liberation Sans', sans-serif";
const BOLD = "600 12px system-ui, 'Liberation Sans', sans-serif";

/** The positions of the columns for a width, the visible lanes and the number of bars of messages. */
class Columns {
  constructor(width, lanes, bars, slots) {
    this.width = width;
    const isNarrow = width < 560;
    this.map = { left: 0, width: isNarrow ? 14 : 40 };
    this.time = isNarrow ? 82 : 148;
    this.tick = this.time + 10;
    const states = this.time + (isNarrow ? 26 : 50);
    const room = isNarrow ? 22 : Math.min(300, width * 0.24);
    const words = bars.map(({ label }) => 24 + widthOf(`${label} completed`, SMALL));
    const wanted = Math.min(150, Math.max(84, ...words.slice(0, 200)));
    this.areSlotsWide = slots * 78 <= room;
    this.slot = this.areSlotsWide ? Math.min(wanted, room / slots) : Math.min(20, room / slots);
    this.states = states;
    this.firstLane = states + slots * this.slot + (isNarrow ? 10 : 32);
    const wide = Math.max(1, lanes.length - 1);
    const least = isNarrow ? 14 : width < 760 ? 42 : 66;
    this.pitch = Math.max(least, Math.min(104, ((width - this.firstLane) * (isNarrow ? 0.3 : 0.47)) / wide));
    this.lanes = new Map(lanes.map((lane, place) => [lane, this.firstLane + place * this.pitch]));
    this.lastLane = this.firstLane + (lanes.length - 1) * this.pitch;
    this.text = this.lastLane + Math.min(46, this.pitch / 2 + 6);
    const who = Math.min(132, (width - this.text) * 0.32);
    this.who = who < 100 ? 0 : who;
    this.textEnd = width - 10;
  }
}

/** The names above the columns. */
function drawHeads(columns, lanes, hasBars) {
  const parts = document.createDocumentFragment();
  const y = 15;
  const caption = (x, text, more) => parts.append(element("text", { class: "caption", x, y, ...more }, text));
  caption(columns.time, "seconds", { "text-anchor": "end" });
  const isRoomy = columns.width >= 560;
  if (isRoomy) caption(columns.tick, "line");
  if (hasBars && isRoomy) caption(columns.states, "messages");
  for (const [lane, x] of columns.lanes) {
    const isNarrow = columns.pitch < 84;
    const name = fitted(lanes[lane], columns.pitch - 4, isNarrow ? `600 ${SMALL}` : BOLD) || lanes[lane][0];
    const look = isNarrow ? "head narrow" : "head";
    const head = element("text", { class: look, x, y, "text-anchor": "middle" }, name);
    head.append(element("title", {}, lanes[lane]));
    parts.append(head);
  }
  caption(columns.text + columns.who, "what happened");
  return parts;
}
