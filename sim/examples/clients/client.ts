// A client of a session server, for `turnstile client`. It needs Node 22 or later, and no packages:
//
//   node --experimental-strip-types client.ts
//
// It reads orders as JSON lines on standard input and prints its view as a JSON line for each `report`. `View` has what a
// user would see, `Client` the connection to the server.

import { createInterface } from "node:readline";

const RECONNECT_PAUSE = 50;
const RETRY_PAUSE = 50;

type Badge = { label: "Queued"; tone: "info" } | { label: "Failed to deliver"; tone: "error" };
type Json = Record<string, any>;
type Shown = { role: string; parts: Map<string, string> };

const QUEUED: Badge = { label: "Queued", tone: "info" };
const FAILED: Badge = { label: "Failed to deliver", tone: "error" };

/** What a user sees of a session: badges of messages, texts, and the session itself. */
class View {
  session: Json;
  badges = new Map<string, Badge>();
  messages = new Map<string, Shown>();
  cursor = 0;

  constructor(session: Json) {
    this.session = { ...session };
  }

  /** Processes one event of the stream. */
  take(event: Json): void {
    const { streamEventType: name, data } = event;
    this.cursor = Math.max(this.cursor, event.eventId ?? 0);
    if (name === "connected") {
      this.badges.clear();
    } else if (name === "kilocode") {
      this.takeKilo(data?.event, data?.properties ?? {});
    } else {
      this.takeBadge(name, data ?? {});
    }
  }

  takeBadge(name: string, data: Json): void {
    const wasDelivered = data.delivery === "sent" || data.accepted === true;
    switch (name) {
      case "cloud.message.queued":
        this.badges.set(data.messageId, QUEUED);
        break;
      case "cloud.message.failed":
        if (wasDelivered) this.badges.delete(data.messageId);
        else this.badges.set(data.messageId, FAILED);
        break;
      case "cloud.message.sent":
      case "cloud.message.completed":
        this.badges.delete(data.messageId);
        break;
    }
  }

  takeKilo(name: unknown, properties: Json): void {
    switch (name) {
      case "message.updated":
        this.message(properties.info.id).role = properties.info.role;
        break;
      case "message.part.updated": {
        const { part } = properties;
        if (part.type === "text") this.message(part.messageID).parts.set(part.id, part.text);
        break;
      }
      case "message.part.delta": {
        if (properties.field !== "text") break;
        const { parts } = this.message(properties.messageID);
        parts.set(properties.partID, (parts.get(properties.partID) ?? "") + properties.delta);
        break;
      }
      case "message.part.removed":
        this.message(properties.messageID).parts.delete(properties.partID);
        break;
    }
  }

  message(id: string): Shown {
    const known = this.messages.get(id);
    if (known) return known;
    const shown: Shown = { role: "assistant", parts: new Map() };
    this.messages.set(id, shown);
    return shown;
  }

  report(): Json {
    const text = (parts: Map<string, string>) =>
      [...parts.keys()].sort().map((id) => parts.get(id)).join("");
    return {
      badges: Object.fromEntries(this.badges),
      messages: [...this.messages].map(([id, { role, parts }]) => ({ id, role, text: text(parts) })),
      cursor: this.cursor,
      session: this.session,
    };
  }
}

/** The connection of a view to the server. */
class Client {
  view = new View({});

  connect(stream: string, session: Json): void {
    this.view = new View(session);
    this.open(stream);
  }

  /** Opens the stream, and opens it again after the last event whenever it ends. */
  open(stream: string): void {
    const socket = new WebSocket(`${stream}&fromId=${this.view.cursor}`);
    socket.onmessage = ({ data }) => this.view.take(JSON.parse(data));
    // A refused stream may have an error without an end.
    const ended = () => {
      socket.onerror = socket.onclose = null;
      setTimeout(() => this.open(stream), RECONNECT_PAUSE);
    };
    socket.onerror = socket.onclose = ended;
  }

  /** Sends a message, with the same id again until there is an answer. */
  async send(order: Json): Promise<void> {
    const body = JSON.stringify({
      cloudAgentSessionId: order.cloudAgentSessionId,
      message: { id: order.id, prompt: order.text },
    });
    const headers = { authorization: `Bearer ${order.token}`, "content-type": "application/json" };
    for (;;) {
      try {
        const answer = await fetch(order.url, { method: "POST", headers, body });
        if (!answer.ok) console.error(`the message was refused: ${answer.status}`);
        return;
      } catch (error) {
        console.error(`no answer: ${error}`);
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE));
      }
    }
  }
}

const client = new Client();
for await (const line of createInterface({ input: process.stdin })) {
  const order: Json = JSON.parse(line);
  switch (order.do) {
    case "connect":
      client.connect(order.stream, order.session ?? {});
      break;
    case "send":
      void client.send(order);
      break;
    case "report":
      console.log(JSON.stringify({ view: client.view.report() }));
      break;
    case "exit":
      process.exit(0);
  }
}
