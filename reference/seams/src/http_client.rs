//! Sends HTTP requests, each on its own connection.
//!
//! There is no pool: a pool depends on wall-clock time, and with one connection for each exchange, exchanges do not
//! affect each other in a trace.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::network::{ByteStream, Network};

/// Largest body of an answer, in bytes.
pub const LARGEST_BODY: usize = 64 << 20;

/// Why an HTTP exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL has no host.
    #[error("the URL `{0}` has no host")]
    Url(String),
    /// The scheme is not supported.
    #[error("scheme `{0}` is not supported: expected http, https, ws or wss")]
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
    /// The connection has no TLS.
    #[error("no TLS with {authority}")]
    Tls {
        /// The `host:port` of the server.
        authority: String,
        /// The network's error.
        #[source]
        source: io::Error,
    },
    /// The body of the answer is larger than [`LARGEST_BODY`].
    #[error("the answer has more than {LARGEST_BODY} bytes")]
    TooLarge,
    /// The connection broke before the answer was complete.
    #[error("the connection broke before the answer was complete")]
    Broken(#[from] hyper::Error),
}

/// Connects to the host of an absolute URL. `http` and `ws` default to port 80; `https` and `wss` use TLS and default to
/// port 443.
///
/// # Errors
///
/// [`HttpError::Url`], [`HttpError::Scheme`], [`HttpError::Connect`] or [`HttpError::Tls`].
pub async fn connect(network: &dyn Network, url: &http::Uri) -> Result<Box<dyn ByteStream>, HttpError> {
    let (is_secure, default_port) = match url.scheme_str() {
        None | Some("http" | "ws") => (false, 80),
        Some("https" | "wss") => (true, 443),
        Some(scheme) => return Err(HttpError::Scheme(scheme.to_owned())),
    };
    let host = url.host().ok_or_else(|| HttpError::Url(url.to_string()))?;
    let authority = format!("{host}:{}", url.port_u16().unwrap_or(default_port));
    let stream = match network.connect(&authority).await {
        Ok(stream) => stream,
        Err(source) => return Err(HttpError::Connect { authority, source }),
    };
    if !is_secure {
        return Ok(stream);
    }
    let secured = network.secure(stream, host).await;
    secured.map_err(|source| HttpError::Tls { authority, source })
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

/// As [`send`], for a request that is passed on: it keeps its `Host`.
///
/// # Errors
///
/// See [`HttpError`].
pub async fn forward(
    network: &Arc<dyn Network>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, HttpError> {
    let stream = connect(&**network, request.uri()).await?;
    let host = request.headers().get(header::HOST).cloned();
    exchange_for(stream, request, host).await
}

/// Sends `request`, whose URL must be absolute, on an open connection.
///
/// # Errors
///
/// [`HttpError::Url`] or [`HttpError::Broken`].
pub async fn exchange(
    stream: Box<dyn ByteStream>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, HttpError> {
    exchange_for(stream, request, None).await
}

/// The same with another `Host` than that of the URL, if one is given.
async fn exchange_for(
    stream: Box<dyn ByteStream>,
    mut request: Request<Full<Bytes>>,
    host: Option<HeaderValue>,
) -> Result<Response<Incoming>, HttpError> {
    let of_url = request
        .uri()
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
        .ok_or_else(|| HttpError::Url(request.uri().to_string()))?;
    request.headers_mut().insert(header::HOST, host.unwrap_or(of_url));
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
/// [`HttpError::Broken`] if the connection ends before the body does, and [`HttpError::TooLarge`].
pub async fn read_body(response: Response<Incoming>) -> Result<Bytes, HttpError> {
    let body = Limited::new(response.into_body(), LARGEST_BODY);
    match body.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(broken) => HttpError::Broken(*broken),
            // The other error of a limited body is its limit.
            Err(_) => HttpError::TooLarge,
        }),
    }
}

#[cfg(test)]
#[cfg(feature = "real")]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::real;

    /// The answer to a request at `url`, whose host answers with `head` and a body of that many bytes.
    async fn answered(scheme: &str, head: &'static str, body: usize) -> Result<Bytes, HttpError> {
        let network = real::seams().network;
        let mut listener = network.listen("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}/", listener.authority());
        tokio::spawn(async move {
            let mut stream = listener.accept().await.unwrap();
            // A connection that is closed with unread data is reset.
            let mut request = [0; 1024];
            assert_ne!(stream.read(&mut request).await.unwrap(), 0);
            let answer = [head.as_bytes(), &vec![b' '; body]].concat();
            // The client may close the connection first.
            let _ = stream.write_all(&answer).await;
        });
        let request = Request::get(url).body(Full::default()).unwrap();
        read_body(send(&network, request).await?).await
    }

    #[tokio::test]
    async fn a_body_above_the_limit_is_an_error() {
        const HEAD: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        let whole = answered("http", HEAD, LARGEST_BODY).await.unwrap();
        assert_eq!(whole.len(), LARGEST_BODY);
        let error = answered("http", HEAD, LARGEST_BODY + 1).await.unwrap_err();
        assert_eq!(error.to_string(), "the answer has more than 67108864 bytes");
    }

    #[tokio::test]
    async fn https_to_a_port_without_tls_is_an_error() {
        let error = answered("https", "HTTP/1.1 400 Bad Request\r\n\r\n", 0)
            .await
            .unwrap_err();
        assert!(matches!(error, HttpError::Tls { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_scheme_without_http_is_an_error() {
        let request = Request::get("ftp://127.0.0.1/").body(Full::default()).unwrap();
        let error = send(&real::seams().network, request).await.unwrap_err();
        assert!(
            error.to_string().starts_with("scheme `ftp` is not supported"),
            "{error}"
        );
    }
}
