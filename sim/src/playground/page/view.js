// Draws what the page shows. It decides nothing and asks nothing of the server.

import { MOST_FRAMES } from "./session.js";
import { MOST_CALLBACKS, MOST_ENTRIES } from "./wire.js";

const LINKS = ["client", "wrapper", "gateway"];

export const byId = (id) => document.getElementById(id);

/** An element with text or children. */
const element = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

const row = (...cells) => element("tr", {}, ...cells.map((cell) => element("td", { textContent: cell })));

/** Replaces the content of a scrolled table, which stays at its end if it was there. */
const fill = (body, rows) => {
  const box = body.closest(".scroll");
  const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
  body.replaceChildren(...rows);
  if (isAtEnd) box.scrollTop = box.scrollHeight;
};

/** Shows an error until the next one, or removes it. */
export const problem = (text) => {
  byId("problem").hidden = !text;
  byId("problem").textContent = text ?? "";
};

/** Draws the server, the receiver and the list of sessions. */
export const world = (state, selected, select) => {
  const { isUp } = state.server;
  byId("server-state").textContent = isUp ? "up" : "down";
  byId("server-state").className = isUp ? "state" : "state down";
  byId("crash").disabled = !isUp;
  byId("restart").disabled = isUp;
  const answers = state.receiver.answers.map((answer) => answer.status ?? Object.keys(answer)[0]);
  byId("answers").textContent = answers.length > 0 ? `pending: ${answers.join(", ")}` : "";
  const items = state.sessions.map(({ id }) => {
    const button = element("button", { type: "button", textContent: id, title: id, onclick: () => select(id) });
    if (id === selected) button.setAttribute("aria-current", "true");
    return element("li", {}, button);
  });
  byId("sessions").replaceChildren(...items);
};

/** Says how much is kept. */
export const limits = () => {
  byId("frames-limit").textContent = `the last ${MOST_FRAMES} frames`;
  byId("wire-limit").textContent = `the last ${MOST_ENTRIES} entries`;
  byId("callbacks-limit").textContent = `the last ${MOST_CALLBACKS}`;
};

/** Draws the wrapper and the links of a session. `release` is called with a tag. */
export const links = (state, release) => {
  const { isUp } = state.wrapper;
  byId("wrapper-process").textContent = isUp ? "up" : "down";
  byId("wrapper-process").className = isUp ? "state" : "state down";
  byId("crash-wrapper").disabled = !isUp;
  byId("restart-wrapper").disabled = isUp;
  for (const link of LINKS) {
    const place = document.querySelector(`[data-link="${link}"]`);
    const isCut = state.cut[link];
    const words = link === "gateway" ? ["held", "open"] : ["cut", "open"];
    const shown = place.querySelector(".link-state");
    shown.textContent = isCut ? words[0] : words[1];
    shown.className = isCut ? "link-state is-cut" : "link-state";
    place.querySelector('[data-do="cut"]').disabled = isCut;
    place.querySelector('[data-do="heal"]').disabled = !isCut;
  }
  const tags = Object.keys(state.waiting);
  byId("gateway-state").textContent = tags.length > 0 ? `waiting: ${tags.join(", ")}` : "";
  const buttons = tags.map((tag) =>
    element("button", { type: "button", textContent: `Release ${tag}`, onclick: () => release(tag) }));
  byId("waiting").replaceChildren(...buttons);
};

/** Draws the messages and the frames of a session. */
export const session = (shown) => {
  byId("stream-state").textContent = `stream of this page: ${shown.stream}`;
  const items = [...shown.messages.values()].map((message) => {
    const badge = message.badge
      ? [element("b", { className: `badge ${message.badge.tone}`, textContent: message.badge.label }), " "]
      : [];
    const reply = shown.reply(message.id);
    return element("li", {},
      element("p", {}, ...badge, message.content, " ", element("small", { textContent: message.state })),
      ...(reply ? [element("p", { className: "reply", textContent: reply })] : []),
      ...(message.error ? [element("p", {}, element("small", { textContent: message.error }))] : []));
  });
  byId("messages").replaceChildren(...items);
  fill(byId("frames"), shown.frames.map((frame) => {
    const name = frame.data?.event ? `${frame.streamEventType} ${frame.data.event}` : frame.streamEventType;
    return row(String(frame.eventId), name, JSON.stringify(frame.data));
  }));
};

/** Draws what passed on the wire of a session, with its callbacks and the state of its wrapper. */
export const wire = ({ entries, callbacks, isWrapperConnected }) => {
  const lines = entries.map(({ record, text }) => {
    const line = row((record.at_us / 1e6).toFixed(3), record.party, text);
    if (record.party === "world") line.className = "fault";
    return line;
  });
  fill(byId("wire"), lines);
  const items = callbacks.map(({ body, status }) =>
    element("li", {},
      element("b", { className: body.status === "completed" ? "badge" : "badge error", textContent: body.status }),
      ` ${body.lastAssistantMessageText ?? body.errorMessage ?? ""} `,
      element("small", { textContent: status === null ? "no answer" : `answered ${status}` })));
  byId("callbacks").replaceChildren(...(items.length > 0 ? items : [element("li", { textContent: "none yet" })]));
  byId("wrapper-state").textContent = isWrapperConnected ? "wrapper connected" : "wrapper not connected";
};
