// Filters the table of plays, and keeps the filters in the address. In a single file it also shows one play at a time, or
// a timeline.

"use strict";

const form = document.getElementById("filters");
const rows = [...document.querySelectorAll("#list tbody tr")];
const texts = rows.map((row) => row.textContent.toLowerCase());

function matches(row, index, asked) {
  for (const [name, value] of asked) {
    if (!value) continue;
    if (name === "find" && !texts[index].includes(value.toLowerCase())) return false;
    if (name === "rule" && !row.dataset.rule.split("|").includes(value)) return false;
    if (!["find", "rule"].includes(name) && row.dataset[name] !== value) return false;
  }
  return true;
}

function filter() {
  const asked = [...new FormData(form)];
  let shown = 0;
  rows.forEach((row, index) => {
    row.hidden = !matches(row, index, asked);
    if (!row.hidden) shown += 1;
  });
  document.getElementById("shown").textContent = `${shown} of ${rows.length}`;
  document.body.dataset.shown = shown;
  return asked.filter(([, value]) => value);
}

/** Shows the timeline of a play in place of this page. */
async function showTimeline(data) {
  const page = await unpacked(document.getElementById("timeline").textContent);
  if (document.readyState !== "complete") await new Promise((resolve) => window.addEventListener("load", resolve));
  window.turnstileRun = data.textContent;
  document.open();
  document.write(page);
  document.close();
}

function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const data = document.getElementById(`data-${asked.get("timeline")}`);
  if (data) {
    showTimeline(data);
    return;
  }
  for (const field of form.elements) {
    if (field.name && asked.has(field.name)) field.value = asked.get(field.name);
  }
  filter();
  const one = asked.get("play") || asked.get("timeline");
  const index = document.getElementById("index");
  const page = one && document.getElementById(`play-${one}`);
  document.querySelectorAll("main.play").forEach((play) => { play.hidden = play !== page; });
  index.hidden = Boolean(page);
  if (page) {
    showPlay(page);
    window.scrollTo(0, 0);
  }
}

form.addEventListener("input", () => {
  const kept = new URLSearchParams(filter());
  try {
    history.replaceState(null, "", `#${kept}`);
  } catch { /* nothing depends on it */ }
});
form.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", readAddress);
document.body.dataset.ready = "yes";
readAddress();
