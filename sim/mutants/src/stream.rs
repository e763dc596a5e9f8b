//! Mutants of the rules of the stream and of session views (protocol §9).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::Uri;
use serde_json::{Value, json};
use turnstile_reference::host::Subscription;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::model::metadata::Metadata;
use turnstile_reference::server::Hooks;
use turnstile_reference::session::events::name;
use turnstile_reference::session::{Session, Stored};

use crate::lock;
use crate::replies::rewritten;

/// Omits messages that failed in the queue from the snapshot; violates R9.57.
pub struct HidesFailed;

impl Interceptor for HidesFailed {
    fn subscribed(&self, _: &Session, subscription: &mut Subscription) {
        let snapshot = &mut subscription.snapshot;
        let failed = snapshot.iter().filter(|(name, _)| *name != name::QUEUED);
        let failed: BTreeSet<String> = failed.map(|(_, data)| data["messageId"].to_string()).collect();
        snapshot.retain(|(_, data)| !failed.contains(&data["messageId"].to_string()));
    }
}

/// Skips the first event of a replay with `fromId` above 0; violates R9.3.
pub fn skip_first_replayed(hooks: &mut Hooks) {
    hooks.router = Box::new(|router| {
        router.layer(from_fn(async |mut request: Request, next: Next| {
            if let Some(uri) = one_further(request.uri()) {
                *request.uri_mut() = uri;
            }
            next.run(request).await
        }))
    });
}

/// Returns the URL with `fromId` increased by one, or `None` without a `fromId` above 0.
fn one_further(uri: &Uri) -> Option<Uri> {
    let mut is_changed = false;
    let pairs = uri.query()?.split('&').map(|pair| {
        let from_id = pair
            .strip_prefix("fromId=")
            .and_then(|from_id| from_id.parse().ok());
        match from_id {
            Some(from_id @ 1_u64..) => {
                is_changed = true;
                format!("fromId={}", from_id + 1)
            }
            _ => pair.to_owned(),
        }
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    let uri = format!("{}?{query}", uri.path()).parse().ok();
    uri.filter(|_| is_changed)
}

/// Shows the callback target in `getSession`; violates R9.68.
pub fn show_callback_target(hooks: &mut Hooks) {
    let known = Arc::<KnowsTargets>::default();
    hooks.interceptor = Some(known.clone());
    hooks.router = Box::new(|router| {
        router.layer(from_fn(move |request: Request, next: Next| {
            let known = known.clone();
            async move {
                let is_get_session = request.uri().path().ends_with("/getSession");
                let response = next.run(request).await;
                match is_get_session && response.status().is_success() {
                    true => known.shown_in(response).await,
                    false => response,
                }
            }
        }))
    });
}

/// Callback targets by session.
#[derive(Default)]
struct KnowsTargets(Mutex<BTreeMap<String, Value>>);

impl KnowsTargets {
    fn remember(&self, metadata: &Metadata) {
        let mut targets = lock(&self.0);
        targets.insert(metadata.identity.session_id.to_string(), json!(metadata.callback));
    }

    async fn shown_in(&self, response: Response) -> Response {
        rewritten(response, |reply| {
            let targets = lock(&self.0);
            let session = reply["result"]["data"]["sessionId"].as_str();
            if let Some(target) = session.and_then(|session| targets.get(session)) {
                reply["result"]["data"]["callbackTarget"] = target.clone();
            }
        })
        .await
    }
}

impl Interceptor for KnowsTargets {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        self.remember(decided.session.metadata());
        Memory::Stays
    }

    fn read(&self, stored: &mut Stored) {
        self.remember(&stored.metadata);
    }
}
