// Loads the data of the run that the address names, and then runs the scripts of the timeline.

function fail(text) {
  const error = document.getElementById("error");
  error.hidden = false;
  error.textContent = text;
}

function runScript(fill) {
  const script = document.createElement("script");
  script.nonce = "turnstile";
  fill(script);
  document.body.append(script);
}

/** Called by the file with the data. */
async function turnstileData(text) {
  document.getElementById("data").textContent = await inflated(text);
  runScript((script) => { script.textContent = document.getElementById("code").textContent; });
}

const play = new URLSearchParams(location.hash.slice(1)).get("play") || "";
if (/^[a-z0-9-]+$/.test(play)) {
  runScript((script) => {
    script.src = `data/${play}.js`;
    script.addEventListener("error", () => fail(`There is no run ${play} in this report.`));
  });
} else {
  fail("The address names no run: open one from the index.");
}
