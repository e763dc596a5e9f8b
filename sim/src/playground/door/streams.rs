//! Streams of clients.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::response::Response;
use fake_gateway::cut;
use http::Uri;
use percent_encoding::percent_decode_str;
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::{Observation, body_as_value};
use turnstile_judge::parties::SERVER;

use super::{open, path_of, to_server};
use crate::playground::Playground;
use crate::tunnel::{self, Way, refusal};

/// Names of clients with an open stream, each with its session. A client that opens a stream again has the name that
/// became free.
#[derive(Default)]
pub(in crate::playground) struct Watchers(Mutex<BTreeSet<(String, String)>>);

impl Watchers {
    /// Takes the first free name of a session.
    fn enter(self: &Arc<Self>, session: &str) -> Watcher {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut number = 1_u64;
        let place = loop {
            let place = (session.to_owned(), format!("browser-{number}"));
            if taken.insert(place.clone()) {
                break place;
            }
            number += 1;
        };
        drop(taken);
        Watcher {
            watchers: Arc::clone(self),
            place,
        }
    }

    /// The names of a session's clients with an open stream.
    pub(in crate::playground) fn of(&self, session: &str) -> Vec<String> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_session = taken.iter().filter(|(of, _)| of == session);
        of_session.map(|(_, name)| name.clone()).collect()
    }
}

/// A client with an open stream; its name is free again when it is dropped.
struct Watcher {
    watchers: Arc<Watchers>,
    place: (String, String),
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut taken = self.watchers.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(&self.place);
    }
}

/// Passes the stream of a client to the server and logs what the client receives.
pub(super) async fn open_stream(
    State(playground): State<Arc<Playground>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    let session = parameter(request.uri(), "cloudAgentSessionId").map(|id| id.to_lowercase());
    let (Ok(upgrade), Some(session)) = (upgrade, session) else {
        return to_server(&playground, request).await;
    };
    let link = playground.sessions.links_of(&session).await.client;
    let path = path_of(request.uri());
    let server = match open(&playground, &link, &path, None).await {
        Some(Ok(server)) => server,
        Some(Err(error)) => return refusal(error),
        None => return cut::instead_of_answer(),
    };
    // A server that kept its state knows sessions that this process has not met.
    let link = match playground.sessions.meet(&session).await {
        Ok(known) => known.links.client.clone(),
        Err(_) => link,
    };
    upgrade.on_upgrade(async move |mut client| {
        let watcher = playground.watchers.enter(&session);
        let party = watcher.place.1.clone();
        let log = |observation| {
            playground.log.observed(Some(&session), &party, observation);
        };
        let socket = playground.next_exchange();
        log(Observation::SocketOpened {
            socket,
            to: SERVER.to_owned(),
            path: without_ticket(&path),
            credentials: Credentials::Own,
        });
        let received = |way, text: &str| {
            if way == Way::FromServer {
                let frame = body_as_value(text.as_bytes()).into();
                log(Observation::FrameReceived { socket, frame });
            }
        };
        let tunnel::End { code, by } = tunnel::pass(&mut client, server, &link, received).await;
        log(Observation::SocketClosed { socket, code, by });
    })
}

/// A parameter of the query.
fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    Some(percent_decode_str(value).decode_utf8_lossy())
}

/// A path without the ticket in its query.
fn without_ticket(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else {
        return path.to_owned();
    };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.starts_with("ticket="))
        .collect();
    format!("{path}?{}", kept.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_comes_back_has_its_name_again() {
        let watchers = Arc::new(Watchers::default());
        let first = watchers.enter("s");
        let second = watchers.enter("s");
        assert_eq!(watchers.enter("t").place.1, "browser-1");
        assert_eq!(watchers.of("s"), ["browser-1", "browser-2"]);
        drop(first);
        assert_eq!(watchers.of("s"), ["browser-2"]);
        assert_eq!(watchers.enter("s").place.1, "browser-1");
        drop(second);
    }

    #[test]
    fn tickets_are_left_out_of_the_log() {
        let path = "/stream?cloudAgentSessionId=agent_1&ticket=secret&fromId=3";
        assert_eq!(
            without_ticket(path),
            "/stream?cloudAgentSessionId=agent_1&fromId=3"
        );
        assert_eq!(parameter(&path.parse().unwrap(), "fromId").as_deref(), Some("3"));
    }

    #[test]
    fn an_encoded_session_is_the_same_session() {
        let uri = "/stream?cloudAgentSessionId=agent%5F1%2D2&ticket=secret"
            .parse()
            .unwrap();
        assert_eq!(
            parameter(&uri, "cloudAgentSessionId").as_deref(),
            Some("agent_1-2")
        );
    }
}
