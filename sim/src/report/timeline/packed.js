// Unpacks large data: base64, zlib, JSON. Every part is unpacked only when it is needed.

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

/** The number of records in each part of `run.payloads`. */
const CHUNK = 250;
const payloads = new Map();

/** The record of an event. */
async function recordOf(event) {
  const part = Math.floor(event / CHUNK);
  const payload = run.payloads[part];
  if (!payloads.has(part)) payloads.set(part, typeof payload === "string" ? unpacked(payload) : payload);
  return (await payloads.get(part))[event % CHUNK];
}
