//! The wrappers' ingest: the checks before the upgrade, and the frames in both directions (protocol §5).

use std::sync::Arc;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::bad_parameter::BadParameter;
use super::{going_away, trpc};
use turnstile_seams::stop::Stop;
use turnstile_seams::websocket::READ_BUFFER;

use crate::app::App;
use crate::coverage::ServerMark;
use crate::host::{Claim, IngestSocket, ToIngest};
use crate::identity::{Fence, Malformed, SessionId, UserId, hyphenated_uuid};
use crate::json::{NotJson, parse};
use crate::legacy::api as legacy;
use crate::legacy::model::execution::Closing;
use crate::refusal::{Code, Refusal};
use crate::session::ToWrapper;
use crate::session::events::name;
use crate::session::frame::Frame;
use crate::session::wrapper::{IngestClaim, IngestRefusal};
use crate::store::SessionKey;

/// The code of the frame that answers a malformed frame (R5.54).
const PROTOCOL_ERROR: &str = "WS_PROTOCOL_ERROR";

/// The query parameters of an ingest.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Params {
    wrapper_run_id: Option<String>,
    kilo_session_id: Option<String>,
    session_id: Option<String>,
    wrapper_generation: Option<String>,
    wrapper_connection_id: Option<String>,
    #[serde(flatten)]
    legacy: legacy::Params,
}

/// Opens an ingest socket (R5.43–R5.50, R5.66–R5.69).
pub async fn open(
    State(app): State<Arc<App>>,
    Path((user, session)): Path<(String, String)>,
    Query(params): Query<Params>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match admit(&app, &user, &session, &params, &headers, upgrade).await {
        Ok(response) => response,
        Err((status, text)) => {
            if let Some(mark) = mark_of(status) {
                mark.hit();
            }
            (status, text).into_response()
        }
    }
}

async fn admit(
    app: &App,
    user: &str,
    session: &str,
    params: &Params,
    headers: &HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, (StatusCode, String)> {
    let bad = |error: BadParameter| (StatusCode::BAD_REQUEST, error.to_string());
    let upgrade = upgrade.map_err(|_| (StatusCode::UPGRADE_REQUIRED, "This is a WebSocket".to_owned()))?;
    let user: UserId = user.parse().map_err(|error: Malformed| bad(error.into()))?;
    let session: SessionId = session.parse().map_err(|error: Malformed| bad(error.into()))?;
    let claim = params.claim().map_err(bad)?;
    let claimed_session = params.session(&claim, &session).map_err(bad)?;

    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    let bearer = app.tokens().worker(authorization, app.now()).map_err(|error| {
        ServerMark::IngestBadToken.hit();
        (StatusCode::UNAUTHORIZED, error.to_string())
    })?;
    if bearer.user != user {
        return Err((StatusCode::FORBIDDEN, "The token is another user's".to_owned()));
    }
    let key = SessionKey { user, session };
    let is_of_session = bearer.session.is_none_or(|session| session == key.session);
    if claimed_session != key.session || !is_of_session {
        ServerMark::IngestOtherSession.hit();
        let text = "The path, sessionId and the token do not name the same session";
        return Err((StatusCode::UNAUTHORIZED, text.to_owned()));
    }
    let handle = app.session(&key).map_err(session_error)?;
    let socket = handle
        .open_ingest(claim)
        .await
        .map_err(Refusal::from)
        .map_err(session_error)?
        .map_err(|refusal| (status_of(refusal), refusal.to_string()))?;
    let stop = app.stop();
    Ok(upgrade
        .read_buffer_size(READ_BUFFER)
        .on_upgrade(move |websocket| converse(socket, websocket, stop)))
}

/// Converts the refusal for a session that does not exist or cannot be read.
fn session_error(refusal: Refusal) -> (StatusCode, String) {
    if refusal.code == Code::NotFound {
        ServerMark::IngestNoSession.hit();
    }
    (trpc::status_of(refusal.code), refusal.text)
}

/// The coverage mark of a status that is decided without the session.
fn mark_of(status: StatusCode) -> Option<ServerMark> {
    match status {
        StatusCode::UPGRADE_REQUIRED => Some(ServerMark::IngestNoUpgrade),
        StatusCode::BAD_REQUEST => Some(ServerMark::IngestBadParameter),
        StatusCode::FORBIDDEN => Some(ServerMark::IngestOtherUser),
        _ => None,
    }
}

fn status_of(refusal: IngestRefusal) -> StatusCode {
    match refusal {
        IngestRefusal::StaleRun | IngestRefusal::StaleConnection | IngestRefusal::ExecutionOver => {
            StatusCode::CONFLICT
        }
        IngestRefusal::UnknownExecution => StatusCode::NOT_FOUND,
        IngestRefusal::AnotherExecution => StatusCode::UNAUTHORIZED,
    }
}

impl Params {
    /// Reads the run and its fence, or the execution. A request that names a run is never for an execution.
    fn claim(&self) -> Result<Claim, BadParameter> {
        if self.wrapper_run_id.is_none()
            && let Some(execution) = self.legacy.execution()?
        {
            return Ok(Claim::Imported(execution));
        }
        required("kiloSessionId", self.kilo_session_id.as_deref())?;
        Ok(Claim::Run(IngestClaim {
            run: required("wrapperRunId", self.wrapper_run_id.as_deref())?.parse()?,
            fence: Fence {
                generation: required("wrapperGeneration", self.wrapper_generation.as_deref())?
                    .parse()
                    .map_err(|_| BadParameter::Number("wrapperGeneration"))?,
                connection: required("wrapperConnectionId", self.wrapper_connection_id.as_deref())
                    .map(hyphenated_uuid)?
                    .ok_or(BadParameter::Uuid("wrapperConnectionId"))?,
            },
        }))
    }

    /// The session that the wrapper names in `sessionId`. Legacy wrappers omit it, so the path counts.
    fn session(&self, claim: &Claim, in_path: &SessionId) -> Result<SessionId, BadParameter> {
        match (&self.session_id, claim) {
            (None, Claim::Imported(_)) => Ok(in_path.clone()),
            (session_id, _) => Ok(required("sessionId", session_id.as_deref())?.parse()?),
        }
    }
}

fn required<'a>(name: &'static str, value: Option<&'a str>) -> Result<&'a str, BadParameter> {
    value
        .filter(|value| !value.is_empty())
        .ok_or(BadParameter::Missing(name))
}

/// A malformed frame. Its text is in the answer (R5.54).
#[derive(Debug, thiserror::Error)]
enum BadFrame {
    #[error("Frames are text")]
    Binary,
    #[error("The frame is not JSON: {0}")]
    Json(#[from] NotJson),
    #[error("The frame has no streamEventType")]
    Type,
    #[error("The name of the event is reserved for the server")]
    Reserved,
}

impl BadFrame {
    fn mark(&self) -> ServerMark {
        match self {
            Self::Binary => ServerMark::BadFrameBinary,
            Self::Json(_) => ServerMark::BadFrameJson,
            Self::Type => ServerMark::BadFrameType,
            Self::Reserved => ServerMark::BadFrameReserved,
        }
    }
}

async fn converse(mut socket: IngestSocket, mut websocket: WebSocket, mut stop: Stop) {
    loop {
        let answer = tokio::select! {
            biased;
            () = stop.requested() => {
                let _ = websocket.send(going_away()).await;
                socket.leave_open();
                return;
            }
            command = socket.commands.recv() => match command {
                Some(ToIngest::Command(command)) => command_frame(command),
                Some(ToIngest::Close(code)) => {
                    // The socket is closed next, so a failure has no consequence.
                    let _ = websocket.send(close_frame(code)).await;
                    return;
                }
                None => return,
            },
            received = websocket.recv() => match received {
                Some(Ok(Message::Text(text))) => match read_frame(&text) {
                    Ok(frame) => {
                        socket.take(frame);
                        continue;
                    }
                    Err(wrong) => error_frame(&wrong),
                },
                Some(Ok(Message::Binary(_))) => error_frame(&BadFrame::Binary),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(frame))) => {
                    socket.closing = frame.map(Closing::from).unwrap_or_default();
                    return;
                }
                Some(Err(_)) | None => return,
            },
        };
        if websocket.send(answer).await.is_err() {
            return;
        }
    }
}

/// Parses a frame. A frame with a name of the server's own events has no effect (R5.83).
fn read_frame(text: &str) -> Result<Frame, BadFrame> {
    let mut frame = parse(text.as_bytes())?;
    let stream_event_type = frame["streamEventType"].as_str().map(str::to_owned);
    let stream_event_type = stream_event_type.ok_or(BadFrame::Type)?;
    if name::is_reserved(&stream_event_type) {
        return Err(BadFrame::Reserved);
    }
    let data = frame.get_mut("data").map(Value::take);
    // A missing value is the same as one without fields (R5.53).
    let data = data.unwrap_or_else(|| match stream_event_type.as_str() {
        name::INTERRUPTED => json!({}),
        _ => Value::Null,
    });
    Ok(Frame::read(stream_event_type, data))
}

impl From<CloseFrame> for Closing {
    fn from(CloseFrame { code, reason }: CloseFrame) -> Self {
        Self {
            code: Some(code),
            reason: reason.to_string(),
        }
    }
}

fn command_frame(command: ToWrapper) -> Message {
    let name = match command {
        ToWrapper::Ping => "ping",
        ToWrapper::Kill => "kill",
        ToWrapper::RequestSnapshot => "request_snapshot",
    };
    Message::text(json!({"type": name}).to_string())
}

fn close_frame(code: u16) -> Message {
    Message::Close(Some(CloseFrame {
        code,
        reason: "".into(),
    }))
}

fn error_frame(wrong: &BadFrame) -> Message {
    wrong.mark().hit();
    let error = json!({"type": "error", "code": PROTOCOL_ERROR, "message": wrong.to_string()});
    Message::text(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        read_frame(text).unwrap_err().to_string()
    }

    #[test]
    fn a_reserved_name_is_refused() {
        for name in [
            "connected",
            "cloud.message.completed",
            "cloud.status",
            "cloud.anything",
        ] {
            let error = refusal(&json!({"streamEventType": name, "data": {}}).to_string());
            assert!(error.contains("reserved"), "{name}: {error}");
        }
        for name in [
            "preparing",
            "commands.available",
            "connected.again",
            "cloudy",
            "Connected",
        ] {
            let frame = read_frame(&json!({"streamEventType": name, "data": {}}).to_string());
            assert_eq!(frame.unwrap().stream_event_type(), name);
        }
    }

    #[test]
    fn the_refusal_of_a_frame_names_the_reason() {
        assert!(refusal(r#"{"streamEventType":"pong","data":1e400}"#).contains("range"));
        let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
        assert!(refusal(&format!(r#"{{"streamEventType":"pong","data":{deep}}}"#)).contains("nesting"));
        assert_eq!(refusal("{}"), "The frame has no streamEventType");
        assert!(refusal("{").starts_with("The frame is not JSON: "));
    }

    #[test]
    fn missing_data_is_null_and_that_of_an_interrupt_an_empty_object() {
        let data = |text: &str| Value::clone(read_frame(text).unwrap().data());
        assert_eq!(data(r#"{"streamEventType":"pong"}"#), Value::Null);
        assert_eq!(data(r#"{"streamEventType":"interrupted"}"#), json!({}));
        assert_eq!(
            data(r#"{"streamEventType":"interrupted","data":null}"#),
            Value::Null
        );
        assert_eq!(
            data(r#"{"streamEventType":"pong","data":"\ud800"}"#),
            json!("\u{fffd}")
        );
    }
}
