//! The clients' stream: replay, then `connected` and the snapshot, then live (protocol §9).
//!
//! The order of things makes the promise: the place in the stream is taken first, so what comes after it
//! waits in the channel while what came before it is read from the store.

use std::sync::Arc;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::bad_parameter::BadParameter;
use super::stream_filter::{self, Filter};
use super::{going_away, trpc};
use turnstile_seams::stop::Stop;
use turnstile_seams::websocket::READ_BUFFER;

use crate::app::App;
use crate::coverage::Row;
use crate::host::Subscription;
use crate::identity::{Malformed, SessionId};
use crate::legacy::model::Origin;
use crate::procedures::iso;
use crate::refusal::Refusal;
use crate::session::events::Event;

/// The client has its place in the stream.
const CONNECTED: &str = "connected";
/// Commands that the client may offer.
const COMMANDS_AVAILABLE: &str = "commands.available";

/// What a client says when it opens the stream.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Params {
    cloud_agent_session_id: Option<String>,
    ticket: Option<String>,
    from_id: Option<String>,
    replay: Option<String>,
    #[serde(flatten)]
    filter: stream_filter::Params,
}

/// The client went away; there is nobody to tell.
struct Gone;

/// Opens the stream of a session.
pub async fn open(
    State(app): State<Arc<App>>,
    Query(params): Query<Params>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match admit(app, params, upgrade).await {
        Ok(response) => response,
        Err((status, text)) => {
            if let Some(row) = row_of(status) {
                row.reach();
            }
            (status, text).into_response()
        }
    }
}

fn row_of(status: StatusCode) -> Option<Row> {
    match status {
        StatusCode::UPGRADE_REQUIRED => Some(Row::StreamNoUpgrade),
        StatusCode::BAD_REQUEST => Some(Row::StreamBadParameter),
        StatusCode::UNAUTHORIZED => Some(Row::StreamBadTicket),
        StatusCode::FORBIDDEN => Some(Row::StreamOtherSession),
        StatusCode::NOT_FOUND => Some(Row::StreamNoSession),
        _ => None,
    }
}

async fn admit(
    app: Arc<App>,
    params: Params,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, (StatusCode, String)> {
    let bad = |error: BadParameter| (StatusCode::BAD_REQUEST, error.to_string());
    let session = params
        .cloud_agent_session_id
        .ok_or_else(|| bad(BadParameter::Missing("cloudAgentSessionId")))?;
    let session: SessionId = session.parse().map_err(|error: Malformed| bad(error.into()))?;
    let from_id: Option<u64> = params
        .from_id
        .map(|from_id| from_id.parse())
        .transpose()
        .map_err(|_| bad(BadParameter::EventId("fromId")))?;
    let filter = params.filter.filter().map_err(bad)?;
    let ticket = app
        .tokens()
        .stream_ticket(params.ticket.as_deref(), app.now())
        .map_err(|error| (StatusCode::UNAUTHORIZED, error.to_string()))?;
    if ticket.session != session {
        return Err((
            StatusCode::FORBIDDEN,
            "The ticket is for another session".to_owned(),
        ));
    }
    let upgrade = upgrade.map_err(|_| (StatusCode::UPGRADE_REQUIRED, "This is a WebSocket".to_owned()))?;
    let handle = app
        .session(&ticket)
        .map_err(|refusal| (trpc::status_of(refusal.code), refusal.text))?;
    let replay = params.replay.as_deref() != Some("false");
    let subscription = handle
        .subscribe()
        .await
        .map_err(Refusal::from)
        .map_err(|refusal| (trpc::status_of(refusal.code), refusal.text))?;
    match (replay, from_id) {
        (false, _) => Row::StreamNoReplay.reach(),
        (true, Some(_)) => Row::StreamFromId.reach(),
        (true, None) => Row::StreamOpened.reach(),
    }
    let stop = app.stop();
    Ok(upgrade
        .read_buffer_size(READ_BUFFER)
        .on_upgrade(move |socket| async move {
            let after = if replay {
                from_id.unwrap_or(0)
            } else {
                subscription.up_to
            };
            let client = Client {
                app,
                session,
                filter,
                socket,
                stop,
            };
            // Whichever way the client went, it comes back with the id of what it saw last.
            let _ = client.follow(after, subscription).await;
        }))
}

struct Client {
    app: Arc<App>,
    session: SessionId,
    filter: Filter,
    socket: WebSocket,
    stop: Stop,
}

impl Client {
    async fn follow(mut self, mut after: u64, subscription: Subscription) -> Result<(), Gone> {
        let Subscription {
            up_to,
            replay,
            snapshot,
            cloud_status,
            mut live,
        } = subscription;
        let mut rounds = 0;
        while after < up_to {
            rounds += 1;
            if rounds == 2 {
                Row::StreamRounds.reach();
            }
            let round = replay.events(after, up_to, self.app.profile().replay_round_bytes);
            let round = round.map_err(|error| {
                tracing::error!(session = %self.session, error = &error as &dyn std::error::Error, "replay failed");
                Gone
            })?;
            let Some(last) = round.last() else { break };
            after = last.id;
            for event in round {
                self.pass_on(&event).await?;
            }
        }
        // A database cannot use the space again that is read by somebody, and clients stay for long.
        drop(replay);
        let now = self.app.now();
        self.tell(now, CONNECTED, connected(cloud_status)).await?;
        self.tell(now, COMMANDS_AVAILABLE, json!({"commands": []}))
            .await?;
        for (name, data) in snapshot {
            self.tell(now, name, data).await?;
        }
        loop {
            tokio::select! {
                biased;
                () = self.stop.asked() => {
                    let _ = self.socket.send(going_away()).await;
                    return Err(Gone);
                }
                // Clients have nothing to say, but they say when they leave.
                received = self.socket.recv() => match received {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
                    Some(Ok(_)) => {}
                },
                event = live.recv() => match event {
                    Some(event) => self.pass_on(&event).await?,
                    None => return Err(Gone),
                },
            }
        }
    }

    /// Sends an event that is made for this client alone.
    async fn tell(&mut self, now: Timestamp, name: &str, data: Value) -> Result<(), Gone> {
        self.send(&Event {
            id: 0,
            stream_event_type: name.to_owned(),
            timestamp: now,
            origin: Origin::default(),
            data,
        })
        .await
    }

    /// Sends an event of the session's, if the client wants it.
    async fn pass_on(&mut self, event: &Event) -> Result<(), Gone> {
        if self.filter.wants(event) {
            self.send(event).await?;
        } else {
            Row::StreamFiltered.reach();
        }
        Ok(())
    }

    async fn send(&mut self, event: &Event) -> Result<(), Gone> {
        let mut envelope = json!({
            "eventId": event.id,
            "sessionId": self.session,
            "streamEventType": event.stream_event_type,
            "timestamp": iso(event.timestamp),
            "data": event.data,
        });
        event.origin.tell_in(&mut envelope);
        self.socket
            .send(Message::text(envelope.to_string()))
            .await
            .map_err(|_| Gone)
    }
}

/// Data of `connected`.
fn connected(cloud_status: Option<&str>) -> Value {
    match cloud_status {
        Some(status) => json!({"cloudStatus": {"type": status}}),
        None => json!({}),
    }
}
