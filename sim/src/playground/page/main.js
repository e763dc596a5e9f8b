// The page: what is selected, what is drawn when, and what the buttons do.

import { act, call, followLog, state as askState } from "./server.js";
import { Session } from "./session.js";
import * as view from "./view.js";
import { Wires } from "./wire.js";

const { byId } = view;

/** The pause between questions for the state, in milliseconds. */
const PAUSE = 1000;
/** What the agent can be asked for, by the number of the prompt in its session. The gateway reads directives in prompts. */
const AGENT = [
  ["repeats the prompt", (prompt) => prompt],
  ["answers in 10 chunks, 300 ms apart", () => "__fake__:slow:10:300"],
  // A tag that was released stays so for a while.
  ["waits until it is released", (_, number) => `__fake__:gate:${number > 1 ? `hold-${number}` : "hold"}`],
  ["calls two tools, then answers", () => "__fake__:tools:2:done"],
  ["gets no answer", () => "__fake__:hang"],
  ["is refused by the gateway", () => "__fake__:error:no credit"],
];
const MODEL = "fake-deterministic";

const sessions = new Map();
const wires = new Wires();
let selected = null;
let state = null;
let isDrawing = false;

const drawn = new Map();
/** Draws a part if what it shows changed, so that a button keeps the focus. */
const redraw = (name, content, draw) => {
  const text = JSON.stringify(content);
  if (drawn.get(name) === text) return;
  drawn.set(name, text);
  draw();
};

const draw = () => {
  isDrawing = false;
  if (!state) return;
  redraw("world", [state, selected], () => view.world(state, selected, select));
  const shown = sessions.get(selected);
  const known = state.sessions.find(({ id }) => id === selected);
  byId("session").hidden = !shown || !known;
  byId("empty").hidden = Boolean(shown);
  if (!shown || !known) return;
  redraw("links", known, () => view.links(known, (tag) => press({ action: "release", session: selected, tag })));
  view.session(shown);
  view.wire(wires.of(selected));
};

const changed = () => {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(draw);
};

const select = (id) => {
  selected = id;
  byId("session-title").textContent = id;
  for (const kind of ["scenario", "recording"]) {
    const link = byId(`save-${kind}`);
    link.href = `/up/sessions/${id}/${kind}`;
    link.download = kind === "scenario" ? `${id}.yaml` : `${id}.jsonl`;
  }
  changed();
};

const refresh = async () => {
  state = await askState();
  for (const { id } of state.sessions) {
    if (!sessions.has(id)) sessions.set(id, new Session(id, changed));
    if (!selected) select(id);
  }
  changed();
  document.body.dataset.ready = "yes";
};

/** Does something that may fail, and shows why. */
const attempt = async (work) => {
  try {
    await work();
    view.problem(null);
  } catch (error) {
    view.problem(error.message);
  }
};

const press = (action) => attempt(async () => {
  await act(action);
  await refresh();
});

const promptOf = (form, number) => AGENT[byId(`${form}-answer`).value][1](byId(`${form}-prompt`).value, number);

const submit = (id, work) => {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(work);
  });
};

for (const list of document.querySelectorAll(".agent")) {
  list.append(...AGENT.map(([name], index) => new Option(name, index)));
}
byId("crash").onclick = () => press({ action: "crash" });
byId("restart").onclick = () => press({ action: "restart" });
byId("crash-wrapper").onclick = () => press({ action: "crash-wrapper", session: selected });
byId("restart-wrapper").onclick = () => press({ action: "restart-wrapper", session: selected });
byId("interrupt").onclick = () => attempt(() => call("interruptSession", { sessionId: selected }));
for (const button of document.querySelectorAll("[data-do]")) {
  const { link } = button.closest("[data-link]").dataset;
  button.onclick = () => press({ action: button.dataset.do, session: selected, link });
}
submit("receiver-form", async () => {
  await act({ action: "receiver", answers: JSON.parse(byId("answer").value) });
  await refresh();
});
submit("start-form", async () => {
  const answer = await call("start", {
    message: { prompt: promptOf("start", 1) },
    agent: { mode: "code", model: MODEL },
    repository: { type: "github", repo: "acme/widgets" },
    options: { callbackTarget: { url: state.receiver.url } },
  });
  await refresh();
  select(answer.cloudAgentSessionId);
  byId("session-title").focus();
});
submit("send-form", () => call("send", {
  cloudAgentSessionId: selected,
  message: { prompt: promptOf("send", sessions.get(selected).messages.size + 1) },
}));

window.addEventListener("error", (event) => { document.body.dataset.error = event.message; });
followLog((entries) => {
  entries.forEach((entry) => wires.take(entry));
  changed();
});
view.limits();
const refreshOften = () => refresh().catch((error) => view.problem(error.message));
refreshOften();
setInterval(refreshOften, PAUSE);
