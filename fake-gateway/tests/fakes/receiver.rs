use std::sync::Arc;

use fake_gateway::receiver::Receiver;
use futures_util::future::BoxFuture;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use turnstile_events::observation::Observation;
use turnstile_seams::{Clock, real};

use crate::stage::{Record, get, listen, post, send};

async fn start() -> (Record, String) {
    start_as(|receiver| receiver).await
}

async fn start_as(made: impl FnOnce(Receiver) -> Receiver) -> (Record, String) {
    let (listener, authority) = listen().await;
    let record = Record::default();
    tokio::spawn(made(Receiver::new(record.probe())).serve(listener));
    (record, authority)
}

/// A clock whose sleeps all end when the test says so.
struct StoppedClock(watch::Sender<bool>);

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        assert_eq!(deadline.as_millisecond(), 5000);
        let mut going = self.0.subscribe();
        Box::pin(async move { drop(going.wait_for(|is_going| *is_going).await) })
    }
}

#[tokio::test]
async fn a_late_answer_is_sent_after_its_delay() {
    let clock = Arc::new(StoppedClock(watch::Sender::new(false)));
    let (record, receiver) = start_as(|receiver| receiver.with_clock(clock.clone())).await;
    let answers = json!([{ "delayMs": 5000, "status": 202 }]);
    assert_eq!(post(&receiver, "/test/answers", &answers).await.0, 204);
    assert_eq!(get(&receiver, "/test/answers").await, answers);

    let address = receiver.clone();
    let late = tokio::spawn(async move { post(&address, "/hook", &Value::Null).await.0 });
    let is_received =
        |observation: &Observation| matches!(observation, Observation::RequestReceived { exchange: 1, .. });
    record.until(is_received).await;
    assert_eq!(post(&receiver, "/hook", &Value::Null).await.0, 200);
    clock.0.send_replace(true);
    assert_eq!(late.await.unwrap(), 202);
}

#[tokio::test]
async fn a_callback_is_recorded_completely_and_answered_200() {
    let (record, receiver) = start().await;
    assert_eq!(
        post(&receiver, "/hooks/1?x=2", &json!({ "a": 1 })).await,
        (200, Value::Null)
    );
    let observations = record.observations();
    let Observation::RequestReceived {
        method,
        path,
        headers,
        body,
        ..
    } = &observations[0]
    else {
        panic!("{observations:?}");
    };
    assert_eq!(
        (method.as_str(), path.as_str(), body),
        ("POST", "/hooks/1?x=2", &json!({ "a": 1 }))
    );
    assert_eq!(headers["x-key"], "secret");
    let replied = Observation::ReplySent {
        exchange: 1,
        status: 200,
        body: Value::Null,
    };
    assert_eq!(observations[1..], [replied]);
}

#[tokio::test]
async fn configured_answers_are_used_in_order() {
    let (record, receiver) = start().await;
    let answers = json!([{ "status": 500 }, { "drop": true }, { "stall": true }]);
    assert_eq!(post(&receiver, "/test/answers", &answers).await.0, 204);
    assert_eq!(post(&receiver, "/hook", &Value::Null).await.0, 500);
    assert_eq!(
        get(&receiver, "/test/answers").await,
        json!([{ "drop": true }, { "stall": true }])
    );

    assert!(
        send(&receiver, Method::POST, "/hook", &Value::Null)
            .await
            .is_err()
    );

    let (address, hook) = (receiver.clone(), json!({ "third": true }));
    let stalled = tokio::spawn(async move { send(&address, Method::POST, "/hook", &hook).await });
    record
        .until(|observation| matches!(observation, Observation::RequestReceived { exchange: 3, .. }))
        .await;
    assert_eq!(post(&receiver, "/hook", &Value::Null).await.0, 200);
    stalled.abort();
    record
        .until(|observation| *observation == Observation::PeerGone { exchange: 3 })
        .await;

    // The dropped exchange was neither answered nor abandoned by its peer.
    let ended = |observation: &Observation| match observation {
        Observation::ReplySent { exchange, .. } | Observation::PeerGone { exchange } => Some(*exchange),
        _ => None,
    };
    assert_eq!(
        record.observations().iter().filter_map(ended).collect::<Vec<_>>(),
        [1, 4, 3]
    );
}

#[tokio::test]
async fn an_answer_sent_twice_is_on_the_wire_twice_and_answers_one_request() {
    let (record, receiver) = start().await;
    let answers = json!([{ "twice": true }, { "twice": true }, { "status": 503 }]);
    assert_eq!(post(&receiver, "/test/answers", &answers).await.0, 204);
    assert_eq!(get(&receiver, "/test/answers").await, answers);

    let mut stream = real::seams().network.connect(&receiver).await.unwrap();
    let request = "POST /hook HTTP/1.1\r\nhost: receiver\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = String::new();
    stream.read_to_string(&mut received).await.unwrap();
    let (once, again) = received.split_at(received.len() / 2);
    assert!(once.starts_with("HTTP/1.1 200 OK\r\n"), "{received:?}");
    assert_eq!(once, again);

    assert_eq!(post(&receiver, "/hook", &Value::Null).await.0, 200);
    assert_eq!(post(&receiver, "/hook", &Value::Null).await.0, 503);
    let replied = |observation: &Observation| match observation {
        Observation::ReplySent { exchange, status, .. } => Some((*exchange, *status)),
        _ => None,
    };
    assert_eq!(
        record
            .observations()
            .iter()
            .filter_map(replied)
            .collect::<Vec<_>>(),
        [(1, 200), (1, 200), (2, 200), (2, 200), (3, 503)]
    );
}

#[tokio::test]
async fn invalid_answers_are_rejected() {
    let (_, receiver) = start().await;
    for answers in [
        json!([{ "delayMs": 5, "status": 200 }]),
        json!([{ "status": 100 }]),
        json!([{ "status": 99 }]),
        json!([{ "dance": true }]),
        json!([{ "status": 200, "drop": true }]),
        json!([{ "twice": true, "status": 200 }]),
        json!([{ "delayMs": 5, "stall": true }]),
        json!([{}]),
    ] {
        assert_eq!(
            post(&receiver, "/test/answers", &answers).await.0,
            422,
            "{answers}"
        );
    }
    assert_eq!(get(&receiver, "/test/answers").await, json!([]));
}
