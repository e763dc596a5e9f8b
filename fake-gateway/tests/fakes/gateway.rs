use fake_gateway::gateway::{COMPLETIONS_PATH, Gateway, MODEL, MODELS_PATH};
use http::{Method, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};
use turnstile_events::observation::Observation;
use turnstile_seams::real;

use crate::stage::{Record, get, listen, post, send, whole};

/// Starts a gateway. Returns its record and its address.
pub async fn start() -> (Record, String) {
    let (listener, authority) = listen().await;
    let record = Record::default();
    tokio::spawn(Gateway::new(real::seams(), record.probe()).serve(listener));
    (record, authority)
}

/// Waits until a request is parked on `tag`.
pub async fn until_engaged(gateway: &str, tag: &str) {
    let path = format!("/test/gate-status?tag={tag}");
    while get(gateway, &path).await != json!({ "tag": tag, "engaged": true }) {}
}

fn completion_request(prompt: &str) -> Value {
    json!({ "model": MODEL, "stream": true, "messages": [
        { "role": "user", "content": "__fake__:hang" },
        { "role": "assistant", "content": "" },
        { "role": "user", "content": [{ "type": "text", "text": prompt }] },
    ] })
}

/// Requests a completion and returns when the answer has begun.
async fn request_completion(gateway: &str, prompt: &str) -> Response<Incoming> {
    send(
        gateway,
        Method::POST,
        COMPLETIONS_PATH,
        &completion_request(prompt),
    )
    .await
    .unwrap()
}

#[tokio::test]
async fn an_answer_is_a_stream_of_openai_chunks_that_are_recorded() {
    let (record, gateway) = start().await;
    assert_eq!(get(&gateway, MODELS_PATH).await["data"][0]["id"], MODEL);
    let (status, body) = post(
        &gateway,
        COMPLETIONS_PATH,
        &completion_request("__fake__:slow:2:1"),
    )
    .await;
    assert_eq!(status, 200);
    let body = body.as_str().unwrap();
    let events: Vec<&str> = body
        .split_terminator("\n\n")
        .map(|event| &event["data: ".len()..])
        .collect();
    let chunk: Value = serde_json::from_str(events[1]).unwrap();
    assert_eq!(chunk["choices"][0]["delta"]["content"], "chunk-2 ");
    let last: Value = serde_json::from_str(events[2]).unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    let usage = json!({ "prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9 });
    assert_eq!(last["usage"], usage);
    assert_eq!((events.len(), events[3]), (4, "[DONE]"));

    let sent = record
        .observations()
        .into_iter()
        .filter_map(|observation| match observation {
            Observation::ChunkSent { exchange: 2, data } => {
                Some(data.as_str().map_or(data.to_string(), str::to_owned))
            }
            _ => None,
        });
    assert_eq!(sent.collect::<Vec<_>>(), events);
}

#[tokio::test]
async fn unanswerable_requests_are_refused_in_the_openai_format() {
    let (_, gateway) = start().await;
    for (body, expected, code) in [
        (completion_request("__fake__:nonsense"), 402, json!(402)),
        (completion_request("__fake__:error:boom"), 402, json!(402)),
        (json!("hello"), 400, json!("invalid_request")),
    ] {
        let (status, answer) = post(&gateway, COMPLETIONS_PATH, &body).await;
        assert_eq!((status, &answer["error"]["code"]), (expected, &code), "{body}");
    }
}

/// The chunks of an answer, without its end mark.
async fn chunks(gateway: &str, body: &Value) -> Vec<Value> {
    let (status, answer) = post(gateway, COMPLETIONS_PATH, body).await;
    assert_eq!(status, 200, "{body}");
    let events = answer.as_str().unwrap().split_terminator("\n\n");
    let chunks = events.filter_map(|event| event.strip_prefix("data: "));
    let chunks = chunks.filter(|data| *data != "[DONE]");
    chunks.map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[tokio::test]
async fn a_prompt_without_a_directive_is_echoed_for_any_model() {
    let (_, gateway) = start().await;
    let mut body = completion_request("hello you");
    body["model"] = json!("other");
    let chunks = chunks(&gateway, &body).await;
    assert_eq!(chunks[0]["choices"][0]["delta"]["content"], "hello you");
    assert_eq!(chunks.len(), 2);
}

#[tokio::test]
async fn tool_calls_are_counted_since_the_last_prompt() {
    let (_, gateway) = start().await;
    let mut body = completion_request("__fake__:tools:1:all");
    let first = chunks(&gateway, &body).await;
    assert_eq!(first[0]["choices"][0]["delta"]["content"], "step-1 ");
    let call = &first[1]["choices"][0]["delta"]["tool_calls"][0];
    assert_eq!(call["type"], "function");
    assert_eq!(first[2]["choices"][0]["finish_reason"], "tool_calls");

    let messages = body["messages"].as_array_mut().unwrap();
    messages.insert(0, json!({ "role": "tool", "content": "of an earlier prompt" }));
    messages.push(json!({ "role": "assistant", "content": "step-1 ", "tool_calls": [call] }));
    messages.push(json!({ "role": "tool", "tool_call_id": call["id"], "content": "" }));
    let last = chunks(&gateway, &body).await;
    assert_eq!(last[0]["choices"][0]["delta"]["content"], "all");
    assert_eq!(last[1]["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn a_gate_parks_until_it_is_released() {
    let (_, gateway) = start().await;
    let parked = request_completion(&gateway, "__fake__:gate:hold").await;
    until_engaged(&gateway, "hold").await;
    let expected = json!({ "tags": [{ "tag": "hold", "count": 1 }], "liveResponses": 1 });
    assert_eq!(get(&gateway, "/test/waiters").await, expected);

    let release = async || post(&gateway, "/test/release?tag=hold", &Value::Null).await.0;
    assert_eq!(release().await, 204);
    let (_, body) = whole(parked).await;
    assert!(body.as_str().unwrap().contains("\"done\""), "{body}");
    assert_eq!(release().await, 404);
    assert_eq!(
        post(
            &gateway,
            COMPLETIONS_PATH,
            &completion_request("__fake__:gate:hold")
        )
        .await
        .0,
        200
    );
    assert_eq!(
        get(&gateway, "/test/waiters").await,
        json!({ "tags": [], "liveResponses": 0 })
    );
}

#[tokio::test]
async fn a_disconnected_client_leaves_no_waiter() {
    let (record, gateway) = start().await;
    let parked = request_completion(&gateway, "__fake__:gate:hold").await;
    until_engaged(&gateway, "hold").await;
    drop(parked);
    record
        .until(|observation| *observation == Observation::PeerGone { exchange: 1 })
        .await;
    assert_eq!(
        get(&gateway, "/test/waiters").await,
        json!({ "tags": [], "liveResponses": 0 })
    );
}
