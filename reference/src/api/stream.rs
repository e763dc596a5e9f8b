//! The clients' stream: replay, `connected`, the snapshot, then live events (protocol §9).
//!
//! A client subscribes first and replays second: events that are committed after the subscription wait in its channel
//! while earlier ones are read from the store. So no event is lost or sent twice (R9.23).

use std::sync::Arc;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bad_parameter::BadParameter;
use super::stream_filter::{self, Filter};
use super::{going_away, trpc};
use turnstile_seams::stop::Stop;
use turnstile_seams::websocket::READ_BUFFER;

use crate::app::App;
use crate::coverage::ServerMark;
use crate::host::{LiveEvent, Subscription};
use crate::identity::{Malformed, SessionId};
use crate::legacy::model::Origin;
use crate::procedures::iso;
use crate::refusal::Refusal;
use crate::session::events::{Event, name};

/// The query parameters of a stream.
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

/// The size of most events as text, in bytes: a buffer that grows copies what it has.
const EVENT_SIZE: usize = 1024;

/// The client has disconnected.
struct Disconnected;

/// Opens the stream of a session.
pub async fn open(
    State(app): State<Arc<App>>,
    Query(params): Query<Params>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match admit(app, params, upgrade).await {
        Ok(response) => response,
        Err((status, text)) => {
            if let Some(mark) = mark_of(status) {
                mark.hit();
            }
            (status, text).into_response()
        }
    }
}

fn mark_of(status: StatusCode) -> Option<ServerMark> {
    match status {
        StatusCode::UPGRADE_REQUIRED => Some(ServerMark::StreamNoUpgrade),
        StatusCode::BAD_REQUEST => Some(ServerMark::StreamBadParameter),
        StatusCode::UNAUTHORIZED => Some(ServerMark::StreamBadTicket),
        StatusCode::FORBIDDEN => Some(ServerMark::StreamOtherSession),
        StatusCode::NOT_FOUND => Some(ServerMark::StreamNoSession),
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
        (false, _) => ServerMark::StreamNoReplay.hit(),
        (true, Some(_)) => ServerMark::StreamFromId.hit(),
        (true, None) => ServerMark::StreamOpened.hit(),
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
            // However the client disconnected, it returns with the id of the last event that it received.
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
    async fn follow(mut self, mut after: u64, subscription: Subscription) -> Result<(), Disconnected> {
        let Subscription {
            up_to,
            replay,
            snapshot,
            cloud_status,
            commands,
            mut live,
        } = subscription;
        let mut rounds = 0;
        while after < up_to {
            rounds += 1;
            if rounds == 2 {
                ServerMark::StreamRounds.hit();
            }
            let round = replay.events(after, up_to, self.app.profile().replay_round_bytes);
            let round = round.map_err(|error| {
                tracing::error!(session = %self.session, error = &error as &dyn std::error::Error, "replay failed");
                Disconnected
            })?;
            let Some(last) = round.last() else { break };
            after = last.id;
            for event in round {
                self.send_filtered(&event).await?;
            }
        }
        // Release the snapshot: redb cannot reuse pages that an open read transaction sees, and clients stay for
        // long.
        drop(replay);
        // The session was deleted during the replay (R2.91), or the client fell behind (R9.25).
        if live.is_closed() {
            return Err(Disconnected);
        }
        let now = self.app.now();
        self.send(&synthetic(now, name::CONNECTED, connected(cloud_status)))
            .await?;
        let commands = (name::COMMANDS_AVAILABLE, json!({"commands": commands}));
        for (name, data) in std::iter::once(commands).chain(snapshot) {
            let event = synthetic(now, name, data);
            if self.app.profile().filters_hide_snapshot {
                self.send_filtered(&event).await?;
            } else {
                self.send(&event).await?;
            }
        }
        loop {
            tokio::select! {
                biased;
                () = self.stop.requested() => {
                    let _ = self.socket.send(going_away()).await;
                    return Err(Disconnected);
                }
                // Frames from clients are ignored, except a close (R9.24).
                received = self.socket.recv() => match received {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Disconnected),
                    Some(Ok(_)) => {}
                },
                event = live.recv() => match event {
                    Some(live) => self.send_live(&live).await?,
                    None => return Err(Disconnected),
                },
            }
        }
    }

    /// Sends an event of the session, unless the filter excludes it.
    async fn send_filtered<D: Serialize + Sync>(&mut self, event: &Event<D>) -> Result<(), Disconnected> {
        if self.filter.wants(event) {
            self.send(event).await?;
        } else {
            ServerMark::StreamFiltered.hit();
        }
        Ok(())
    }

    /// As [`Self::send_filtered`], with the text that all clients of the session share.
    async fn send_live(&mut self, live: &LiveEvent) -> Result<(), Disconnected> {
        if self.filter.wants(&live.event) {
            let text = live.text(|event| self.text_of(event));
            self.send_text(text).await?;
        } else {
            ServerMark::StreamFiltered.hit();
        }
        Ok(())
    }

    async fn send<D: Serialize + Sync>(&mut self, event: &Event<D>) -> Result<(), Disconnected> {
        self.send_text(self.text_of(event)).await
    }

    async fn send_text(&mut self, text: Utf8Bytes) -> Result<(), Disconnected> {
        let sent = self.socket.send(Message::Text(text)).await;
        sent.map_err(|_| Disconnected)
    }

    fn text_of<D: Serialize>(&self, event: &Event<D>) -> Utf8Bytes {
        let envelope = Envelope {
            data: &event.data,
            event_id: event.id,
            origin: &event.origin,
            session_id: &self.session,
            stream_event_type: &event.stream_event_type,
            timestamp: iso(event.timestamp),
        };
        let mut text = Vec::with_capacity(EVENT_SIZE);
        serde_json::to_writer(&mut text, &envelope).expect("events are serializable");
        text.try_into().expect("JSON is UTF-8")
    }
}

/// An event as clients receive it (R9.16). Written without a copy of the data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, D> {
    data: &'a D,
    event_id: u64,
    #[serde(flatten)]
    origin: &'a Origin,
    session_id: &'a SessionId,
    stream_event_type: &'a str,
    timestamp: String,
}

/// An event that exists for one client only. It has id 0.
fn synthetic(now: Timestamp, name: &str, data: Value) -> Event {
    Event {
        id: 0,
        stream_event_type: name.to_owned(),
        timestamp: now,
        origin: Origin::default(),
        data: data.into(),
    }
}

/// The data of `connected`.
fn connected(cloud_status: Option<&str>) -> Value {
    match cloud_status {
        Some(status) => json!({"cloudStatus": {"type": status}}),
        None => json!({}),
    }
}
