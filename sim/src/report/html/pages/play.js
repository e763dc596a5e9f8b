// Shows the wire log of a play when it is asked for.

const wire = document.getElementById("wire");
const slug = document.querySelector("main").dataset.slug;

/** Called by the file with the data. */
async function turnstileData(text) {
  const run = await unpacked(text);
  const parts = await Promise.all(run.payloads.map((part) => (typeof part === "string" ? unpacked(part) : part)));
  wire.querySelector("pre").textContent = parts.flat().map((record) => JSON.stringify(record)).join("\n");
  document.body.dataset.wire = parts.flat().length;
}

let isLoaded = false;

function load() {
  if (isLoaded || !wire.open) return;
  isLoaded = true;
  const script = document.createElement("script");
  script.nonce = "turnstile";
  script.src = `../data/${slug}.js`;
  document.body.append(script);
}

if (wire) {
  wire.addEventListener("toggle", load);
  if (location.hash === "#wire") wire.open = true;
}
document.body.dataset.ready = "yes";
