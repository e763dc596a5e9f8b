//! The wrappers' ingest: who may open a socket, and the frames both ways (protocol §5).

use std::sync::Arc;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::host::{SessionHandle, ToIngest};
use crate::identity::{Fence, SessionId, UserId};
use crate::server::Server;
use crate::session::wrapper::IngestClaim;
use crate::session::{Input, SocketId, ToWrapper};
use crate::store::SessionKey;

/// Code of the error frame that answers something that is not a frame of this protocol.
const PROTOCOL_ERROR: &str = "WS_PROTOCOL_ERROR";

/// What a wrapper says when it opens a socket.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Params {
    wrapper_run_id: Option<String>,
    kilo_session_id: Option<String>,
    session_id: Option<String>,
    wrapper_generation: Option<String>,
    wrapper_connection_id: Option<String>,
}

/// Opens an ingest socket.
pub async fn open(
    State(server): State<Arc<Server>>,
    Path((user, session)): Path<(String, String)>,
    Query(params): Query<Params>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match admit(&server, &user, &session, &params, &headers, upgrade).await {
        Ok(response) => response,
        Err((status, text)) => (status, text).into_response(),
    }
}

async fn admit(
    server: &Server,
    user: &str,
    session: &str,
    params: &Params,
    headers: &HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, (StatusCode, String)> {
    let bad = |text: String| (StatusCode::BAD_REQUEST, text);
    let upgrade = upgrade.map_err(|_| (StatusCode::UPGRADE_REQUIRED, "This is a WebSocket".to_owned()))?;
    let user: UserId = user.parse().map_err(|error| bad(format!("{error}")))?;
    let session: SessionId = session.parse().map_err(|error| bad(format!("{error}")))?;
    let claim = params.claim().map_err(bad)?;
    let claimed_session: SessionId = required("sessionId", params.session_id.as_deref())
        .and_then(parsed)
        .map_err(bad)?;

    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    let bearer = server
        .tokens()
        .user(authorization, server.now())
        .map_err(|error| (StatusCode::UNAUTHORIZED, error.to_string()))?;
    if bearer != user {
        return Err((StatusCode::FORBIDDEN, "The token is another user's".to_owned()));
    }
    if claimed_session != session {
        return Err((
            StatusCode::UNAUTHORIZED,
            "sessionId is not the session of the path".to_owned(),
        ));
    }
    let handle = server
        .session(&SessionKey { user, session })
        .map_err(|refusal| (StatusCode::NOT_FOUND, refusal.text))?;

    let (outlet, commands) = mpsc::unbounded_channel();
    let socket = handle
        .open_ingest(claim, outlet)
        .await
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
        .map_err(|refusal| (StatusCode::CONFLICT, refusal.to_string()))?;
    let open = OpenIngest { handle, socket };
    Ok(upgrade.on_upgrade(move |websocket| open.converse(websocket, commands)))
}

impl Params {
    fn claim(&self) -> Result<IngestClaim, String> {
        required("kiloSessionId", self.kilo_session_id.as_deref())?;
        Ok(IngestClaim {
            run: required("wrapperRunId", self.wrapper_run_id.as_deref()).and_then(parsed)?,
            fence: Fence {
                generation: required("wrapperGeneration", self.wrapper_generation.as_deref())?
                    .parse()
                    .map_err(|_| "wrapperGeneration is not a number from 0".to_owned())?,
                connection: required("wrapperConnectionId", self.wrapper_connection_id.as_deref())?
                    .parse()
                    .map_err(|_| "wrapperConnectionId is not a UUID".to_owned())?,
            },
        })
    }
}

fn required<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, String> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("{name} is missing"))
}

fn parsed<T: std::str::FromStr<Err = crate::identity::Malformed>>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|error: crate::identity::Malformed| error.to_string())
}

/// An ingest socket that the session knows of. Whichever way it ends, the session is told.
struct OpenIngest {
    handle: SessionHandle,
    socket: SocketId,
}

impl Drop for OpenIngest {
    fn drop(&mut self) {
        self.handle.tell(Input::IngestClosed { socket: self.socket });
    }
}

impl OpenIngest {
    async fn converse(self, mut websocket: WebSocket, mut commands: mpsc::UnboundedReceiver<ToIngest>) {
        loop {
            tokio::select! {
                biased;
                command = commands.recv() => {
                    let sent = match command {
                        Some(ToIngest::Command(command)) => websocket.send(command_frame(command)).await,
                        Some(ToIngest::Close(code)) => {
                            let _ = websocket.send(close_frame(code)).await;
                            return;
                        }
                        None => return,
                    };
                    if sent.is_err() {
                        return;
                    }
                }
                received = websocket.recv() => match received {
                    Some(Ok(Message::Text(text))) => {
                        if let Some(error) = self.take(&text)
                            && websocket.send(error).await.is_err()
                        {
                            return;
                        }
                    }
                    Some(Ok(Message::Binary(_))) => {
                        let error = error_frame("Frames are text");
                        if websocket.send(error).await.is_err() {
                            return;
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                },
            }
        }
    }

    /// Hands a frame to the session, or says what is wrong with it.
    fn take(&self, text: &str) -> Option<Message> {
        let Ok(mut frame) = serde_json::from_str::<Value>(text) else {
            return Some(error_frame("The frame is not JSON"));
        };
        let Some(stream_event_type) = frame["streamEventType"].as_str().map(str::to_owned) else {
            return Some(error_frame("The frame has no streamEventType"));
        };
        let data = frame.get_mut("data").map(Value::take).unwrap_or_default();
        self.handle.tell(Input::IngestEvent {
            socket: self.socket,
            stream_event_type,
            data,
        });
        None
    }
}

fn command_frame(command: ToWrapper) -> Message {
    let name = match command {
        ToWrapper::Ping => "ping",
        ToWrapper::Kill => "kill",
    };
    Message::text(json!({"type": name}).to_string())
}

fn close_frame(code: u16) -> Message {
    Message::Close(Some(CloseFrame {
        code,
        reason: "".into(),
    }))
}

fn error_frame(text: &str) -> Message {
    Message::text(json!({"type": "error", "code": PROTOCOL_ERROR, "message": text}).to_string())
}
