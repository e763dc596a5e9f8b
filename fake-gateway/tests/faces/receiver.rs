use fake_gateway::observation::Sight;
use fake_gateway::receiver::Receiver;
use http::Method;
use serde_json::{Value, json};

use crate::stage::{Record, get, listen, post, send};

async fn start() -> (Record, String) {
    let (listener, authority) = listen().await;
    let record = Record::default();
    tokio::spawn(Receiver::new(record.witness()).serve(listener));
    (record, authority)
}

#[tokio::test]
async fn a_callback_is_recorded_whole_and_answered_200() {
    let (record, receiver) = start().await;
    assert_eq!(
        post(&receiver, "/hooks/1?x=2", &json!({ "a": 1 })).await,
        (200, Value::Null)
    );
    let sights = record.sights();
    let Sight::RequestReceived {
        method,
        path,
        headers,
        body,
        ..
    } = &sights[0]
    else {
        panic!("{sights:?}");
    };
    assert_eq!(
        (method.as_str(), path.as_str(), body),
        ("POST", "/hooks/1?x=2", &json!({ "a": 1 }))
    );
    assert_eq!(headers["x-key"], "secret");
    let replied = Sight::ReplySent {
        exchange: 1,
        status: 200,
        body: Value::Null,
    };
    assert_eq!(sights[1..], [replied]);
}

#[tokio::test]
async fn answers_are_given_in_the_order_in_which_they_were_asked_for() {
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
        .until(|sight| matches!(sight, Sight::RequestReceived { exchange: 3, .. }))
        .await;
    assert_eq!(post(&receiver, "/hook", &Value::Null).await.0, 200);
    stalled.abort();
    record
        .until(|sight| *sight == Sight::PeerGone { exchange: 3 })
        .await;

    // The dropped one was neither answered nor left.
    let ended = |sight: &Sight| match sight {
        Sight::ReplySent { exchange, .. } | Sight::PeerGone { exchange } => Some(*exchange),
        _ => None,
    };
    assert_eq!(
        record.sights().iter().filter_map(ended).collect::<Vec<_>>(),
        [1, 4, 3]
    );
}

#[tokio::test]
async fn an_answer_that_http_does_not_have_is_refused() {
    let (_, receiver) = start().await;
    for answers in [
        json!([{ "status": 100 }]),
        json!([{ "status": 99 }]),
        json!([{ "dance": true }]),
    ] {
        assert_eq!(
            post(&receiver, "/test/answers", &answers).await.0,
            422,
            "{answers}"
        );
    }
    assert_eq!(get(&receiver, "/test/answers").await, json!([]));
}
