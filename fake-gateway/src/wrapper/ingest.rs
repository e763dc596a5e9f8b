//! One ingest socket from opening to end: reads and writes frames and records them.
//!
//! It has no buffer and makes no decisions. Frames that are not reported as written stay in the lifecycle's
//! buffer, and the lifecycle decides whether to reconnect.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use http::Uri;
use serde::Deserialize as _;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::{ClosedBy, Observation, Probe, body_as_value};
use turnstile_seams::websocket::{self, CloseCode, CloseFrame, Message, OpenError, WebSocket};
use turnstile_seams::{ClockExt as _, Elapsed, Seams};

use super::events;
use super::interception::Interceptor;
use super::lifecycle::{Command, Input, LinkFailure, LinkId};

/// Time limit for opening a socket.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for the closing handshake; the connection is dropped afterwards.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Code for a close frame without a code (RFC 6455, 7.1.5).
const NO_CLOSE_CODE: u16 = 1005;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("`{0}` is not a URL")]
    Url(String),
    #[error(transparent)]
    TimedOut(#[from] Elapsed),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("given up while it opened")]
    GivenUp,
}

impl Failure {
    fn status(&self) -> Option<u16> {
        match self {
            Self::Open(OpenError::Refused { status, .. }) => Some(*status),
            _ => None,
        }
    }
}

/// How a socket ended.
enum End {
    /// This side closed it after writing all frames.
    Closed,
    /// The other side sent a close frame with this code.
    ClosedByPeer(u16),
    /// Reading or writing failed, or the connection ended without a close frame.
    Broken,
}

/// The task of one socket.
pub(super) struct IngestSocket<R> {
    pub(super) link: LinkId,
    pub(super) seams: Seams,
    pub(super) probe: Probe,
    /// The time after which it ends the connection while it opens, if it does.
    pub(super) gives_up_after: Option<Duration>,
    pub(super) interceptor: Arc<dyn Interceptor>,
    /// Passes inputs to the lifecycle.
    pub(super) report: R,
}

impl<R: Fn(Input)> IngestSocket<R> {
    /// Opens the socket at `url` with the bearer `token`, writes `frames` until their sender is dropped, then
    /// closes with code 1000.
    pub(super) async fn run(self, url: String, token: String, mut frames: UnboundedReceiver<Arc<Value>>) {
        let number = self.probe.next_socket();
        let uri: Option<Uri> = url.parse().ok();
        let to = uri.as_ref().and_then(Uri::host).unwrap_or_default().to_owned();
        let path = uri
            .as_ref()
            .and_then(Uri::path_and_query)
            .map_or("", |path| path.as_str())
            .to_owned();
        let opened = match (&uri, self.gives_up_after) {
            (Some(uri), Some(after)) => Err(self.give_up_opening(uri, &token, after).await),
            (Some(uri), None) => self.open(uri, &token).await,
            (None, _) => Err(Failure::Url(url)),
        };
        let socket = match opened {
            Ok(socket) => socket,
            Err(failure) => {
                let (status, error) = (failure.status(), failure.to_string());
                self.probe.observe(Observation::SocketRefused {
                    socket: number,
                    to,
                    path,
                    credentials: Credentials::Own,
                    status,
                    error: error.clone(),
                });
                (self.report)(Input::LinkFailed(self.link, LinkFailure { status, error }));
                return;
            }
        };
        self.probe.observe(Observation::SocketOpened {
            socket: number,
            to,
            path,
            credentials: Credentials::Own,
        });
        (self.report)(Input::LinkOpened(self.link));

        let (mut sink, mut stream) = socket.split();
        let end = tokio::select! {
            biased;
            end = self.read(number, &mut stream) => end,
            end = self.write(number, &mut sink, &mut frames) => end,
        };
        let (code, by) = match end {
            End::Closed => (Some(CloseCode::Normal.into()), ClosedBy::Itself),
            End::ClosedByPeer(code) => (Some(code), ClosedBy::Peer),
            End::Broken => (None, ClosedBy::Lost),
        };
        self.probe.observe(Observation::SocketClosed {
            socket: number,
            code,
            by,
        });
        (self.report)(Input::LinkLost(self.link, code));
        // Completes the closing handshake; a slow peer does not hold the task.
        let _ = self
            .seams
            .clock
            .timeout(CLOSE_TIMEOUT, finish_close(end, sink, stream))
            .await;
    }

    async fn open(&self, uri: &Uri, token: &str) -> Result<WebSocket, Failure> {
        let authorization = format!("Bearer {token}");
        let opening = websocket::open(&*self.seams.network, uri, Some(&authorization));
        Ok(self.seams.clock.timeout(OPEN_TIMEOUT, opening).await??)
    }

    /// Requests the socket and ends the connection before the answer is read.
    async fn give_up_opening(&self, uri: &Uri, token: &str, after: Duration) -> Failure {
        match self.seams.clock.timeout(after, self.open(uri, token)).await {
            // The socket is dropped, if it opened in time.
            Ok(Ok(_)) | Err(_) => Failure::GivenUp,
            Ok(Err(failure)) => failure,
        }
    }

    async fn read(&self, socket: u64, stream: &mut SplitStream<WebSocket>) -> End {
        while let Some(Ok(message)) = stream.next().await {
            let is_text = message.is_text();
            let payload = match message {
                Message::Text(_) | Message::Binary(_) => message.into_data(),
                Message::Close(close_frame) => {
                    return End::ClosedByPeer(close_frame.map_or(NO_CLOSE_CODE, |frame| frame.code.into()));
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            let frame = Arc::new(body_as_value(&payload));
            self.probe.observe(Observation::FrameReceived {
                socket,
                frame: Arc::clone(&frame),
            });
            // A frame that is not a command has no effect here.
            if is_text && let Ok(command) = Command::deserialize(&*frame) {
                (self.report)(Input::Command(self.link, command));
            }
        }
        End::Broken
    }

    async fn write(
        &self,
        socket: u64,
        sink: &mut SplitSink<WebSocket, Message>,
        frames: &mut UnboundedReceiver<Arc<Value>>,
    ) -> End {
        while let Some(frame) = frames.recv().await {
            for frame in self.interceptor.frames(frame) {
                let (text, frame) = events::on_the_wire(frame);
                if sink.send(Message::text(text)).await.is_err() {
                    return End::Broken;
                }
                self.probe.observe(Observation::FrameSent { socket, frame });
            }
            (self.report)(Input::FrameWritten(self.link));
        }
        let close_frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        match sink.send(Message::Close(Some(close_frame))).await {
            Ok(()) => End::Closed,
            Err(_) => End::Broken,
        }
    }
}

async fn finish_close(end: End, mut sink: SplitSink<WebSocket, Message>, mut stream: SplitStream<WebSocket>) {
    match end {
        End::Closed => while let Some(Ok(_)) = stream.next().await {},
        End::ClosedByPeer(_) => {
            let _ = sink.close().await;
        }
        End::Broken => {}
    }
}
