//! Tests of HTTP and WebSockets over a world.

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::{any, post};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use http_body_util::Full;
use turnstile_fault::Fault;
use turnstile_seams::websocket::Message;
use turnstile_seams::{http_client, http_server, websocket};

use super::*;

#[test]
fn an_axum_server_answers_requests_and_websockets() {
    let mut world = world(1);
    world.add_host("server", |machine| {
        Box::pin(async move {
            let router = Router::new()
                .route("/echo", post(async |body: String| body))
                .route(
                    "/socket",
                    any(async |upgrade: WebSocketUpgrade| {
                        upgrade.on_upgrade(async |mut socket| {
                            while let Some(Ok(message)) = socket.recv().await {
                                socket.send(message).await.unwrap();
                            }
                        })
                    }),
                );
            let listener = machine.seams.network.listen("server:8080").await.unwrap();
            http_server::serve(listener, router).await;
        })
    });
    let client = add_client(&mut world, "client");
    let log = Log::default();
    let seen = log.clone();
    world
        .spawn("client", async move {
            let network = &client.seams.network;
            let request = Request::post("http://server:8080/echo")
                .body(Full::new(Bytes::from("body")))
                .unwrap();
            let response = http_client::send(network, request).await.unwrap();
            seen.add(String::from_utf8(http_client::read_body(response).await.unwrap().to_vec()).unwrap());
            let url = "ws://server:8080/socket".parse().unwrap();
            let mut socket = websocket::open(&**network, &url, None).await.unwrap();
            socket.send(Message::text("x".repeat(200_000))).await.unwrap();
            let answer = socket.next().await.unwrap().unwrap();
            seen.add(format!("{}", answer.len()));
            seen.add(format!("{}", socket.next().await.is_none_or(|end| end.is_err())));
        })
        .unwrap();
    assert_eq!(world.run_until(None, || log.has("200000")), Stopped::Done);
    world.apply(&Fault::crash("server")).unwrap();
    assert_eq!(world.run_until(None, || log.has("true")), Stopped::Done);
    assert_eq!(log.all(), ["body", "200000", "true"]);
}
