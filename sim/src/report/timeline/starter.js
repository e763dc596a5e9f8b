// Starts the scripts of the timeline when the data of a run are there.

function runScript(fill) {
  const script = document.createElement("script");
  script.nonce = "turnstile";
  fill(script);
  document.body.append(script);
}

/** Takes the packed data of a run. `BEGINNING` is what all of them share. */
async function turnstileData(text) {
  document.getElementById("data").textContent = await inflated(text, BEGINNING);
  runScript((script) => { script.textContent = document.getElementById("code").textContent; });
}
