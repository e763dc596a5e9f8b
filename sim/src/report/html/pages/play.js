// Shows what a page has only in the data of a play: the script if it passed, and the wire log when it is asked for.

/** The runs by the names of their plays. */
const runs = new Map();
let take;

/** Called by the file with the data of a play. */
function turnstileData(text) {
  take(text);
}

/** The packed data of a play: in this page, or in a file beside it. */
async function dataOf(slug) {
  const own = document.getElementById(`data-${slug}`);
  if (own) return own.textContent;
  return new Promise((resolve) => {
    take = resolve;
    const script = document.createElement("script");
    script.nonce = "turnstile";
    script.src = `../data/${slug}.js`;
    document.body.append(script);
  });
}

function runOfPlay(slug) {
  if (!runs.has(slug)) runs.set(slug, dataOf(slug).then((text) => inflated(text, BEGINNING)).then(runOf));
  return runs.get(slug);
}

async function showSource(place, slug) {
  const { script } = await runOfPlay(slug);
  place.replaceChildren(...script.map((line, index) => {
    const row = document.createElement("span");
    row.append(Object.assign(document.createElement("i"), { textContent: index + 1 }), `${line}\n`);
    return row;
  }));
}

async function showWire(place, slug) {
  const run = await runOfPlay(slug);
  const parts = await Promise.all(run.payloads.map((part) => (typeof part === "string" ? unpacked(part) : part)));
  const records = parts.flat().map((said, event) => record(run.events[event], said));
  place.textContent = records.map((one) => JSON.stringify(one)).join("\n");
  document.body.dataset.wire = records.length;
}

/** Completes the page of a play when it is shown. */
function showPlay(main) {
  const { slug } = main.dataset;
  const source = main.querySelector(".source.from-data");
  if (source && !source.hasChildNodes()) showSource(source, slug);
  const wire = main.querySelector(".wire");
  if (!wire) return;
  const log = wire.querySelector("pre");
  wire.ontoggle = () => {
    if (wire.open && !log.hasChildNodes()) showWire(log, slug);
  };
  if (location.hash === "#wire") wire.open = true;
}

const only = document.querySelector("main.play:not([hidden])");
if (only) {
  showPlay(only);
  document.body.dataset.ready = "yes";
}
