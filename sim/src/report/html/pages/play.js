// Shows what a page has only in its data: the script of a play that passed, and the wire log when it is asked for.

const wire = document.getElementById("wire");
const source = document.getElementById("source");
const slug = document.querySelector("main").dataset.slug;

let run;

/** Called by the file with the data. */
async function turnstileData(text) {
  run = await unpacked(text);
  showSource();
  await showWire();
}

function showSource() {
  if (!source) return;
  source.replaceChildren(...run.script.map((line, index) => {
    const row = document.createElement("span");
    row.append(Object.assign(document.createElement("i"), { textContent: index + 1 }), `${line}\n`);
    return row;
  }));
}

async function showWire() {
  if (!wire.open || document.body.dataset.wire) return;
  const parts = await Promise.all(run.payloads.map((part) => (typeof part === "string" ? unpacked(part) : part)));
  const records = parts.flat().map((said, event) => record(run.events[event], said));
  wire.querySelector("pre").textContent = records.map((one) => JSON.stringify(one)).join("\n");
  document.body.dataset.wire = records.length;
}

let isAsked = false;

function load() {
  if (run) showWire();
  if (isAsked) return;
  isAsked = true;
  const script = document.createElement("script");
  script.nonce = "turnstile";
  script.src = `../data/${slug}.js`;
  document.body.append(script);
}

if (wire) {
  wire.addEventListener("toggle", () => wire.open && load());
  if (location.hash === "#wire") wire.open = true;
  if (source) load();
}
document.body.dataset.ready = "yes";
