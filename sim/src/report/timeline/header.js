// The header, the filters, and the URL fragment.

function fillHeader() {
  const hasFailed = run.findings.length > 0;
  const outcome = hasFailed ? "failed" : "passed";
  document.title = `${outcome}: ${run.title}`;
  page.outcome.textContent = outcome;
  page.outcome.classList.toggle("failed", hasFailed);
  page.title.textContent = run.title;
  const fact = (text, code, look = "") => {
    const made = Object.assign(document.createElement("span"), { className: look });
    made.append(text);
    if (code) made.append(Object.assign(document.createElement("code"), { textContent: code }));
    page.facts.append(made);
  };
  fact(run.id);
  fact(`${run.surface} surface`);
  fact(`seed ${run.seed}`);
  fact(`${lapse(run.played_us)} of steps, ${lapse(run.elapsed_us)} in all`);
  fact("digest ", run.digest.slice(0, 12));
  fact("", run.replay, "replay");
  run.findings.forEach((finding, index) => {
    const button = document.createElement("button");
    const part = (name, text, look) => {
      const made = Object.assign(document.createElement(name), { textContent: text });
      if (look) made.className = look;
      button.append(made);
    };
    button.type = "button";
    part("span", `${seconds(finding.at_us)} s`, "when");
    part("b", finding.rule);
    part("span", finding.text);
    button.addEventListener("click", () => {
      const place = shown.findingRows.find(([, known]) => known === index);
      if (place) select(place[0]);
    });
    const item = document.createElement("li");
    item.append(button);
    page.findings.append(item);
  });
}

function fillFilters() {
  page.message.append(new Option("all", "-1"));
  run.messages.forEach(({ label }, index) => page.message.append(new Option(label, index)));
  page.message.addEventListener("change", () => {
    choice.message = Number(page.message.value);
    choose();
    draw();
  });
  run.lanes.forEach((name, lane) => {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
    const label = document.createElement("label");
    label.append(box, name);
    box.addEventListener("change", () => {
      if (box.checked) choice.hidden.delete(lane);
      else choice.hidden.add(lane);
      choose();
      draw();
    });
    page.parties.append(label);
  });
  for (const input of document.querySelectorAll("input[name=axis]")) {
    input.addEventListener("change", () => setAxis(input.value === "true"));
  }
  fillTypes();
  const on = (id, act) => document.getElementById(id).addEventListener("click", act);
  on("zoom-in", () => zoom(1.4));
  on("zoom-out", () => zoom(1 / 1.4));
  on("fit", showWhole);
  on("readable", showRows);
  on("help-button", () => setHelp(page.help.hidden));
  on("help-close", () => setHelp(false));
  on("details-close", unselect);
}

/** Fills the filter by type, the most frequent first. */
function fillTypes() {
  const counts = new Map();
  for (const event of run.events) counts.set(typeOf(event), (counts.get(typeOf(event)) || 0) + 1);
  page.type.append(new Option("all", ""));
  const types = [...counts].sort((one, other) => other[1] - one[1]);
  for (const [type, count] of types) page.type.append(new Option(`${type} (${count})`, type));
  page.type.addEventListener("change", () => filter({ type: page.type.value }));
  page.find.addEventListener("input", () => filter({ find: page.find.value.trim().toLowerCase() }));
  page.fold.addEventListener("change", () => setFolds(page.fold.checked));
}

function filter(change) {
  Object.assign(choice, change);
  choose();
  draw();
}

function setFolds(folds) {
  page.fold.checked = folds;
  opened.clear();
  filter({ folds });
}

/* The script beside the drawing. */

function fillScript() {
  page["script-button"].hidden = run.script.length === 0;
  const failing = new Set(run.findings.map(({ line }) => line));
  run.script.forEach((text, index) => {
    const item = document.createElement("li");
    item.textContent = text || " ";
    if (failing.has(index + 1)) item.className = "failing";
    const step = run.events.findIndex(({ kind, line }) => kind === "step" && line === index + 1);
    if (step >= 0) {
      item.classList.add("step");
      item.addEventListener("click", () => revealEvent(step));
    }
    page["script-lines"].append(item);
  });
  document.getElementById("script-close").addEventListener("click", () => setScript(false));
  page["script-button"].addEventListener("click", () => setScript(page.script.hidden));
  setScript(run.script.length > 0 && window.innerWidth >= WIDE_WINDOW);
}

/** From this width on there is room for the script, in pixels. */
const WIDE_WINDOW = 1500;

function setScript(isShown) {
  page.script.hidden = !isShown;
  page["script-button"].setAttribute("aria-expanded", isShown);
  if (shown.axis) draw();
}

/** Marks the line of what is selected. */
function markLine(line) {
  page["script-lines"].querySelector(".selected")?.classList.remove("selected");
  const item = line > 0 ? page["script-lines"].children[line - 1] : null;
  item?.classList.add("selected");
  if (item && !page.script.hidden) item.scrollIntoView({ block: "nearest" });
}

/* The address keeps what is shown, such as `#axis=true&zoom=whole&event=12&message=first&hide=observer&keys`. */

/** Whether the address is read, and should not be written. */
let isReading = true;

function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const message = run.messages.findIndex(({ label }) => label === asked.get("message"));
  if (message >= 0) {
    choice.message = message;
    page.message.value = message;
  }
  for (const name of asked.getAll("hide")) {
    const lane = run.lanes.indexOf(name);
    if (lane < 0) continue;
    choice.hidden.add(lane);
    page.parties.querySelectorAll("input")[lane].checked = false;
  }
  choice.type = asked.get("type") || "";
  choice.find = (asked.get("find") || "").toLowerCase();
  choice.folds = asked.get("fold") !== "no";
  page.type.value = choice.type;
  page.find.value = choice.find;
  page.fold.checked = choice.folds;
  choose();
  if (asked.get("axis") === "true") setAxis(true);
  const zoomed = Number(asked.get("zoom"));
  if (asked.get("zoom") === "whole" || !asked.has("zoom") && !choice.isTrue && fits()) showWhole();
  else if (zoomed > 0) {
    view.scale = zoomed;
    choice.isWhole = false;
  }
  if (Number.isFinite(Number(asked.get("top") || NaN))) view.top = Number(asked.get("top"));
  if (asked.has("keys")) setHelp(true);
  if (asked.has("event")) revealEvent(Number(asked.get("event")));
  else if (asked.has("finding")) {
    const place = shown.findingRows.find(([, known]) => known === Number(asked.get("finding")));
    if (place) select(place[0]);
  } else if (shown.findingRows.length > 0 && !asked.has("top")) bringIntoView(shown.findingRows[0][0]);
  isReading = false;
}

/** The least distance of rows at which a whole run can be read, in pixels. */
const LEAST_READABLE = 3.2;

/** Whether the whole run can be read at once. */
function fits() {
  return (view.height - 2 * READABLE) / shown.axis.end >= LEAST_READABLE;
}

/** Keeps what is shown in the address, so that it can be sent to others. */
function writeAddress() {
  if (isReading) return;
  const kept = new URLSearchParams();
  const known = new URLSearchParams(location.hash.slice(1));
  for (const name of ["play", "timeline"]) {
    if (known.has(name)) kept.set(name, known.get(name));
  }
  const row = shown.axis.rows[shown.selected];
  if (row?.event !== undefined) kept.set("event", row.event);
  if (row?.finding !== undefined) kept.set("finding", row.finding);
  if (choice.isTrue) kept.set("axis", "true");
  kept.set("zoom", choice.isWhole ? "whole" : view.scale.toPrecision(4));
  if (!choice.isWhole && !row) kept.set("top", view.top.toPrecision(6));
  if (choice.message >= 0) kept.set("message", run.messages[choice.message].label);
  for (const lane of choice.hidden) kept.append("hide", run.lanes[lane]);
  if (choice.type) kept.set("type", choice.type);
  if (choice.find) kept.set("find", choice.find);
  if (!choice.folds) kept.set("fold", "no");
  // A page in a sandbox may not change its address.
  try {
    history.replaceState(null, "", `#${kept}`);
  } catch { /* nothing depends on it */ }
}

/** Scrolls a row to the lower part of the view, so that earlier rows are visible above it. */
function bringIntoView(row) {
  keepInBounds();
  const y = (shown.axis.positions[row] - view.top) * view.scale;
  if (y > view.height * 0.75) view.top = shown.axis.positions[row] - (view.height * 0.7) / view.scale;
}
