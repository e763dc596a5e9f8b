//! A record of the fakes' observations, and a plain HTTP client.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::watch;
use turnstile_events::observation::{Observation, Observer, Probe, body_as_value};
use turnstile_seams::http_client::{self, HttpError};
use turnstile_seams::{Listener, real};

/// All observations, in order.
#[derive(Clone, Default)]
pub struct Record(Arc<watch::Sender<Vec<Observation>>>);

impl Observer for Record {
    fn observe(&self, _: &str, observation: Observation) {
        self.0.send_modify(|observations| observations.push(observation));
    }
}

impl Record {
    pub fn probe(&self) -> Probe {
        Probe::new("party", Arc::new(self.clone()))
    }

    /// Waits for an observation that matches.
    pub async fn until(&self, is_it: impl Fn(&Observation) -> bool) {
        let seen = |observations: &Vec<Observation>| observations.iter().any(&is_it);
        self.0.subscribe().wait_for(seen).await.unwrap();
    }

    pub fn observations(&self) -> Vec<Observation> {
        self.0.borrow().clone()
    }
}

pub async fn listen() -> (Box<dyn Listener>, String) {
    let listener = real::seams().network.listen("127.0.0.1:0").await.unwrap();
    let authority = listener.authority();
    (listener, authority)
}

/// Sends a request and returns when the head of the answer has arrived.
pub async fn send(
    authority: &str,
    method: Method,
    path: &str,
    body: &Value,
) -> Result<Response<Incoming>, HttpError> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{authority}{path}"))
        .header("content-type", "application/json")
        .header("X-Key", "secret")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    http_client::send(&real::seams().network, request).await
}

pub async fn post(authority: &str, path: &str, body: &Value) -> (u16, Value) {
    whole(send(authority, Method::POST, path, body).await.unwrap()).await
}

pub async fn get(authority: &str, path: &str) -> Value {
    whole(send(authority, Method::GET, path, &Value::Null).await.unwrap())
        .await
        .1
}

/// Status and body of an answer.
pub async fn whole(response: Response<Incoming>) -> (u16, Value) {
    let status = response.status().as_u16();
    (
        status,
        body_as_value(&http_client::read_body(response).await.unwrap()),
    )
}
