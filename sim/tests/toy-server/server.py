# A session server in Python with three bugs
"""To try Turnstile on: `turnstile explain ci` finds the bugs. Usage: server.py PORT WRAPPER_URL, where `{session}` in the URL
stands for the id of a session. The secrets are in TURNSTILE_TARGET_API_SECRET and TURNSTILE_TARGET_TICKET_SECRET.
"""
import base64, contextlib, hashlib, hmac, http.client, json, os, queue, secrets, string, sys, threading, time, urllib.error, urllib.parse, urllib.request, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, WRAPPER = int(sys.argv[1]), sys.argv[2]
API, TICKETS = (os.environ[f"TURNSTILE_TARGET_{name}_SECRET"].encode() for name in ("API", "TICKET"))
SESSIONS = {}
CODES = {400: ("BAD_REQUEST", -32600), 401: ("UNAUTHORIZED", -32001), 403: ("FORBIDDEN", -32003), 404: ("NOT_FOUND", -32004), 429: ("TOO_MANY_REQUESTS", -32029)}
KEPT = "session.created session.updated session.status session.error session.idle session.turn.close message.part.removed".split()


class Refused(Exception):
    pass


def now():
    return int(time.time() * 1000)


def new_id():
    return f"msg_{now() * 4096 & (1 << 48) - 1:012x}" + "".join(secrets.choice(string.digits + string.ascii_letters) for _ in range(14))


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims):
    text = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return text + "." + encode(hmac.new(API, text.encode(), hashlib.sha256).digest())


def claims(token, secret):
    try:
        text, signature = token.rsplit(".", 1)
        body = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
        right = encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())
        return body if hmac.compare_digest(right, signature) and body["exp"] > time.time() else {}
    except (ValueError, KeyError, IndexError):
        return {}


def start(function, *arguments, after=0):
    """Calls a function in a thread of its own, after so many seconds."""
    timer = threading.Timer(after, function, arguments)
    timer.daemon = True
    timer.start()
    return timer


def post(url, body, headers=None):
    """Sends JSON; returns the status of the answer, 0 if there is none, and its body."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""
    except (OSError, http.client.HTTPException):
        return 0, b""


class Socket:
    """The server's end of a WebSocket. A thread of its own writes, so that a slow reader delays no other party."""

    def __init__(self, handler):
        self.file, self.out, self.unsent = handler.rfile, handler.wfile, queue.SimpleQueue()
        key = handler.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        handler.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
            handler.send_header(name, value)
        handler.end_headers()
        handler.close_connection = True
        self.writer = start(self.write_all)

    def write_all(self):
        with contextlib.suppress(OSError, ValueError):
            while data := self.unsent.get():
                self.out.write(data + b"".join(self.unsent.get() for _ in range(self.unsent.qsize() - 1)))

    def write(self, opcode, data):
        size = len(data)
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big") if size < 65536 else b"\x7f" + size.to_bytes(8, "big")
        self.unsent.put(bytes([128 | opcode]) + length + data)

    def send(self, value):
        self.write(1, json.dumps(value).encode())

    def close(self, code):
        self.write(8, code.to_bytes(2, "big"))

    def frames(self):
        """Yields texts until the socket ends."""
        try:
            while len(head := self.file.read(2)) == 2:
                size = head[1] & 127
                size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big") if size > 125 else size
                mask, masked = (self.file.read(4) * (size // 4 + 1))[:size], self.file.read(size)
                data = (int.from_bytes(masked, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
                if head[0] & 15 == 8:
                    return self.write(8, data[:2])
                if head[0] & 15 == 9:
                    self.write(10, data)
                if head[0] & 15 == 1 and len(masked) == size:
                    yield data
        except OSError:
            return
        finally:
            self.unsent.put(b"")
            self.writer.join(1)


class Session:
    def __init__(self, user, given):
        self.user, self.id, self.lock = user, f"agent_{uuid.uuid4()}", threading.RLock()
        self.wrapper, self.sandbox = WRAPPER.replace("{session}", self.id), "sandbox-" + self.id.removeprefix("agent_")
        self.agent, self.repository = dict(given["agent"]), given["repository"]
        self.target = (given.get("options") or {}).get("callbackTarget")
        self.kilo, self.messages, self.events, self.rows = "ses_" + secrets.token_hex(13), {}, {}, {}
        self.streams, self.sockets, self.run, self.generation, self.ready = [], [], None, 0, False
        self.batch, self.idle, self.draining, self.delivering, self.last_id, self.initiated, self.changes = [], True, False, None, 0, None, 1
        self.branch, self.changed, self.prepared, self.opened, self.shown = self.repository.get("branch"), now(), None, 0, "ready"

    def emit(self, kind, data, entity=None, keep=True):
        self.changes, self.changed = self.changes + 1, now()
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.changed / 1000)) + f".{self.changed % 1000:03}Z"
        event = {"eventId": 0, "sessionId": self.id, "streamEventType": kind, "data": data, "timestamp": at}
        if keep:
            row = self.rows.get(entity)
            self.last_id += row is None
            event["eventId"] = row or self.last_id
            self.events[event["eventId"]] = event
            if entity:
                self.rows[entity] = event["eventId"]
        for stream in self.streams:
            stream.send(event)

    def of(self, *states):
        return [message for message in self.messages.values() if message["state"] in states]

    def admit(self, given, agent, options):
        message = given.get("message") or {}
        prompt, key = message.get("prompt"), message.get("id")
        model = str(agent.get("model", "")).removeprefix("kilo/")
        if not isinstance(prompt, str) or not prompt or not model or not agent.get("mode"):
            raise Refused(400, "message.prompt, agent.mode and agent.model are required")
        if key is not None and not (isinstance(key, str) and len(key) == 30 and key.startswith("msg_")):
            raise Refused(400, "message.id has the form msg_, 12 hex digits, 14 letters or digits")
        known = self.messages.get(key)
        intent = (prompt, agent["mode"], model, json.dumps(options or {}, sort_keys=True))
        if known and (known["state"] not in ("queued", "accepted") or known["intent"] != intent):
            raise Refused(400, "the id belongs to another message, or to one that has ended")
        if not known:
            if len(self.of("queued")) >= 10:
                raise Refused(429, "PENDING_QUEUE_FULL: ten messages are pending")
            key = key or new_id()
            known = dict(id=key, prompt=prompt, state="queued", target=self.target, fails=0, since=now(), mode=agent["mode"], model=model, options=options or {}, intent=intent)
            self.messages[key], self.idle = known, False
            self.emit("cloud.message.queued", {"messageId": key, "content": prompt, "delivery": "queued"})
            if not self.draining:
                self.draining = True
                start(self.deliver_all, after=1)
        accepted = known["state"] == "accepted"
        return {"messageId": known["id"], "delivery": "sent" if accepted else "queued", **({"wrapperRunId": known["run"]} if accepted else {})}

    def deliver_all(self):
        while delay := self.deliver_first():
            time.sleep(delay)

    def deliver_first(self):
        """Delivers the first queued message; returns the pause before the next delivery, 0 if nothing is queued."""
        with self.lock:
            head = next(iter(self.of("queued")), None)
            if head and not self.run:
                self.generation += 1
                self.run = {"wrapperRunId": "wr_" + secrets.token_hex(16), "wrapperGeneration": self.generation, "wrapperConnectionId": str(uuid.uuid4())}
            run, self.delivering = self.run, head
            if head and not self.ready:
                self.prepare("sandbox_starting")
        code = self.deliver(head, run) if head else None
        with self.lock:
            self.delivering = None
            if head and not code and head["state"] == "queued" and self.run is run:
                self.accept(head)
                self.watch_sockets(run)
            elif code and head["state"] == "queued":
                head["fails"] += 1
                if head["fails"] < 2:
                    return 2
                self.end(head, "failed", "delivery_failure", f"{code}: the wrapper did not take it", "exhausted")
                self.finalize(True)
            self.draining = bool(self.of("queued"))
            return int(self.draining)

    def accept(self, message):
        message.update(state="accepted", run=self.run["wrapperRunId"], since=now())
        self.initiated = self.initiated or now()
        self.emit("cloud.message.sent", {"messageId": message["id"], "delivery": "sent"})
        self.status("ready")

    def ask(self, path, body):
        """Sends JSON to the wrapper; returns the answer, or None."""
        with contextlib.suppress(ValueError):
            return json.loads(post(self.wrapper + path, body)[1])

    def deliver(self, message, run):
        token = sign({"type": "worker", "kiloUserId": self.user, "cloudAgentSessionId": self.id, "exp": int(time.time()) + 86400 * 90})
        binding = {"ingestUrl": f"ws://127.0.0.1:{PORT}/sessions/{urllib.parse.quote(self.user)}/{self.id}/ingest", "workerAuthToken": token, **run}
        places = {"workspacePath": f"/workspace/{self.id}", "sessionHome": f"/home/{self.id}", "branchName": self.branch or "main"}
        repo = {"kind": "github", "repo": self.repository.get("repo", "")} if self.repository.get("type") == "github" else {"kind": "git", "url": self.repository.get("url", "")}
        ready = self.ask("/session/ready", {"agentSessionId": self.id, "userId": self.user, "sandboxId": self.sandbox, "kiloSessionId": self.kilo, "workspace": places, "repo": repo, "materialized": {"env": {}, "setupCommands": []}, "session": binding})
        if not ready or ready.get("status") != "ready":
            return "SANDBOX_CONNECT_FAILED" if ready is None else "WRAPPER_START_FAILED"
        with self.lock:
            if not self.ready and self.run is run:
                self.prepare("workspace_ready")
            self.kilo, self.ready = ready["kiloSessionId"], self.ready or now()
        agent = {"mode": message["mode"], "model": {"providerID": "kilo", "modelID": message["model"]}}
        sent = self.ask("/job/prompt", {"message": {"id": message["id"], "prompt": message["prompt"]}, "agent": agent, "finalization": message["options"], "session": binding})
        return None if sent and sent.get("messageId") == message["id"] else "WRAPPER_START_FAILED"

    def prepare(self, step):
        more = {"step": step, "message": step.replace("_", " ")}
        self.emit("preparing", more, keep=False)
        self.status("preparing", **more)

    def status(self, kind, **more):
        self.shown = kind
        self.emit("cloud.status", {"cloudStatus": {"type": kind, **more}}, keep=False)

    def end(self, message, state, source, error=None, reason=None, answer=None):
        accepted = message["state"] == "accepted"
        data = {"messageId": message["id"], "status": state, "delivery": "sent" if accepted else "queued", "accepted": accepted, "completionSource": source}
        if state == "completed":
            data.update({"assistantMessageId": answer} if answer else {})
        else:
            data.update(reason=reason, error=error, **({"attempts": message["fails"]} if source == "delivery_failure" else {}))
        message.update(state=state, error=error)
        self.emit(f"cloud.message.{'completed' if state == 'completed' else 'failed'}", data)
        if message["target"]:
            self.batch.append(message)

    def finalize(self, needs_no_idle=False):
        if needs_no_idle and self.shown != "ready":
            self.status("ready")
        if not self.batch or self.of("queued", "accepted") or not (self.idle or needs_no_idle or not self.run):
            return
        message, self.batch = self.batch[-1], []
        status = "completed" if message["state"] == "completed" else "failed"  # BUG 2: an interrupted message is not a failed one (R8.13).
        body = {"sessionId": self.id, "cloudAgentSessionId": self.id, "status": status, "kiloSessionId": self.kilo}
        body.update(dict.fromkeys(("executionId", "messageId", "idempotencyKey"), message["id"]), **({"lastSeenBranch": self.branch} if self.branch else {}))
        body.update({"lastAssistantMessageText": self.text(message)} if message["state"] == "completed" else {"errorMessage": message["error"]})
        start(call_back, message["target"], body)

    def text(self, message):
        rows = [event["data"]["properties"] for event in self.events.values() if event["streamEventType"] == "kilocode"]
        answers = [row["info"]["id"] for row in rows if row.get("info", {}).get("parentID") == message["id"] and row["info"]["time"].get("completed")]
        parts = [row["part"] for row in rows if row.get("part", {}).get("type") == "text" and row["part"]["messageID"] in answers[-1:]]
        return "".join(part["text"] for part in sorted(parts, key=lambda part: part["id"])).strip()

    def take(self, frame):
        kind, data = frame["streamEventType"], frame.get("data")
        if kind == "kilocode":
            return self.take_kilo(data)
        self.emit(kind, data, keep=kind in ("complete", "interrupted", "error", "autocommit_started", "autocommit_completed"))
        if kind.startswith("autocommit"):
            self.status("ready") if kind.endswith("completed") else self.status("finalizing", step="committing", message="committing")
        ends = {"complete": ("failed", "idle_reconciliation", "missing_assistant_reply"), "interrupted": ("interrupted", "interrupt", "interrupted"), "error": ("failed", "wrapper_failure", "wrapper_error")}
        if kind not in ends or kind == "error" and not data["fatal"]:
            return
        self.branch = data.get("currentBranch", self.branch) if kind == "complete" else self.branch
        (state, source, reason), text = ends[kind], str(data.get("error") or data.get("reason") or "The wrapper stopped")
        for message in self.of("accepted"):
            self.end(message, state, source, text, reason)
        self.run = self.run if kind == "complete" and self.delivering in self.of("queued") else None  # It may be older than a delivery to the run.
        self.finalize(True)
        if kind == "error":
            self.status("error", message=text)

    def take_kilo(self, data):
        kind, given = data["event"], data["properties"]
        info, part = given.get("info") or {}, given.get("part") or {}
        entity = {"message.updated": f"message/{info.get('id')}", "message.part.updated": f"part/{part.get('messageID')}/{part.get('id')}"}.get(kind)
        self.emit("kilocode", data, entity, keep=bool(entity) or kind in KEPT)
        if kind == "message.updated" and info.get("role") == "assistant":
            message, error = self.messages.get(info.get("parentID")), info.get("error")
            text = error and ((error.get("data") or {}).get("message") or error.get("message") or "error")
            end = ("failed" if error else "completed", "assistant_message_event", text, "assistant_error", info["id"])
            if message and (error or info["time"].get("completed")) and message["state"] in ("queued", "accepted"):
                if message["state"] == "queued":  # The answer was faster than the reply to the delivery.
                    self.accept(message)
                self.end(message, *end)
        if kind == "session.status" and given["status"]["type"] == "busy":
            self.idle = False
        if kind == "session.idle" and given["sessionID"] == self.kilo:
            self.idle = True
            self.finalize()

    def watch_sockets(self, run):
        if not self.sockets:
            start(self.lose, run, self.opened, after=10)

    def lose(self, run, opened):
        with self.lock:
            if self.run is run and self.opened == opened and self.of("accepted"):
                for message in self.of("accepted"):
                    self.end(message, "failed", "wrapper_failure", "Wrapper disconnected", "wrapper_disconnected")
                self.release()
                self.finalize(True)

    def release(self):
        for socket in self.sockets:
            socket.send({"type": "kill"})
            socket.close(4401)
        if self.run:
            start(self.ask, "/job/abort", {"wrapperRunId": self.run["wrapperRunId"]})
        self.sockets, self.run = [], None

    def interrupt(self):
        ended, accepted = self.of("queued") + self.of("accepted"), self.of("accepted")
        for message in ended:
            self.end(message, "interrupted", "interrupt", "Interrupted by the user", "interrupted")
        if accepted or ended and self.draining and self.run:
            self.release()
        self.finalize(True)
        return {"success": bool(ended), "processesFound": False, "message": f"{len(ended)} messages interrupted"}

    def health(self):
        work = self.view()["execution"]
        health = {"sandboxStatus": "healthy" if self.ready else "unknown", "executionHealth": "healthy" if work else "none"}
        return {"cloudAgentSessionId": self.id, "sandboxId": self.sandbox, **health, **({"activeExecutionId": work["id"], "activeExecutionStatus": work["status"]} if work else {})}

    def view(self):
        work = next(iter(self.of("accepted") + self.of("queued")), None)
        first = next(iter(self.messages.values()), None) or {"prompt": self.prepared["prompt"], "id": self.prepared["id"]}
        execution = work and {"id": work["id"], "status": "running" if work["state"] == "accepted" else "pending", "startedAt": work["since"], "lastHeartbeat": None, "processId": None, "error": None, "health": "healthy"}
        view = {"sessionId": self.id, "kiloSessionId": self.kilo, "userId": self.user, "sandboxId": self.sandbox, "execution": execution, "timestamp": self.changed, "version": self.changes}
        view.update(prompt=first["prompt"], initialMessageId=first["id"], mode=self.agent["mode"], model=self.agent["model"].removeprefix("kilo/"))
        view.update({"githubRepo": self.repository["repo"]} if "repo" in self.repository else {"gitUrl": self.repository.get("url")})
        return {**view, **({"preparedAt": self.ready} if self.ready else {}), **({"initiatedAt": self.initiated} if self.initiated else {})}


def call_back(target, body):
    for delay in (60, 120, 240, 480, 0):
        status, _ = post(target["url"], body, target.get("headers"))
        if 0 < status < 500 and status != 429:
            return
        time.sleep(delay)


class Handler(BaseHTTPRequestHandler):
    protocol_version, log_message = "HTTP/1.1", lambda *_: None

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        self.call(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.strip("/").split("/")
        if parts[0] == "stream":
            self.stream(query)
        elif parts[0] == "sessions":
            self.ingest(query, parts[1:])
        else:
            self.call(query.get("input", "{}"))

    def call(self, text):
        name = urllib.parse.urlsplit(self.path).path.removeprefix("/trpc/")
        try:
            self.answer(200, {"result": {"data": self.procedure(name, text)}})
        except Refused as refused:
            status, message = refused.args
            word, code = CODES[status]
            self.answer(status, {"error": {"message": message, "code": code, "data": {"code": word, "httpStatus": status, "path": name}}})

    def procedure(self, name, text):
        if name == "health":
            return {"status": "ok", "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()), "version": "toy"}
        legacy = ("prepareSession", "initiateFromKilocodeSessionV2", "sendMessageV2")
        if name not in ("start", "send", "getSession", "getSessionHealth", "interruptSession", "deleteSession", *legacy):
            raise Refused(404, f"no procedure {name}")
        token = claims(self.headers.get("Authorization", "").removeprefix("Bearer "), API)
        user = token.get("kiloUserId")
        if not user or token.get("version") != 3:
            raise Refused(401, "the token is missing or invalid")
        try:
            given = json.loads(text)
        except ValueError:
            raise Refused(400, "the input is not JSON") from None
        if name == "start":
            if not isinstance(given.get("repository"), dict) or not isinstance(given.get("agent"), dict):
                raise Refused(400, "repository and agent are required")
            session = Session(user, given)
            with session.lock:
                reply = session.admit(given, session.agent, given.get("finalization"))
                SESSIONS[session.id] = session
            return {"cloudAgentSessionId": session.id, "kiloSessionId": session.kilo, **reply}
        if name == "prepareSession":
            repository = {"type": "github", "repo": given["githubRepo"]} if given.get("githubRepo") else {"type": "git", "url": given.get("gitUrl")}
            repository["branch"], agent = given.get("upstreamBranch"), {"mode": given.get("mode"), "model": given.get("model")}
            session = Session(user, {"agent": agent, "repository": repository, "options": {"callbackTarget": given.get("callbackTarget")}})
            session.prepared = {"prompt": given.get("prompt"), "id": given.get("initialMessageId") or new_id()}
            SESSIONS[session.id] = session
            return {"cloudAgentSessionId": session.id, "kiloSessionId": session.kilo}
        session = SESSIONS.get(str(given.get("cloudAgentSessionId") or given.get("sessionId")).lower())
        if session and session.user != user and name == "getSession":
            raise Refused(403, "Session of another user")  # BUG 1: the answer is that of an unknown session (R2.31).
        session = session if session and session.user == user else None
        if not session and name in ("interruptSession", "deleteSession"):
            return {"success": True} if name == "deleteSession" else {"success": False, "processesFound": False, "message": "Nothing to interrupt"}
        if not session:
            raise Refused(404, "Session not found")
        if name == "interruptSession":
            time.sleep(0.1)  # What the wrapper has sent by now comes first: a turn that ends just now completes.
        with session.lock:
            if name in ("interruptSession", "getSession", "getSessionHealth"):
                return {"interruptSession": session.interrupt, "getSession": session.view, "getSessionHealth": session.health}[name]()
            if name == "deleteSession":
                session.interrupt()
                session.release()
                del SESSIONS[session.id]
                for stream in session.streams:
                    stream.close(1000)
                return {"success": True}
            turn = given
            if name == "initiateFromKilocodeSessionV2":
                turn = {"message": session.prepared}
            elif name == "sendMessageV2":
                flat = given.get("payload") or given
                turn = {"message": {"prompt": flat.get("prompt"), "id": given.get("messageId")}}
                turn.update({"agent": {"mode": flat["mode"], "model": flat["model"]}} if flat.get("model") else {})
            reply = session.admit(turn, turn.get("agent") or session.agent, given.get("finalization"))
            reply.update({"executionId": reply["messageId"]} if name in legacy else {})
            return {"cloudAgentSessionId": session.id, "status": "started", "streamUrl": f"/stream?cloudAgentSessionId={session.id}", **reply}

    def stream(self, query):
        ticket, session = claims(query.get("ticket", ""), TICKETS), SESSIONS.get(query.get("cloudAgentSessionId", "").lower())
        is_other = ticket.get("cloudAgentSessionId") != query.get("cloudAgentSessionId")
        if not ticket or is_other or not session:
            return self.answer(401 if not ticket else 403 if is_other else 404, {})
        with session.lock:
            socket = Socket(self)
            for event in session.events.values():
                if event["eventId"] >= int(query.get("fromId", 0)) and query.get("replay") != "false":  # BUG 3: only later events are replayed (R9.3).
                    socket.send(event)
            streams, session.streams = session.streams, [socket]
            session.emit("connected", {"cloudStatus": {"type": "ready" if session.ready else "preparing"}} if session.ready or session.of("queued") else {}, keep=False)
            session.emit("commands.available", {"commands": []}, keep=False)
            for message in session.messages.values():
                if message["state"] == "queued":
                    session.emit("cloud.message.queued", {"messageId": message["id"], "content": message["prompt"], "delivery": "queued"}, keep=False)
            session.streams = streams + [socket]
            for wrapper in session.sockets if session.of("accepted") else []:
                wrapper.send({"type": "request_snapshot"})
        list(socket.frames())
        with session.lock:
            session.streams = [stream for stream in session.streams if stream is not socket]

    def ingest(self, query, path):
        token = claims(self.headers.get("Authorization", "").removeprefix("Bearer "), API)
        session = SESSIONS.get(path[1].lower())
        if not token or not session:
            return self.answer(401 if not token else 404, {})
        with session.lock:
            run = session.run
            if not run or any(query.get(name) != str(value) for name, value in run.items()):
                return self.answer(409, {})
            for old in session.sockets:
                old.close(1000)
            socket = Socket(self)
            session.sockets, session.opened = [socket], session.opened + 1
        for frame in socket.frames():
            with session.lock:
                if session.run is not run:
                    socket.close(4401)
                    break
                session.take(json.loads(frame))
        with session.lock:
            if socket in session.sockets:
                session.sockets = []
                if session.run is run and session.of("accepted"):
                    session.watch_sockets(run)


ThreadingHTTPServer.daemon_threads, ThreadingHTTPServer.request_queue_size = True, 64
ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
