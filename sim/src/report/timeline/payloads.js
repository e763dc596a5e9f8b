// The records of events. Every part of them is unpacked only when it is needed.

/** The number of records in each part of `run.payloads`. */
const CHUNK = 250;
const payloads = new Map();

/** The record of an event. */
async function recordOf(event) {
  const part = Math.floor(event / CHUNK);
  const payload = run.payloads[part];
  if (!payloads.has(part)) payloads.set(part, typeof payload === "string" ? unpacked(payload) : payload);
  return record(run.events[event], (await payloads.get(part))[event % CHUNK]);
}
