//! Historic bugs of the stream: what a client is shown when it connects (protocol §9).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use http::Uri;
use turnstile_reference::host::Subscription;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::server::Hooks;
use turnstile_reference::session::events::{self, name};
use turnstile_reference::session::{Session, Stored};

use crate::core_row::CoreRow;
use crate::{id_of, lock};

/// Shows failures in the queue without end, although a later message was accepted; violates R9.69.
pub struct SnapshotKeepsSuperseded;

impl Interceptor for SnapshotKeepsSuperseded {
    fn subscribed(&self, session: &Session, subscription: &mut Subscription) {
        for message in session.messages() {
            let failed_in_queue = message.is_terminal() && message.accepted_by.is_none();
            let id = serde_json::json!(message.id);
            if failed_in_queue
                && subscription
                    .snapshot
                    .iter()
                    .all(|(_, data)| data["messageId"] != id)
            {
                subscription
                    .snapshot
                    .push((name::QUEUED, events::queued(message)));
                subscription.snapshot.push(events::ended(message));
            }
        }
    }
}

/// Opens the stream of a client whose cursor is higher than every event, and sends nothing; violates R9.3.
pub fn ignore_future_cursors(hooks: &mut Hooks) {
    let known = Arc::<KnowsLastEvents>::default();
    hooks.interceptor = Some(known.clone());
    hooks.router = Box::new(|router| {
        router.layer(from_fn(move |request: Request, next: Next| {
            let known = known.clone();
            async move {
                match known.is_in_future(request.uri()) {
                    true => silent(request).await,
                    false => next.run(request).await,
                }
            }
        }))
    });
}

/// Upgrades to a WebSocket on which nothing is ever sent.
async fn silent(request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => {
            upgrade.on_upgrade(|mut socket| async move { while let Some(Ok(_)) = socket.recv().await {} })
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// The last event of each session.
#[derive(Default)]
struct KnowsLastEvents(Mutex<BTreeMap<String, u64>>);

impl KnowsLastEvents {
    fn is_in_future(&self, uri: &Uri) -> bool {
        let value = |name: &str| {
            let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find_map(|(key, value)| (key == name).then_some(value))
        };
        let last_events = lock(&self.0);
        let last = value("cloudAgentSessionId").and_then(|session| last_events.get(session));
        let from_id = value("fromId").and_then(|from_id| from_id.parse::<u64>().ok());
        uri.path() == "/stream" && last.zip(from_id).is_some_and(|(last, from_id)| from_id > *last)
    }

    fn note(&self, session: &str, last_event: u64) {
        let mut last_events = lock(&self.0);
        last_events.insert(session.to_owned(), last_event);
    }
}

impl Interceptor for KnowsLastEvents {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        self.note(&id_of(decided.session).to_string(), decided.session.last_event());
        Memory::Stays
    }

    fn read(&self, stored: &mut Stored) {
        let last_event = CoreRow::from(&stored.core).0["lastEvent"].as_u64();
        self.note(
            &stored.metadata.identity.session_id.to_string(),
            last_event.unwrap_or(0),
        );
    }
}
