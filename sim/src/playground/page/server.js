// What the page asks of the server and of the playground around it.

const asked = async (path, options) => {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};

const posted = (path, body, headers = {}) => asked(path, {
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

/** The user's token; asked for once. */
let token;
const ownToken = () => (token ??= asked("/up/token").then((answer) => answer.token));

/** Calls a procedure and returns its data. */
export const call = async (procedure, input) => {
  const authorization = `Bearer ${await ownToken()}`;
  const answer = await posted(`/trpc/${procedure}`, input, { authorization });
  return answer.result.data;
};

/** The URL of a session's stream after the event `cursor`. */
export const streamUrl = async (session, cursor) => {
  const query = `cloudAgentSessionId=${encodeURIComponent(session)}`;
  const { ticket } = await asked(`/up/ticket?${query}`);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}/stream?${query}&ticket=${ticket}&fromId=${cursor}`;
};

/** Performs an action of a button. */
export const act = (action) => posted("/up/actions", action);

/** The state of the server, the links and the fakes. */
export const state = () => asked("/up/state");

/** Calls `take` with the entries of the log as they come. */
export const followLog = (take) => {
  const events = new EventSource("/up/events");
  events.onmessage = (event) => take(JSON.parse(event.data));
};
