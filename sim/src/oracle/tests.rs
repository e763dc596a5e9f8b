//! Each oracle, fed with a trace in which all holds and with such in which one thing does not.

use std::time::Duration;

use fake_gateway::observation::Sight;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::history::History;
use super::judge;
use crate::stage::{GATEWAY, OBSERVER, RECEIVER, SERVER, WRAPPER};
use crate::trace::{Record, Trace, What};

/// A trace that is written by hand, a second a record.
struct Writer {
    trace: Trace,
    epoch: Timestamp,
    now: Duration,
    exchange: u64,
    /// Kept events, to be read once more at the end.
    log: Vec<Value>,
}

impl Writer {
    fn new() -> Self {
        let epoch: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        Self {
            trace: Trace::new(epoch),
            epoch,
            now: Duration::ZERO,
            exchange: 0,
            log: Vec::new(),
        }
    }

    fn sees(&mut self, party: &str, sight: Sight) {
        self.now += Duration::from_secs(1);
        self.trace.push(Record {
            at: self.now,
            party: party.into(),
            what: What::Sight(sight),
        });
    }

    fn exchange(&mut self) -> u64 {
        self.exchange += 1;
        self.exchange
    }

    fn opens_stream(&mut self, socket: u64) {
        let path = "/stream?cloudAgentSessionId=s&fromId=0".to_owned();
        self.sees(
            OBSERVER,
            Sight::SocketOpened {
                socket,
                to: SERVER.to_owned(),
                path,
            },
        );
    }

    /// A client asks, and is told that its message is admitted.
    fn acked(&mut self, procedure: &str, message: &str, input: Value) {
        let exchange = self.exchange();
        let (to, path) = (SERVER.to_owned(), format!("/trpc/{procedure}"));
        self.sees(
            "client",
            Sight::RequestSent {
                exchange,
                to,
                method: "POST".into(),
                path,
                body: input,
            },
        );
        let body = json!({"result": {"data": {"messageId": message}}});
        self.sees(
            "client",
            Sight::ReplyReceived {
                exchange,
                status: 200,
                body,
            },
        );
    }

    fn started(&mut self, message: &str, with_callback: bool) {
        let target = if with_callback {
            json!({"url": "http://receiver/"})
        } else {
            Value::Null
        };
        self.acked("start", message, json!({"options": {"callbackTarget": target}}));
        self.opens_stream(1);
    }

    /// The observer is shown a kept event.
    fn event(&mut self, name: &str, data: Value) {
        let timestamp = (self.epoch + self.now).to_string();
        let id = self.log.len() + 1;
        let frame = json!({"eventId": id, "streamEventType": name, "timestamp": timestamp, "data": data});
        self.log.push(frame.clone());
        self.sees(OBSERVER, Sight::FrameReceived { socket: 1, frame });
    }

    fn message_event(&mut self, name: &str, message: &str, more: Value) {
        let mut data = json!({"messageId": message});
        data.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap_or_default());
        self.event(&format!("cloud.message.{name}"), data);
    }

    fn queued(&mut self, message: &str) {
        self.message_event("queued", message, json!({}));
    }

    fn sent(&mut self, message: &str) {
        self.message_event("sent", message, json!({}));
    }

    fn completed(&mut self, message: &str) {
        let more = json!({"status": "completed", "completionSource": "assistant_message_event"});
        self.message_event("completed", message, more);
    }

    fn idle(&mut self) {
        self.event(
            "kilocode",
            json!({"event": "session.idle", "properties": {"sessionID": "k"}}),
        );
    }

    /// The wrapper is handed a message and takes it.
    fn delivered(&mut self, message: &str) {
        let exchange = self.exchange();
        let (method, path) = ("POST".to_owned(), "/job/prompt".to_owned());
        let body = json!({"message": {"id": message}});
        self.sees(
            WRAPPER,
            Sight::RequestReceived {
                exchange,
                method,
                path,
                headers: Value::Null,
                body,
            },
        );
        self.sees(
            WRAPPER,
            Sight::ReplySent {
                exchange,
                status: 200,
                body: Value::Null,
            },
        );
    }

    /// The receiver is called back, and answers.
    fn called_back(&mut self, message: &str, more: Value, answer: u16) {
        let mut body = json!({"messageId": message, "executionId": message, "idempotencyKey": message,
            "status": "completed"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap_or_default());
        let exchange = self.exchange();
        let (method, path) = ("POST".to_owned(), "/callback".to_owned());
        self.sees(
            RECEIVER,
            Sight::RequestReceived {
                exchange,
                method,
                path,
                headers: Value::Null,
                body,
            },
        );
        self.sees(
            RECEIVER,
            Sight::ReplySent {
                exchange,
                status: answer,
                body: Value::Null,
            },
        );
    }

    /// A whole turn, as it should be.
    fn turn(&mut self, message: &str) {
        self.queued(message);
        self.delivered(message);
        self.sent(message);
        self.completed(message);
        self.idle();
    }

    /// All is over: the harness reads the log and asks the gateway, and the trace is judged. What comes back
    /// are the names of the oracles that found something.
    fn judged(mut self) -> Vec<String> {
        self.opens_stream(2);
        for frame in self.log.clone() {
            self.sees(OBSERVER, Sight::FrameReceived { socket: 2, frame });
        }
        self.waiters(json!({"tags": [], "liveResponses": 0}))
    }

    fn waiters(mut self, waiters: Value) -> Vec<String> {
        let exchange = self.exchange();
        let (to, path) = (GATEWAY.to_owned(), "/test/waiters".to_owned());
        let method = "GET".to_owned();
        self.sees(
            OBSERVER,
            Sight::RequestSent {
                exchange,
                to,
                method,
                path,
                body: Value::Null,
            },
        );
        self.sees(
            OBSERVER,
            Sight::ReplyReceived {
                exchange,
                status: 200,
                body: waiters,
            },
        );
        let mut rules: Vec<String> = judge(&History::read(&self.trace))
            .into_iter()
            .map(|finding| finding.rule)
            .collect();
        rules.dedup();
        rules
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_run_in_which_all_is_right_has_no_findings() {
    let mut writer = Writer::new();
    writer.started("m1", true);
    writer.turn("m1");
    writer.called_back("m1", json!({}), 500);
    writer.called_back("m1", json!({}), 200);
    assert_eq!(writer.judged(), NOTHING);
}

#[test]
fn a_second_end_breaks_terminal_once_and_so_does_anything_after_the_end() {
    let endings: [fn(&mut Writer); 2] = [|writer| writer.completed("m1"), |writer| writer.sent("m1")];
    for ending in endings {
        let mut writer = Writer::new();
        writer.started("m1", false);
        writer.turn("m1");
        ending(&mut writer);
        assert_eq!(writer.judged(), ["terminal-once"]);
    }
}

#[test]
fn a_message_that_overtakes_breaks_first_in_first_out() {
    let mut writer = Writer::new();
    writer.started("m1", false);
    writer.queued("m1");
    writer.acked("send", "m2", json!({}));
    writer.queued("m2");
    writer.delivered("m2");
    writer.delivered("m1");
    for message in ["m1", "m2"] {
        writer.sent(message);
        writer.completed(message);
    }
    assert_eq!(writer.judged(), ["first-in-first-out"]);
}

#[test]
fn a_message_that_follows_one_that_has_ended_does_not_overtake() {
    let mut writer = Writer::new();
    writer.started("m1", false);
    writer.queued("m1");
    writer.acked("send", "m2", json!({}));
    writer.queued("m2");
    let more = json!({"status": "failed", "completionSource": "delivery_failure"});
    writer.message_event("failed", "m1", more);
    writer.delivered("m2");
    writer.sent("m2");
    writer.completed("m2");
    assert_eq!(writer.judged(), NOTHING);
}

#[test]
fn a_batch_without_a_callback_or_with_one_too_many_is_noticed() {
    let mut missing = Writer::new();
    missing.started("m1", true);
    missing.turn("m1");
    assert_eq!(missing.judged(), ["one-callback-per-batch"]);

    let mut unasked = Writer::new();
    unasked.started("m1", false);
    unasked.turn("m1");
    unasked.called_back("m1", json!({}), 200);
    assert_eq!(unasked.judged(), ["one-callback-per-batch"]);
}

#[test]
fn a_callback_for_another_than_the_last_of_a_batch_is_noticed() {
    let mut writer = Writer::new();
    writer.started("m1", true);
    writer.queued("m1");
    writer.acked("send", "m2", json!({}));
    writer.queued("m2");
    for message in ["m1", "m2"] {
        writer.delivered(message);
        writer.sent(message);
        writer.completed(message);
    }
    writer.idle();
    writer.called_back("m1", json!({}), 200);
    assert_eq!(writer.judged(), ["one-callback-per-batch"]);
}

#[test]
fn a_callback_before_the_idle_or_with_wrong_content_is_noticed() {
    let mut early = Writer::new();
    early.started("m1", true);
    early.queued("m1");
    early.delivered("m1");
    early.sent("m1");
    early.completed("m1");
    early.called_back("m1", json!({}), 200);
    early.idle();
    assert_eq!(early.judged(), ["one-callback-per-batch"]);

    for wrong in [
        json!({"status": "failed"}),
        json!({"executionId": "other"}),
        json!({"lastAssistantMessageText": "never said"}),
    ] {
        let mut writer = Writer::new();
        writer.started("m1", true);
        writer.turn("m1");
        writer.called_back("m1", wrong, 200);
        assert_eq!(writer.judged(), ["one-callback-per-batch"]);
    }
}

#[test]
fn a_repeat_of_a_callback_with_other_content_is_noticed() {
    let mut writer = Writer::new();
    writer.started("m1", true);
    writer.turn("m1");
    writer.called_back("m1", json!({}), 200);
    writer.called_back("m1", json!({"lastSeenBranch": "other"}), 200);
    assert_eq!(writer.judged(), ["one-callback-per-batch"]);
}

#[test]
fn a_receiver_that_refuses_for_good_is_owed_nothing_more_and_one_that_fails_is() {
    for (answer, rules) in [(404, &NOTHING[..]), (500, &["one-callback-per-batch"][..])] {
        let mut writer = Writer::new();
        writer.started("m1", true);
        writer.turn("m1");
        writer.called_back("m1", json!({}), answer);
        assert_eq!(writer.judged(), rules);
    }
}

#[test]
fn an_acked_message_that_never_ends_is_noticed() {
    let mut writer = Writer::new();
    writer.started("m1", false);
    writer.queued("m1");
    assert_eq!(writer.judged(), ["every-acked-message-ends"]);
}

#[test]
fn an_acked_message_that_the_log_does_not_know_is_noticed() {
    let mut writer = Writer::new();
    writer.started("m1", false);
    writer.turn("m1");
    writer.acked("send", "m2", json!({}));
    assert_eq!(writer.judged(), ["acked-survives", "every-acked-message-ends"]);
}

#[test]
fn an_event_that_was_shown_and_is_gone_or_changed_is_noticed() {
    let mut gone = Writer::new();
    gone.started("m1", false);
    gone.turn("m1");
    gone.idle();
    gone.log.pop();
    assert_eq!(gone.judged(), ["acked-survives"]);

    let mut changed = Writer::new();
    changed.started("m1", false);
    changed.turn("m1");
    changed.log[1]["data"]["delivery"] = json!("other");
    assert_eq!(changed.judged(), ["acked-survives"]);
}

#[test]
fn a_stream_that_goes_back_is_noticed() {
    let mut writer = Writer::new();
    writer.started("m1", false);
    writer.turn("m1");
    let frame = writer.log[0].clone();
    writer.sees(OBSERVER, Sight::FrameReceived { socket: 1, frame });
    assert_eq!(writer.judged(), ["event-ids-rise"]);
}

#[test]
fn somebody_left_at_the_gateway_is_noticed_and_so_is_a_gateway_that_does_not_say() {
    for waiters in [
        json!({"tags": [], "liveResponses": 1}),
        json!({"tags": [{"tag": "t", "count": 1}]}),
    ] {
        let mut writer = Writer::new();
        writer.started("m1", false);
        writer.turn("m1");
        writer.opens_stream(2);
        for frame in writer.log.clone() {
            writer.sees(OBSERVER, Sight::FrameReceived { socket: 2, frame });
        }
        assert_eq!(writer.waiters(waiters), ["gateway-is-empty"]);
    }
}
