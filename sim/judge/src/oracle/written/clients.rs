//! What clients ask, and what their streams show.

use std::ops::Range;

use serde_json::{Value, json};
use turnstile_events::observation::Observation;

use super::{ROOT, Writer};
use crate::parties::SERVER;

impl Writer {
    /// A client asks and gets no answer.
    pub(in crate::oracle) fn asks(&mut self, procedure: &str, mut input: Value) -> u64 {
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
            body,
        };
        self.sees("client", request);
        exchange
    }

    /// A client asks and is answered.
    pub(in crate::oracle) fn answered(&mut self, procedure: &str, input: Value, status: u16, body: Value) {
        let exchange = self.asks(procedure, input);
        self.is_answered(exchange, status, body);
    }

    /// A client that asked is answered.
    pub(in crate::oracle) fn is_answered(&mut self, exchange: u64, status: u16, body: Value) {
        let reply = Observation::ReplyReceived {
            exchange,
            status,
            body,
        };
        self.sees("client", reply);
    }

    /// A client interrupts the session, and is answered before anything comes of it.
    pub(in crate::oracle) fn interrupts(&mut self, status: u16) {
        let input = json!({"sessionId": self.session});
        let body = json!({"result": {"data": {"success": true, "processesFound": true}}});
        self.answered("interruptSession", input, status, body);
    }

    /// A client asks, and is told that its message is admitted.
    pub(in crate::oracle) fn acked(&mut self, procedure: &str, message: &str, input: Value) {
        let data = json!({"messageId": message, "cloudAgentSessionId": self.session, "kiloSessionId": ROOT});
        self.answered(procedure, input, 200, json!({"result": {"data": data}}));
    }

    pub(super) fn opens(&mut self, party: &str, path: String) -> u64 {
        self.socket += 1;
        let (socket, to) = (self.socket, SERVER.to_owned());
        self.sees(party, Observation::SocketOpened { socket, to, path });
        socket
    }

    /// A client opens a stream.
    pub(in crate::oracle) fn client_opens(&mut self, client: &str, from: usize) {
        let path = format!("/stream?cloudAgentSessionId={}&fromId={from}", self.session);
        let socket = self.opens(client, path);
        self.book().streams.insert(client.to_owned(), socket);
    }

    /// A client opens a stream, is shown kept events from it, counted from 0, and is connected.
    pub(in crate::oracle) fn client_replays(&mut self, client: &str, from: usize, places: Range<usize>) {
        self.client_opens(client, from);
        for place in places {
            self.client_sees(client, place);
        }
        self.client_is_connected(client);
    }

    /// A client is shown a kept event, counted from 0.
    pub(in crate::oracle) fn client_sees(&mut self, client: &str, place: usize) {
        let frame = self.frame(place);
        self.client_is_shown(client, frame);
    }

    pub(in crate::oracle) fn client_is_shown(&mut self, client: &str, frame: Value) {
        let socket = self.book().streams[client];
        self.sees(client, Observation::FrameReceived { socket, frame });
    }

    /// A client is shown an event that is not kept.
    pub(in crate::oracle) fn client_is_told(&mut self, client: &str, name: &str, data: Value) {
        let frame = self.envelope(0, name, data);
        self.client_is_shown(client, frame);
    }

    pub(in crate::oracle) fn client_is_connected(&mut self, client: &str) {
        self.client_is_told(client, "connected", json!({}));
    }
}
