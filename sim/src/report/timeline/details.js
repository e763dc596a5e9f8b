// What is shown of the selected row: the record of an event, a finding, or a fold.

function showDetails() {
  const row = shown.axis.rows[shown.selected];
  const words = wordsOf(row);
  page["details-title"].textContent = words.headline;
  page["details-links"].replaceChildren();
  page["details-json"].textContent = "";
  page["details-finding"].hidden = row.finding === undefined;
  page.details.hidden = false;
  markLine(row.finding === undefined ? words.line : run.findings[row.finding].line);
  writeAddress();
  if (row.finding !== undefined) {
    showFinding(run.findings[row.finding]);
    return;
  }
  if (row.fold) {
    showFold(row);
    return;
  }
  const { arrow, messages, at_us } = run.events[row.event];
  const about = messages.map((message) => run.messages[message].label).join(", ");
  const fate = arrow?.fate === "lost" ? "; it never arrived" : "";
  page["details-facts"].textContent = `${seconds(at_us)} s, ${words.who}${about && `, about ${about}`}${fate}`;
  showRecord(row.event);
  const other = otherEnd(row.event);
  if (other !== undefined) {
    const button = document.createElement("button");
    const apart = lapse(Math.abs(run.events[other].at_us - at_us));
    button.textContent = other > row.event ? `arrives after ${apart} →` : `← was sent ${apart} before`;
    button.addEventListener("click", () => revealEvent(other));
    page["details-links"].append(button);
  }
}

/** Shows the record of the selected event, as soon as it is unpacked. */
function showRecord(event) {
  recordOf(event).then((found) => {
    if (shown.axis.rows[shown.selected]?.event !== event) return;
    page["details-json"].textContent = JSON.stringify(found, null, 2);
  });
}

function showFinding({ at_us, message, line, expected, text, protocol }) {
  const about = message === null ? "" : `, message ${run.messages[message].label}`;
  page["details-facts"].textContent = `failed at ${seconds(at_us)} s${about}`;
  const parts = [];
  const part = (term, value) => {
    parts.push(Object.assign(document.createElement("dt"), { textContent: term }));
    const shown = document.createElement("dd");
    shown.append(...prose(value));
    parts.push(shown);
  };
  if (line > 0) part("line", String(line));
  if (expected) part("expected", expected);
  part("actual", text);
  for (const [id, rule] of protocol) part(id, rule);
  page["details-finding"].replaceChildren(...parts);
}

/** A text as nodes: its parts marked as `code`, **strong** or *emphasized* become elements. */
function prose(text) {
  const nodes = [];
  let end = 0;
  for (const marked of text.matchAll(/`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*/g)) {
    const [whole, code, strong, emphasized] = marked;
    const name = code ? "code" : strong ? "strong" : "em";
    nodes.push(text.slice(end, marked.index));
    nodes.push(Object.assign(document.createElement(name), { textContent: code ?? strong ?? emphasized }));
    end = marked.index + whole.length;
  }
  nodes.push(text.slice(end));
  return nodes;
}

function showFold({ fold }) {
  const [first, last] = [run.events[fold[0]], run.events[fold[fold.length - 1]]];
  page["details-facts"].textContent = `${seconds(first.at_us)} s to ${seconds(last.at_us)} s`;
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "unfold" });
  button.addEventListener("click", unfold);
  page["details-links"].append(button);
}

/** Shows the events of the selected fold. */
function unfold() {
  const row = shown.axis.rows[shown.selected];
  if (!row?.fold) return;
  row.fold.forEach((event) => opened.add(event));
  choose();
  selectEvent(row.fold[0]);
}
