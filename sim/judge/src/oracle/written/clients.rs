//! Requests of clients, and their streams.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Value, json};
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::{ClosedBy, Observation};

use super::{ROOT, Writer};
use crate::parties::SERVER;

fn interrupt_reply(success: bool) -> Value {
    json!({"result": {"data": {"success": success, "processesFound": false, "message": "some"}}})
}

impl Writer {
    /// A client sends a request and receives no answer.
    pub(in crate::oracle) fn requests(&mut self, procedure: &str, mut input: Value) -> u64 {
        let fields = input.as_object_mut().expect("inputs are objects");
        if procedure != "start" {
            let session = json!(self.session);
            fields.entry("cloudAgentSessionId").or_insert(session);
        }
        let exchange = self.next_exchange();
        let (to, path) = (SERVER.to_owned(), format!("/trpc/{procedure}"));
        let (method, body) = ("POST".to_owned(), input);
        let request = Observation::RequestSent {
            exchange,
            to,
            method,
            path,
            credentials: self.credentials,
            body,
        };
        self.observes("client", request);
        exchange
    }

    /// The same with these credentials.
    pub(in crate::oracle) fn requests_as(
        &mut self,
        credentials: Credentials,
        procedure: &str,
        input: Value,
    ) -> u64 {
        self.shows(credentials);
        let exchange = self.requests(procedure, input);
        self.shows(Credentials::Own);
        exchange
    }

    /// A client sends a request and receives an answer.
    pub(in crate::oracle) fn answered(&mut self, procedure: &str, input: Value, status: u16, body: Value) {
        let exchange = self.requests(procedure, input);
        self.is_answered(exchange, status, body);
    }

    /// A client receives the answer to its request.
    pub(in crate::oracle) fn is_answered(&mut self, exchange: u64, status: u16, body: Value) {
        let reply = Observation::ReplyReceived {
            exchange,
            status,
            body,
        };
        self.observes("client", reply);
    }

    /// A client interrupts the session and receives the answer before the interrupt has an effect.
    pub(in crate::oracle) fn interrupts(&mut self, status: u16) {
        let input = json!({"sessionId": self.session});
        self.answered("interruptSession", input, status, interrupt_reply(true));
    }

    /// A client interrupts the session, `happens` is the effect, and the client receives the answer.
    pub(in crate::oracle) fn interrupts_with(&mut self, success: bool, happens: impl FnOnce(&mut Self)) {
        let exchange = self.requests("interruptSession", json!({}));
        self.at_once(|writer| {
            happens(writer);
            if success {
                writer.is_ordered_to_stop();
            }
        });
        self.is_answered(exchange, 200, interrupt_reply(success));
    }

    /// A client sends a request that admits a message and receives the acknowledgement.
    pub(in crate::oracle) fn acked(&mut self, procedure: &str, message: &str, input: Value) {
        let data = json!({"messageId": message, "cloudAgentSessionId": self.session, "kiloSessionId": ROOT});
        self.answered(procedure, input, 200, json!({"result": {"data": data}}));
    }

    pub(super) fn opens(&mut self, party: &str, path: String) -> u64 {
        self.socket += 1;
        let (socket, to) = (self.socket, SERVER.to_owned());
        let opened = Observation::SocketOpened {
            socket,
            to,
            path,
            credentials: self.credentials,
        };
        self.observes(party, opened);
        socket
    }

    /// The server refuses a WebSocket.
    pub(in crate::oracle) fn socket_refused(
        &mut self,
        party: &str,
        path: &str,
        credentials: Credentials,
        status: u16,
    ) {
        self.socket += 1;
        let refused = Observation::SocketRefused {
            socket: self.socket,
            to: SERVER.to_owned(),
            path: path.to_owned(),
            credentials,
            status: Some(status),
            error: "no".to_owned(),
        };
        self.observes(party, refused);
    }

    /// A client gives up waiting for the answer to its request.
    pub(in crate::oracle) fn gives_up(&mut self, exchange: u64) {
        let error = "nothing came".to_owned();
        self.observes("client", Observation::NoReply { exchange, error });
    }

    /// A client opens a stream.
    pub(in crate::oracle) fn client_opens(&mut self, client: &str, from: usize) {
        let path = format!("/stream?cloudAgentSessionId={}&fromId={from}", self.session);
        let socket = self.opens(client, path);
        self.book().streams.insert(client.to_owned(), socket);
    }

    /// A client opens a stream of some types of events, which are separated by commas.
    pub(in crate::oracle) fn client_filters(&mut self, client: &str, types: &str) {
        self.client_opens_with(client, &format!("eventTypes={types}"));
    }

    /// A client opens a stream with these parameters.
    pub(in crate::oracle) fn client_opens_with(&mut self, client: &str, query: &str) {
        let path = format!("/stream?cloudAgentSessionId={}&{query}", self.session);
        let socket = self.opens(client, path);
        self.book().streams.insert(client.to_owned(), socket);
    }

    /// A client opens a stream, receives the kept events with these indices, and is connected.
    pub(in crate::oracle) fn client_replays(&mut self, client: &str, from: usize, places: Range<usize>) {
        self.client_opens(client, from);
        for place in places {
            self.client_receives(client, place);
        }
        self.client_is_connected(client);
    }

    /// A client receives the kept event with this index.
    pub(in crate::oracle) fn client_receives(&mut self, client: &str, place: usize) {
        let frame = self.frame(place);
        self.client_receives_frame(client, frame);
    }

    pub(in crate::oracle) fn client_receives_frame(&mut self, client: &str, frame: Value) {
        let socket = self.book().streams[client];
        let frame = frame.into();
        self.observes(client, Observation::FrameReceived { socket, frame });
    }

    /// A client receives an event that is not kept.
    pub(in crate::oracle) fn client_receives_unkept(&mut self, client: &str, name: &str, data: Value) {
        let frame = self.envelope(0, name, data);
        self.client_receives_frame(client, frame);
    }

    /// A client closes its stream.
    pub(in crate::oracle) fn client_leaves(&mut self, client: &str) {
        let socket = self.book().streams[client];
        let (code, by) = (Some(1000), ClosedBy::Itself);
        self.observes(client, Observation::SocketClosed { socket, code, by });
    }

    /// A client receives `connected` with the status of the session, and at the same time an empty catalogue.
    pub(in crate::oracle) fn client_is_connected(&mut self, client: &str) {
        let status = match (self.book().is_prepared, self.has_pending()) {
            (true, _) => json!({"cloudStatus": {"type": "ready"}}),
            (false, true) => json!({"cloudStatus": {"type": "preparing"}}),
            (false, false) => json!({}),
        };
        self.client_receives_unkept(client, "connected", status);
        let was_at_once = std::mem::replace(&mut self.is_at_once, true);
        self.client_receives_unkept(client, "commands.available", json!({"commands": []}));
        self.is_at_once = was_at_once;
    }

    /// Whether the last event of a message queued it.
    fn has_pending(&mut self) -> bool {
        let mut last = BTreeMap::new();
        for frame in &self.book().log {
            if let Some(message) = frame["data"]["messageId"].as_str() {
                last.insert(message, frame["streamEventType"] == "cloud.message.queued");
            }
        }
        last.into_values().any(|is_queued| is_queued)
    }

    /// A kept event happens, and a client receives it.
    pub(in crate::oracle) fn client_receives_next(&mut self, client: &str, happens: impl FnOnce(&mut Self)) {
        happens(self);
        let last = self.book().log.len() - 1;
        self.client_receives(client, last);
    }
}
