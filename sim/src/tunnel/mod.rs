//! Passes the messages of a WebSocket between its two ends, over a [`link`].

pub(crate) mod link;

use std::pin::{Pin, pin};

use axum::body::Body;
use axum::extract::ws::{self, WebSocket};
use axum::response::{IntoResponse as _, Response};
use fake_gateway::cut;
use futures_util::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use turnstile_events::observation::ClosedBy;
use turnstile_seams::websocket::{self, CloseFrame, Message, OpenError};

use self::link::Link;

/// The direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the end that opened the WebSocket to the server.
    ToServer,
    /// From the server.
    FromServer,
}

/// How a WebSocket ended, from the view of the end that opened it.
pub(crate) struct End {
    pub(crate) code: Option<u16>,
    pub(crate) by: ClosedBy,
}

impl End {
    /// Without a close frame.
    pub(crate) const LOST: Self = Self {
        code: None,
        by: ClosedBy::Lost,
    };
}

/// Passes messages between the end that opened the WebSocket (`near`) and the server (`far`) until one closes it or the
/// link ends its connections. `passed` gets the texts: those of the server before `near` receives them, and those of `near`
/// when they are sent.
pub(crate) async fn pass(
    near: &mut WebSocket,
    mut far: websocket::WebSocket,
    link: &Link,
    mut passed: impl FnMut(Way, &str),
) -> End {
    let mut ended = pin!(link.ended());
    loop {
        // A message that arrives during a cut waits, and none is read after it.
        if !passes(link, ended.as_mut()).await {
            return End::LOST;
        }
        tokio::select! {
            biased;
            () = ended.as_mut() => return End::LOST,
            message = far.next() => {
                let Some(Ok(message)) = message else { return End::LOST };
                if !passes(link, ended.as_mut()).await {
                    return End::LOST;
                }
                if let Some(end) = to_near(near, message, &mut passed).await {
                    return end;
                }
            }
            message = near.recv() => {
                let Some(Ok(message)) = message else { return End::LOST };
                if !passes(link, ended.as_mut()).await {
                    return End::LOST;
                }
                if let Some(end) = to_far(&mut far, message, &mut passed).await {
                    return end;
                }
            }
        }
    }
}

/// The answer to an end whose WebSocket the server refused.
pub(crate) fn refusal(error: OpenError) -> Response {
    match error {
        OpenError::Refused { status, body } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            (status, Body::from(body)).into_response()
        }
        OpenError::Connect(_) | OpenError::Handshake(_) => cut::instead_of_answer(),
    }
}

/// Waits until the link is not cut; false if its connections end before.
async fn passes(link: &Link, mut ended: Pin<&mut impl Future<Output = ()>>) -> bool {
    tokio::select! {
        biased;
        () = ended.as_mut() => false,
        () = link.pass() => true,
    }
}

/// Passes a message of the server on. Pings and pongs stay on their own connection.
async fn to_near(near: &mut WebSocket, message: Message, passed: &mut impl FnMut(Way, &str)) -> Option<End> {
    let sent = match message {
        Message::Text(text) => {
            passed(Way::FromServer, &text);
            near.send(ws::Message::text(text.as_str())).await
        }
        Message::Binary(data) => near.send(ws::Message::Binary(data)).await,
        Message::Close(frame) => {
            let code = frame.as_ref().map(|frame| u16::from(frame.code));
            let frame = frame.map(|frame| ws::CloseFrame {
                code: frame.code.into(),
                reason: frame.reason.as_str().into(),
            });
            // The other end may have gone.
            let _ = near.send(ws::Message::Close(frame)).await;
            return Some(End {
                code,
                by: ClosedBy::Peer,
            });
        }
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return None,
    };
    sent.is_err().then_some(End::LOST)
}

/// Passes a message to the server.
async fn to_far(
    far: &mut websocket::WebSocket,
    message: ws::Message,
    passed: &mut impl FnMut(Way, &str),
) -> Option<End> {
    let sent = match message {
        ws::Message::Text(text) => {
            let sent = far.send(Message::text(text.as_str())).await;
            if sent.is_ok() {
                passed(Way::ToServer, &text);
            }
            sent
        }
        ws::Message::Binary(data) => far.send(Message::Binary(data)).await,
        ws::Message::Close(frame) => {
            let code = frame.as_ref().map(|frame| frame.code);
            let frame = frame.map(|frame| CloseFrame {
                code: frame.code.into(),
                reason: frame.reason.as_str().into(),
            });
            // The server may have gone.
            let _ = far.send(Message::Close(frame)).await;
            return Some(End {
                code,
                by: ClosedBy::Itself,
            });
        }
        ws::Message::Ping(_) | ws::Message::Pong(_) => return None,
    };
    sent.is_err().then_some(End::LOST)
}
