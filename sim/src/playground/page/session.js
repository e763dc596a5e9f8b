// A session as a client sees it: messages with badges and replies, which follow from the frames of its stream.

import { streamUrl } from "./server.js";

/** The pause before a stream that ended is opened again, in milliseconds. */
const PAUSE = 500;
/** The number of frames that are kept for the page. */
export const MOST_FRAMES = 300;

const QUEUED = { label: "Queued", tone: "info" };
const FAILED = { label: "Failed to deliver", tone: "error" };

export class Session {
  /** `changed` is called after each change. */
  constructor(id, changed) {
    this.id = id;
    this.changed = changed;
    this.messages = new Map();
    this.frames = [];
    this.cursor = 0;
    this.stream = "closed";
    /** The assistant messages of kilo, each with the message that it answers and its parts. */
    this.answers = new Map();
    this.follow();
  }

  /** Opens the stream, and again after the last event whenever it ends. */
  async follow() {
    for (;;) {
      await this.read().catch(() => {});
      this.stream = "closed";
      this.changed();
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }

  async read() {
    const socket = new WebSocket(await streamUrl(this.id, this.cursor));
    this.stream = "opening";
    socket.onopen = () => { this.stream = "open"; this.changed(); };
    socket.onmessage = (event) => { this.take(JSON.parse(event.data)); this.changed(); };
    await new Promise((resolve) => { socket.onclose = resolve; });
  }

  message(id) {
    if (!this.messages.has(id)) this.messages.set(id, { id, content: "", state: "", badge: null, error: "" });
    return this.messages.get(id);
  }

  /** The text of the agent's answers to a message. */
  reply(id) {
    const texts = [...this.answers.values()].filter((answer) => answer.to === id).map((answer) => {
      const parts = [...answer.parts].sort(([one], [other]) => (one < other ? -1 : 1));
      return parts.map(([, text]) => text).join("");
    });
    return texts.join("\n");
  }

  take(frame) {
    this.cursor = Math.max(this.cursor, frame.eventId);
    this.frames.push(frame);
    if (this.frames.length > MOST_FRAMES) this.frames.shift();
    const { data } = frame;
    switch (frame.streamEventType) {
      case "connected":
        for (const message of this.messages.values()) message.badge = null;
        break;
      case "cloud.message.queued":
        Object.assign(this.message(data.messageId), { content: data.content, state: "queued", badge: QUEUED });
        break;
      case "cloud.message.sent":
      case "cloud.message.completed":
        Object.assign(this.message(data.messageId), { state: frame.streamEventType.split(".").pop(), badge: null });
        break;
      case "cloud.message.failed":
        Object.assign(this.message(data.messageId), {
          state: data.status,
          // What the agent got was delivered.
          badge: data.delivery === "sent" || data.accepted ? null : FAILED,
          error: data.error ?? "",
        });
        break;
      case "kilocode":
        this.takeKilo(data.event, data.properties ?? {});
        break;
      default: // Unknown events change nothing.
    }
  }

  takeKilo(name, properties) {
    if (name === "message.updated" && properties.info?.role === "assistant") {
      const { id, parentID } = properties.info;
      if (!this.answers.has(id)) this.answers.set(id, { to: parentID, parts: new Map() });
    } else if (name === "message.part.updated" && properties.part?.type === "text") {
      this.answers.get(properties.part.messageID)?.parts.set(properties.part.id, properties.part.text);
    } else if (name === "message.part.delta") {
      const parts = this.answers.get(properties.messageID)?.parts;
      parts?.set(properties.partID, (parts.get(properties.partID) ?? "") + properties.delta);
    } else if (name === "message.part.removed") {
      this.answers.get(properties.messageID)?.parts.delete(properties.partID);
    }
  }
}
