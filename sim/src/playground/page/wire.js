// What passed on the wire of a session, as far as the page shows it. A log of any length takes the same room.

/** The number of entries, and of callbacks, that are kept. */
export const MOST_ENTRIES = 300;
export const MOST_CALLBACKS = 100;

/** Adds an element at the end of a list, and removes the first one if there are too many. */
const add = (list, element, most) => {
  list.push(element);
  if (list.length > most) list.shift();
};

export class Wire {
  constructor() {
    this.entries = [];
    /** The requests to the receiver, each with the status of its answer. */
    this.callbacks = [];
    this.isWrapperConnected = false;
  }

  take(entry) {
    const { record } = entry;
    add(this.entries, entry, MOST_ENTRIES);
    if (record.party === "receiver") this.takeOfReceiver(record);
    if (record.party === "wrapper" && record.saw?.startsWith("socket-")) {
      this.isWrapperConnected = record.saw === "socket-opened";
    }
    // A wrapper that crashes reports nothing.
    if (record.event === "began" && record.fault.host === "wrapper") this.isWrapperConnected = false;
  }

  takeOfReceiver({ saw, exchange, body, status }) {
    if (saw === "request-received") {
      add(this.callbacks, { exchange, body, status: null }, MOST_CALLBACKS);
    } else if (saw === "reply-sent") {
      const callback = this.callbacks.findLast((one) => one.exchange === exchange);
      if (callback) callback.status = status;
    }
  }
}

/** The wires of all sessions by id. */
export class Wires {
  constructor() {
    this.known = new Map();
    /** The last entries that concern every session, for those that begin later. */
    this.common = [];
  }

  of(session) {
    if (!this.known.has(session)) {
      const wire = new Wire();
      for (const entry of this.common) wire.take(entry);
      this.known.set(session, wire);
    }
    return this.known.get(session);
  }

  take(entry) {
    if (entry.session !== null) {
      this.of(entry.session).take(entry);
      return;
    }
    add(this.common, entry, MOST_ENTRIES);
    for (const wire of this.known.values()) wire.take(entry);
  }
}
