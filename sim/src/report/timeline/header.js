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
  const on = (id, act) => document.getElementById(id).addEventListener("click", act);
  on("zoom-in", () => zoom(1.4));
  on("zoom-out", () => zoom(1 / 1.4));
  on("fit", showWhole);
  on("readable", showRows);
  on("help-button", () => setHelp(page.help.hidden));
  on("help-close", () => setHelp(false));
  on("details-close", unselect);
}

/** Applies the URL fragment, such as `#axis=true&zoom=whole&event=12&message=first&hide=observer&keys`. */
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
  choose();
  if (asked.get("axis") === "true") setAxis(true);
  if (asked.get("zoom") === "whole") showWhole();
  if (asked.has("keys")) setHelp(true);
  if (asked.has("event")) selectEvent(Number(asked.get("event")));
  else if (shown.findingRows.length > 0) bringIntoView(shown.findingRows[0][0]);
}

/** Scrolls a row to the lower part of the view, so that earlier rows are visible above it. */
function bringIntoView(row) {
  keepInBounds();
  const y = (shown.axis.positions[row] - view.top) * view.scale;
  if (y > view.height * 0.75) view.top = shown.axis.positions[row] - (view.height * 0.7) / view.scale;
}
