//! Sends HTTP requests, each on its own connection.
//!
//! There is no pool: a pool depends on wall-clock time, and with one connection for each exchange, exchanges do not
//! affect each other in a trace.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::network::{ByteStream, Network};

/// Why an HTTP exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL has no host.
    #[error("the URL `{0}` has no host")]
    Url(String),
    /// The scheme is not supported.
    #[error("scheme `{0}` is not supported: expected http or ws")]
    Scheme(String),
    /// The connection failed.
    #[error("cannot connect to {authority}")]
    Connect {
        /// The `host:port` of the server.
        authority: String,
        /// The network's error.
        #[source]
        source: io::Error,
    },
    /// The connection broke before the answer was complete.
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

/// Sends `request`, whose URL must be absolute. Returns the answer with its body unread; dropping it closes the
/// connection.
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

/// Sends `request`, whose URL must be absolute, on an open connection.
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
    // A failure also reaches the caller, which waits for the answer or reads the body.
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
