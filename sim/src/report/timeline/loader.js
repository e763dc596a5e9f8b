// Loads the data of the run that the address names. Its file calls `turnstileData`.

function fail(text) {
  const error = document.getElementById("error");
  error.hidden = false;
  error.textContent = text;
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
