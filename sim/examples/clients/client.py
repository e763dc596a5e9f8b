#!/usr/bin/env python3
"""A client of a session server, for `turnstile client`. It needs nothing but the standard library.

It reads orders as JSON lines on standard input and prints its view as a JSON line for each `report`. `View` has what a
user would see, `Stream` a WebSocket, `Client` the connection to the server.
"""

import base64
import json
import os
import socket
import struct
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

RECONNECT_PAUSE = 0.05
RETRY_PAUSE = 0.05
QUEUED = {"label": "Queued", "tone": "info"}
FAILED = {"label": "Failed to deliver", "tone": "error"}


class View:
    """What a user sees of a session: badges of messages, texts, and the session itself."""

    def __init__(self, session):
        self.session = dict(session)
        self.badges = {}
        self.messages = {}
        self.cursor = 0

    def take(self, event):
        """Processes one event of the stream."""
        name, data = event.get("streamEventType"), event.get("data")
        self.cursor = max(self.cursor, event.get("eventId", 0))
        if name == "connected":
            self.badges.clear()
        elif name == "kilocode" and isinstance(data, dict):
            self.take_kilo(data.get("event"), data.get("properties") or {})
        elif isinstance(name, str) and name.startswith("cloud.message.") and isinstance(data, dict):
            self.take_badge(name, data)

    def take_badge(self, name, data):
        message = data.get("messageId")
        delivered = data.get("delivery") == "sent" or data.get("accepted") is True
        if name == "cloud.message.queued":
            self.badges[message] = QUEUED
        elif name == "cloud.message.failed" and not delivered:
            self.badges[message] = FAILED
        elif name in ("cloud.message.sent", "cloud.message.completed", "cloud.message.failed"):
            self.badges.pop(message, None)

    def take_kilo(self, name, properties):
        if name == "message.updated":
            info = properties["info"]
            shown = self.messages.setdefault(info["id"], {"role": info.get("role"), "parts": {}})
            shown["role"] = info.get("role")
        elif name == "message.part.updated":
            part = properties["part"]
            if part.get("type") == "text":
                self.parts(part["messageID"])[part["id"]] = part["text"]
        elif name == "message.part.delta" and properties.get("field") == "text":
            parts = self.parts(properties["messageID"])
            parts[properties["partID"]] = parts.get(properties["partID"], "") + properties["delta"]
        elif name == "message.part.removed":
            self.parts(properties["messageID"]).pop(properties["partID"], None)

    def parts(self, message):
        return self.messages.setdefault(message, {"role": "assistant", "parts": {}})["parts"]

    def report(self):
        messages = [
            {"id": id, "role": shown["role"], "text": "".join(text for _, text in sorted(shown["parts"].items()))}
            for id, shown in self.messages.items()
        ]
        return {"badges": self.badges, "messages": messages, "cursor": self.cursor, "session": self.session}


class Stream:
    """A WebSocket (RFC 6455) that receives text frames."""

    def __init__(self, url):
        place = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((place.hostname, place.port), timeout=10)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {place.path}?{place.query} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.socket.settimeout(None)
        self.input = self.socket.makefile("rb")
        status = self.input.readline()
        while self.input.readline().strip():
            pass
        if b" 101 " not in status:
            self.close()
            raise ConnectionError(f"the server answered {status.decode().strip()}")

    def close(self):
        self.input.close()
        self.socket.close()

    def read(self, length):
        data = self.input.read(length)
        if len(data) < length:
            raise ConnectionError("the connection ended")
        return data

    def frames(self):
        """The texts of all frames, until the server closes the stream. A lost connection is an error."""
        text = b""
        while True:
            first, second = self.read(2)
            length = second & 127
            if length == 126:
                (length,) = struct.unpack(">H", self.read(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self.read(8))
            payload = self.read(length)
            kind = first & 15
            if kind == 8:
                self.send(8, payload)
                return
            if kind == 9:
                self.send(10, payload)
            elif kind < 3:
                text += payload
                if first & 128:
                    yield text.decode()
                    text = b""

    def send(self, kind, payload):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.socket.sendall(bytes([128 | kind, 128 | len(payload)]) + mask + masked)


class Client:
    """The connection of a view to the server. The stream is read on a thread of its own."""

    def __init__(self):
        self.lock = threading.Lock()
        self.view = View({})

    def connect(self, order):
        self.view = View(order.get("session") or {})
        threading.Thread(target=self.follow, args=(order["stream"],), daemon=True).start()

    def follow(self, url):
        """Reads the stream, and opens it again after the last event whenever it ends."""
        while True:
            try:
                stream = Stream(f"{url}&fromId={self.view.cursor}")
                try:
                    for text in stream.frames():
                        with self.lock:
                            self.view.take(json.loads(text))
                finally:
                    stream.close()
            except OSError as error:
                print(f"the stream ended: {error}", file=sys.stderr)
            time.sleep(RECONNECT_PAUSE)

    def send(self, order):
        """Sends a message, with the same id again until there is an answer."""
        message = {"id": order["id"], "prompt": order["text"]}
        body = {"cloudAgentSessionId": order["cloudAgentSessionId"], "message": message}
        headers = {"Authorization": f"Bearer {order['token']}", "Content-Type": "application/json"}
        request = urllib.request.Request(order["url"], json.dumps(body).encode(), headers, method="POST")
        while True:
            try:
                urllib.request.urlopen(request, timeout=30).close()
                return
            except urllib.error.HTTPError as refusal:
                print(f"the message was refused: {refusal}", file=sys.stderr)
                return
            except OSError as error:
                print(f"no answer: {error}", file=sys.stderr)
                time.sleep(RETRY_PAUSE)

    def run(self):
        for line in sys.stdin:
            order = json.loads(line)
            if order["do"] == "connect":
                self.connect(order)
            elif order["do"] == "send":
                threading.Thread(target=self.send, args=(order,), daemon=True).start()
            elif order["do"] == "report":
                with self.lock:
                    print(json.dumps({"view": self.view.report()}), flush=True)
            elif order["do"] == "exit":
                return


Client().run()
