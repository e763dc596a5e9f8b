// Unpacks large data: base64, zlib, JSON; and records. It comes first in every script that has such data.

"use strict";

/** The JSON in a packed text. */
async function inflated(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

/** A record: its time and party, which its event has, and what it says. */
function record({ at_us, party }, said) {
  return { at_us, party, ...said };
}

async function unpacked(text) {
  return JSON.parse(await inflated(text));
}
