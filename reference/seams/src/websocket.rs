//! Opening a WebSocket as a client. Serving one is axum's business.

use http::Request;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;

use crate::http_client::{self, HttpError};
use crate::network::{ByteStream, Network};

use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
pub use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
pub use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};

/// How much of a WebSocket is read at once, in bytes. The library clears so much before each reading, and its own
/// default is eight times as much; what is larger is read in several goes.
pub const READ_BUFFER: usize = 16 * 1024;

/// An open WebSocket: a stream and a sink of [`Message`]s.
pub type WebSocket = WebSocketStream<Box<dyn ByteStream>>;

/// Why a WebSocket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There was no connection to ask on.
    #[error(transparent)]
    Connect(#[from] HttpError),
    /// The server answered, and refused.
    #[error("the server answered {status} instead of switching protocols")]
    Refused {
        /// The HTTP status of the refusal.
        status: u16,
        /// The refusal's body, as far as it came with the head.
        body: Vec<u8>,
    },
    /// The handshake broke.
    #[error("the WebSocket handshake broke")]
    Handshake(#[source] Box<WebSocketError>),
}

/// Opens a WebSocket at `url` (`ws://…`), with `authorization` as that header if given.
///
/// # Errors
///
/// See [`OpenError`]. There is no time-out in here.
pub async fn open(
    network: &dyn Network,
    url: &http::Uri,
    authorization: Option<&str>,
) -> Result<WebSocket, OpenError> {
    let stream = http_client::connect(network, url).await?;
    let host = url
        .authority()
        .map(http::uri::Authority::as_str)
        .unwrap_or_default();
    let mut request = Request::get(url)
        .header("host", host)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header(
            "sec-websocket-key",
            tungstenite::handshake::client::generate_key(),
        );
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let request = request.body(()).map_err(|_| HttpError::Url(url.to_string()))?;
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    match tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(WebSocketError::Http(response)) => Err(OpenError::Refused {
            status: response.status().as_u16(),
            body: response.into_body().unwrap_or_default(),
        }),
        Err(error) => Err(OpenError::Handshake(Box::new(error))),
    }
}
