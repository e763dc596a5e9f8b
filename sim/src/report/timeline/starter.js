// Starts the scripts of the timeline when the data of a run are there.

function runScript(fill) {
  const script = document.createElement("script");
  script.nonce = "turnstile";
  fill(script);
  document.body.append(script);
}

/** Takes the packed data of a run. */
async function turnstileData(text) {
  document.getElementById("data").textContent = await inflated(text);
  runScript((script) => { script.textContent = document.getElementById("code").textContent; });
}
