//! A record of what the fakes saw, and a plain HTTP client to talk to them.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::watch;
use turnstile_events::observation::{Observer, Sight, Witness, body_as_value};
use turnstile_seams::http_client::{self, HttpError};
use turnstile_seams::{Listener, real};

/// Everything that was seen, in order.
#[derive(Clone, Default)]
pub struct Record(Arc<watch::Sender<Vec<Sight>>>);

impl Observer for Record {
    fn observe(&self, _: &str, sight: Sight) {
        self.0.send_modify(|sights| sights.push(sight));
    }
}

impl Record {
    pub fn witness(&self) -> Witness {
        Witness::new("party", Arc::new(self.clone()))
    }

    /// Waits until something like this was seen.
    pub async fn until(&self, is_it: impl Fn(&Sight) -> bool) {
        let seen = |sights: &Vec<Sight>| sights.iter().any(&is_it);
        self.0.subscribe().wait_for(seen).await.unwrap();
    }

    pub fn sights(&self) -> Vec<Sight> {
        self.0.borrow().clone()
    }
}

pub async fn listen() -> (Box<dyn Listener>, String) {
    let listener = real::seams().network.listen("127.0.0.1:0").await.unwrap();
    let authority = listener.authority();
    (listener, authority)
}

/// Sends a request and returns as soon as the head of its answer is there.
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
