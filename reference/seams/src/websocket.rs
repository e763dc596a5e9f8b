//! Opens WebSockets as a client. Servers use axum's.

use http::Request;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;

use crate::http_client::{self, HttpError};
use crate::network::{ByteStream, Network};

use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
pub use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
pub use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};

/// The read buffer of a WebSocket, in bytes. Nearly all frames fit into it; larger ones are read in several steps. The
/// library clears the buffer before each read, and its default is 64 times as large.
pub const READ_BUFFER: usize = 2 * 1024;

/// An open WebSocket: a stream and a sink of [`Message`]s.
pub type WebSocket = WebSocketStream<Box<dyn ByteStream>>;

/// Why a WebSocket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The connection failed.
    #[error(transparent)]
    Connect(#[from] HttpError),
    /// The server refused the upgrade.
    #[error("the server answered {status} instead of switching protocols")]
    Refused {
        /// The HTTP status of the answer.
        status: u16,
        /// The body of the answer, as far as it arrived with the head.
        body: Vec<u8>,
    },
    /// The handshake failed.
    #[error("the WebSocket handshake failed")]
    Handshake(#[source] Box<WebSocketError>),
}

/// Opens a WebSocket at `url` (`ws://…`), with the `Authorization` header `authorization` if given. There is no
/// time-out.
///
/// # Errors
///
/// See [`OpenError`].
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
