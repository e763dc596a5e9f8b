//! Requests to the wrapper and the receiver, and frames of the wrapper.

use serde_json::{Value, json};
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::{ClosedBy, Observation};

use super::events::{assistant, merged};
use super::{Writer, worker_token};
use crate::parties::{RECEIVER, SERVER, WRAPPER};

impl Writer {
    fn wrapper_requested(&mut self, path: &str, body: Value, status: u16, answer: Value) {
        self.book().is_prepared |= status == 200 || path.starts_with("/job/");
        let exchange = self.wrapper_receives(path, body);
        self.wrapper_answers(exchange, status, answer);
    }

    /// The wrapper receives a request.
    pub(in crate::oracle) fn wrapper_receives(&mut self, path: &str, body: Value) -> u64 {
        let exchange = self.next_exchange();
        let request = Observation::RequestReceived {
            exchange,
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers: Value::Null,
            body,
        };
        self.observes(WRAPPER, request);
        exchange
    }

    /// The wrapper answers a request.
    pub(in crate::oracle) fn wrapper_answers(&mut self, exchange: u64, status: u16, body: Value) {
        let reply = Observation::ReplySent {
            exchange,
            status,
            body,
        };
        self.observes(WRAPPER, reply);
    }

    fn ingest_url(&self) -> String {
        format!("ws://server:8787/sessions/u/{}/ingest", self.session)
    }

    /// The wrapper receives a message and accepts it.
    pub(in crate::oracle) fn delivered(&mut self, message: &str) {
        self.delivered_with(message, json!({}));
    }

    /// The same with a finalization.
    pub(in crate::oracle) fn delivered_with(&mut self, message: &str, finalization: Value) {
        let body = json!({"message": {"id": message}, "finalization": finalization,
            "session": {"ingestUrl": self.ingest_url()}});
        self.wrapper_requested(
            "/job/prompt",
            body,
            200,
            json!({"status": "sent", "messageId": message}),
        );
    }

    /// The wrapper receives a message of the run of that generation and accepts it. It is made ready before, unless it
    /// is.
    pub(in crate::oracle) fn delivered_to(&mut self, message: &str, generation: u64) {
        if !self.book().ready.contains(&generation) {
            self.is_at_the_moment(|writer| writer.bound(generation));
        }
        self.delivered_unprepared(message, generation);
    }

    /// The same without being made ready.
    pub(in crate::oracle) fn delivered_unprepared(&mut self, message: &str, generation: u64) {
        self.delivered_and_answered_for(message, generation, message);
    }

    /// The same with an answer that names that message.
    pub(in crate::oracle) fn delivered_and_answered_for(
        &mut self,
        message: &str,
        generation: u64,
        named: &str,
    ) {
        self.book().ready.remove(&generation);
        let body = json!({"message": {"id": message}, "session": self.binding(generation)});
        self.wrapper_requested(
            "/job/prompt",
            body,
            200,
            json!({"status": "sent", "messageId": named}),
        );
    }

    /// The wrapper receives a message and gives no answer.
    pub(in crate::oracle) fn delivered_in_vain(&mut self, message: &str) {
        let body = json!({"message": {"id": message}, "session": {"ingestUrl": self.ingest_url()}});
        self.wrapper_receives("/job/prompt", body);
    }

    /// The wrapper receives a message and refuses it.
    pub(in crate::oracle) fn refused(&mut self, message: &str, status: u16) {
        let body = json!({"message": {"id": message}, "session": {"ingestUrl": self.ingest_url()}});
        self.wrapper_requested("/job/prompt", body, status, Value::Null);
    }

    /// The wrapper receives the fence of that generation and is ready.
    pub(in crate::oracle) fn bound(&mut self, generation: u64) {
        self.bound_with(generation, json!({}));
    }

    /// The same with more fields in the request.
    pub(in crate::oracle) fn bound_with(&mut self, generation: u64, more: Value) {
        let book = self.book();
        book.ready.insert(generation);
        book.bound.insert(generation);
        let body = json!({"agentSessionId": self.session, "session": self.binding(generation)});
        let body = merged(body, more);
        self.wrapper_requested("/session/ready", body, 200, json!({"status": "ready"}));
    }

    /// The wrapper is requested to get ready and fails.
    pub(in crate::oracle) fn fails_to_get_ready(&mut self, code: &str) {
        self.fails_to_get_ready_after(0, code);
    }

    /// The same after that many seconds more.
    pub(in crate::oracle) fn fails_to_get_ready_after(&mut self, seconds: u64, code: &str) {
        let body = json!({"agentSessionId": self.session});
        let status = if code == "INVALID_REQUEST" { 400 } else { 503 };
        let answer = json!({"error": code, "message": "no"});
        let exchange = self.wrapper_receives("/session/ready", body);
        self.wait(seconds);
        self.wrapper_answers(exchange, status, answer);
    }

    /// The wrapper receives the fence of that generation with other parts, and is ready.
    pub(in crate::oracle) fn bound_as(&mut self, generation: u64, parts: Value) {
        let binding = merged(self.binding(generation), parts);
        self.bound_with(generation, json!({"session": binding}));
    }

    /// The wrapper receives the fence of that generation and fails to get ready.
    pub(in crate::oracle) fn is_refused_ready(&mut self, generation: u64) {
        self.is_refused_ready_after(generation, |_| {});
    }

    /// The same, and other things happen before the wrapper answers.
    pub(in crate::oracle) fn is_refused_ready_after(
        &mut self,
        generation: u64,
        happens: impl FnOnce(&mut Self),
    ) {
        let body = json!({"agentSessionId": self.session, "session": self.binding(generation)});
        let exchange = self.wrapper_receives("/session/ready", body);
        happens(self);
        let answer = json!({"error": "KILO_SERVER_FAILED", "message": "no"});
        self.wrapper_answers(exchange, 503, answer);
    }

    fn binding(&self, generation: u64) -> Value {
        json!({"ingestUrl": self.ingest_url(), "wrapperRunId": format!("wr_{generation}"),
            "wrapperGeneration": generation, "wrapperConnectionId": format!("c{generation}"),
            "workerAuthToken": worker_token(generation)})
    }

    /// The server accepts an ingest under that generation.
    pub(in crate::oracle) fn opens_ingest(&mut self, generation: u64) {
        let path = self.ingest_path(generation);
        let socket = self.opens(WRAPPER, path);
        self.book().ingests.insert(generation, socket);
    }

    /// The wrapper gives up opening an ingest under that generation, without an answer.
    pub(in crate::oracle) fn gives_up_ingest(&mut self, generation: u64) {
        self.socket += 1;
        let refused = Observation::SocketRefused {
            socket: self.socket,
            to: SERVER.to_owned(),
            path: self.ingest_path(generation),
            credentials: Credentials::Own,
            status: None,
            error: "given up".to_owned(),
        };
        self.observes(WRAPPER, refused);
    }

    fn ingest_path(&self, generation: u64) -> String {
        let session = &self.session;
        format!(
            "/sessions/u/{session}/ingest?wrapperRunId=wr_{generation}&sessionId={session}\
             &wrapperGeneration={generation}&wrapperConnectionId=c{generation}"
        )
    }

    /// The server accepts an ingest of an imported execution.
    pub(in crate::oracle) fn opens_ingest_of(&mut self, execution: &str) {
        let path = format!("/sessions/u/{}/ingest?executionId={execution}", self.session);
        let socket = self.opens(WRAPPER, path);
        self.book().imported_ingests.insert(execution.to_owned(), socket);
    }

    /// The wrapper's socket of that generation closes.
    pub(in crate::oracle) fn ingest_ends(&mut self, generation: u64) {
        let socket = self.book().ingests[&generation];
        self.socket_ends(socket);
    }

    /// The socket of an imported execution closes.
    pub(in crate::oracle) fn imported_ingest_ends(&mut self, execution: &str) {
        let socket = self.book().imported_ingests[execution];
        self.socket_ends(socket);
    }

    fn socket_ends(&mut self, socket: u64) {
        let (code, by) = (None, ClosedBy::Lost);
        self.observes(WRAPPER, Observation::SocketClosed { socket, code, by });
    }

    /// The wrapper receives a kill on its socket of that generation.
    pub(in crate::oracle) fn is_killed(&mut self, generation: u64) {
        let socket = self.book().ingests[&generation];
        let frame = json!({"type": "kill"}).into();
        self.observes(WRAPPER, Observation::FrameReceived { socket, frame });
    }

    /// The test writes the orders to stop that the wrapper receives.
    pub(in crate::oracle) fn orders_by_hand(&mut self) {
        self.orders_by_hand = true;
    }

    /// The wrapper receives the orders to stop of its newest run, unless the test writes them.
    pub(super) fn is_ordered_to_stop(&mut self) {
        let Some(generation) = self.book().bound.last().copied() else {
            return;
        };
        if self.orders_by_hand {
            return;
        }
        self.is_at_the_moment(|writer| {
            if writer.book().ingests.contains_key(&generation) {
                writer.is_killed(generation);
            }
            writer.is_aborted(&format!("wr_{generation}"));
        });
    }

    /// The wrapper receives an abort of that run.
    pub(in crate::oracle) fn is_aborted(&mut self, run: &str) {
        let body = json!({"wrapperRunId": run});
        self.wrapper_requested("/job/abort", body, 200, json!({"status": "aborted"}));
    }

    /// The wrapper is asked for a snapshot on its socket of that generation.
    pub(in crate::oracle) fn snapshot_is_requested(&mut self, generation: u64) {
        let socket = self.book().ingests[&generation];
        let frame = json!({"type": "request_snapshot"}).into();
        self.observes(WRAPPER, Observation::FrameReceived { socket, frame });
    }

    /// The wrapper receives an error on its socket of that generation.
    pub(in crate::oracle) fn wrapper_receives_error(&mut self, generation: u64, code: &str) {
        let socket = self.book().ingests[&generation];
        let frame = json!({"type": "error", "code": code, "message": "no"}).into();
        self.observes(WRAPPER, Observation::FrameReceived { socket, frame });
    }

    /// The wrapper of an imported execution receives an error.
    pub(in crate::oracle) fn imported_wrapper_receives_error(&mut self, execution: &str) {
        let socket = self.book().imported_ingests[execution];
        let frame = json!({"type": "error", "code": "WS_PROTOCOL_ERROR", "message": "no"}).into();
        self.observes(WRAPPER, Observation::FrameReceived { socket, frame });
    }

    /// The wrapper receives a ping on its socket of that generation.
    pub(in crate::oracle) fn is_pinged(&mut self, generation: u64) {
        let socket = self.book().ingests[&generation];
        let frame = json!({"type": "ping"}).into();
        self.observes(WRAPPER, Observation::FrameReceived { socket, frame });
    }

    /// The wrapper sends an event on its socket of that generation.
    pub(in crate::oracle) fn wrapper_sends(&mut self, generation: u64, name: &str, data: Value) {
        let socket = self.book().ingests[&generation];
        let frame = json!({"streamEventType": name, "data": data}).into();
        self.observes(WRAPPER, Observation::FrameSent { socket, frame });
    }

    /// A script opens an ingest under that generation in the wrapper's name, and sends an answer to a message.
    pub(in crate::oracle) fn impostor_answers(&mut self, generation: u64, message: &str, id: &str) {
        self.impostor_sends(generation, assistant(message, id, json!({"completed": 1})));
    }

    /// The same with an error in the answer.
    pub(in crate::oracle) fn impostor_fails(&mut self, generation: u64, message: &str, id: &str) {
        let mut data = assistant(message, id, json!({"completed": 1}));
        data["properties"]["info"]["error"] = json!({"name": "APIError", "data": {"message": "no"}});
        self.impostor_sends(generation, data);
    }

    fn impostor_sends(&mut self, generation: u64, data: Value) {
        let party = "ingest:impostor";
        let path = self.ingest_path(generation);
        let socket = self.opens(party, path);
        let frame = json!({"streamEventType": "kilocode", "data": data}).into();
        self.observes(party, Observation::FrameSent { socket, frame });
    }

    /// The wrapper of an imported execution sends an event.
    pub(in crate::oracle) fn imported_wrapper_sends(&mut self, execution: &str, name: &str, data: Value) {
        let socket = self.book().imported_ingests[execution];
        let frame = json!({"streamEventType": name, "data": data}).into();
        self.observes(WRAPPER, Observation::FrameSent { socket, frame });
    }

    /// The wrapper reports that it runs a message.
    pub(in crate::oracle) fn wrapper_reports(&mut self, generation: u64, message: &str) {
        let info = json!({"id": message, "role": "user"});
        let data = json!({"event": "message.updated", "properties": {"info": info}});
        self.wrapper_sends(generation, "kilocode", data);
    }

    /// The wrapper sends a version of an assistant's message.
    pub(in crate::oracle) fn wrapper_sends_assistant(
        &mut self,
        generation: u64,
        message: &str,
        id: &str,
        time: Value,
    ) {
        self.wrapper_sends(generation, "kilocode", assistant(message, id, time));
    }

    // The receiver.

    /// The receiver receives a callback and answers.
    pub(in crate::oracle) fn called_back(&mut self, message: &str, more: Value, status: u16) {
        let headers = json!({"content-type": "application/json", "host": "receiver:9200"});
        self.receiver_requested(message, more, "/callback", headers, status);
    }

    /// The same at that path and with those headers.
    pub(in crate::oracle) fn called_back_at(&mut self, message: &str, path: &str, headers: Value) {
        self.receiver_requested(message, json!({}), path, headers, 200);
    }

    fn receiver_requested(&mut self, message: &str, more: Value, path: &str, headers: Value, status: u16) {
        let body = json!({"sessionId": self.session, "cloudAgentSessionId": self.session, "messageId": message,
            "executionId": message, "idempotencyKey": message, "status": "completed"});
        let exchange = self.next_exchange();
        let request = Observation::RequestReceived {
            exchange,
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers,
            body: merged(body, more),
        };
        self.observes(RECEIVER, request);
        let body = Value::Null;
        let reply = Observation::ReplySent {
            exchange,
            status,
            body,
        };
        self.observes(RECEIVER, reply);
    }
}
