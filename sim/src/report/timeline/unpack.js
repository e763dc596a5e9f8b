// Unpacks large data: base64, zlib, JSON; and records. It comes first in every script that has such data.

"use strict";

function bytesIn(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** The JSON in a packed text. `beginning` is what packed texts share, if they do. */
async function inflated(text, beginning = { text: "", length: 0 }) {
  const packed = new Blob([bytesIn(beginning.text), bytesIn(text)]);
  const stream = packed.stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = await new Response(stream).arrayBuffer();
  return new TextDecoder().decode(new Uint8Array(bytes, beginning.length));
}

async function unpacked(text) {
  return JSON.parse(await inflated(text));
}

/** A run. Its data have each field of events in a list of its own. */
function runOf(json) {
  const run = JSON.parse(json);
  const { arrow: arrows, ...lists } = run.events;
  const fields = Object.entries(lists);
  run.events = arrows.map((arrow, index) => {
    const event = Object.fromEntries(fields.map(([name, list]) => [name, list[index]]));
    event.arrow = arrow && Object.fromEntries(["from", "to", "kind", "fate", "arrives"].map((name, at) => [name, arrow[at]]));
    return event;
  });
  return run;
}

/** A record: its time and party, which its event has, and what it says. */
function record({ at_us, party }, said) {
  return { at_us, party, ...said };
}
