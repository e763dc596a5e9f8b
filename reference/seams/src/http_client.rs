//! One HTTP request on a connection of its own.
//!
//! There is no pool: a pool keeps wall-clock time, and a connection per exchange makes every exchange
//! stand alone in a trace.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::network::{ByteStream, Network};

/// Why an HTTP exchange came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL names no host.
    #[error("the URL `{0}` has no host")]
    Url(String),
    /// This client does not speak what the URL asks for.
    #[error("`{0}` is not spoken here: only plain http and ws are")]
    Scheme(String),
    /// No connection could be made.
    #[error("cannot connect to {authority}")]
    Connect {
        /// The `host:port` that was tried.
        authority: String,
        /// What the network said.
        #[source]
        source: io::Error,
    },
    /// The connection was made, and broke before the whole answer had come.
    #[error("the connection broke before the answer was complete")]
    Broken(#[from] hyper::Error),
}

/// Connects to the host of an absolute URL; `http` and `ws` default to port 80.
///
/// # Errors
///
/// [`HttpError::Url`], [`HttpError::Scheme`] or [`HttpError::Connect`].
pub async fn connect(network: &dyn Network, url: &http::Uri) -> Result<Box<dyn ByteStream>, HttpError> {
    if let Some(scheme) = url
        .scheme_str()
        .filter(|scheme| !matches!(*scheme, "http" | "ws"))
    {
        return Err(HttpError::Scheme(scheme.to_owned()));
    }
    let host = url.host().ok_or_else(|| HttpError::Url(url.to_string()))?;
    let authority = format!("{host}:{}", url.port_u16().unwrap_or(80));
    network
        .connect(&authority)
        .await
        .map_err(|source| HttpError::Connect { authority, source })
}

/// Sends `request`, whose URL must be absolute, and returns the answer's head with its body still to
/// be read. Dropping the response closes the connection.
///
/// # Errors
///
/// See [`HttpError`]. A status such as 500 is an answer, not an error.
pub async fn send(
    network: &Arc<dyn Network>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, HttpError> {
    let stream = connect(&**network, request.uri()).await?;
    exchange(stream, request).await
}

/// Sends `request`, whose URL must be absolute, on a connection that is there already.
///
/// # Errors
///
/// [`HttpError::Url`] or [`HttpError::Broken`].
pub async fn exchange(
    stream: Box<dyn ByteStream>,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, HttpError> {
    let host = request
        .uri()
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
        .ok_or_else(|| HttpError::Url(request.uri().to_string()))?;
    request.headers_mut().insert(header::HOST, host);
    request
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    *request.uri_mut() = path
        .parse()
        .map_err(|_| HttpError::Url(request.uri().to_string()))?;

    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its failure also reaches whoever waits for the answer or reads the body.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender.send_request(request).await?)
}

/// Reads a whole body.
///
/// # Errors
///
/// [`HttpError::Broken`] if the connection ends before the body does.
pub async fn read_body(response: Response<Incoming>) -> Result<Bytes, HttpError> {
    Ok(response.into_body().collect().await?.to_bytes())
}
