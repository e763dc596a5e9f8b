// Marks and their meaning: patterns of faults, signs of final states, and the legend.

/** The signs of final states of messages. */
const SIGNS = { completed: "✓", failed: "✕", interrupted: "–" };
const ENDS = ["completed", "failed", "interrupted"];

/** The patterns of faults, which distinguish them without colours. */
const PATTERNS = {
  cut: "M-2 10L10 -2M6 10L10 6M-2 2L2 -2",
  "black-hole": "M-2 10L10 -2M-2 -2L10 10",
  delay: "M0 4H8",
  crash: "M-2 10L10 -2M6 10L10 6M-2 2L2 -2M-2 -2L10 10",
  disk: "M4 0V8",
  queue: "M2 4H4",
  wrapper: "M4 2V4",
};
/** The pattern of all other kinds. */
const OTHER_PATTERN = "delay";

function patternOf(kind) {
  return kind in PATTERNS ? kind : OTHER_PATTERN;
}

function patterns() {
  const all = element("defs", {});
  for (const kind in PATTERNS) {
    const pattern = element("pattern", { id: `hatch-${kind}`, width: 8, height: 8, patternUnits: "userSpaceOnUse" });
    pattern.append(element("path", { class: "hatch", d: PATTERNS[kind] }));
    all.append(pattern);
  }
  return all;
}

/** Draws the legend. */
function drawLegend() {
  const parts = document.createDocumentFragment();
  const row = (place) => 12 + place * 22;
  const marks = [
    ["request", "request"],
    ["reply", "answer"],
    ["frame", "frame of a WebSocket"],
    ["chunk", "chunk of a streamed response"],
    ["open", "a WebSocket opens"],
    ["close", "a WebSocket ends"],
    ["request trouble", "refused, lost or broken"],
  ];
  let place = 0;
  for (const [look, text] of marks) {
    const y = row(place);
    parts.append(element("path", { class: `wire ${look}`, d: `M2 ${y}H46` }));
    parts.append(element("path", { class: `tip ${look}`, d: `M52 ${y}l-7 -3v6z` }));
    parts.append(element("text", { x: 66, y }, text));
    place += 1;
  }
  for (const moment of ["queued", "sent"]) {
    const y = row(place);
    parts.append(element("rect", { class: `bar ${moment}`, x: 22, y: y - 8, width: 6, height: 16 }));
    parts.append(element("text", { x: 66, y }, `a message is ${moment}`));
    place += 1;
  }
  for (const moment of ENDS) {
    const y = row(place);
    parts.append(element("circle", { class: `end ${moment}`, cx: 25, cy: y, r: 6 }));
    parts.append(element("text", { class: "end-sign", x: 25, y: y + 0.5 }, SIGNS[moment]));
    const text = moment === "interrupted" ? "it was interrupted" : `it ${moment}`;
    parts.append(element("text", { x: 66, y }, text));
    place += 1;
  }
  const y = row(place);
  parts.append(element("rect", { class: "hatch-ground cut", x: 2, y: y - 8, width: 50, height: 16 }));
  parts.append(element("rect", { class: "fault", x: 2, y: y - 8, width: 50, height: 16, fill: "url(#hatch-cut)" }));
  parts.append(element("text", { x: 66, y }, "broken, as the word in it says"));
  place += 1;
  const last = row(place);
  parts.append(element("path", { class: "finding-line", d: `M2 ${last}H52` }));
  parts.append(element("path", { class: "finding-flag", d: `M20 ${last - 7}h14v14h-14z` }));
  parts.append(element("text", { class: "finding-sign", x: 27, y: last + 0.5 }, "!"));
  parts.append(element("text", { x: 66, y: last }, "a finding"));
  return parts;
}
