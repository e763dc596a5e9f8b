//! Passes the bytes of connections over a link. What they mean is not known here.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use turnstile_seams::{ByteStream, Listener, Network, http_server};

use crate::tunnel::link::Link;

/// The largest number of bytes that pass at once.
const CHUNK: usize = 16 * 1024;

/// Connects each connection of `listener` with `to`, a `host:port`, over a link, without end.
pub(super) async fn serve(listener: Box<dyn Listener>, to: String, link: Link, network: Arc<dyn Network>) {
    http_server::serve_by(listener, move |near| {
        let (to, link, network) = (to.clone(), link.clone(), Arc::clone(&network));
        async move {
            // Dropping the connections ends them. Both ends notice that.
            let _ = link.unless_ended(pass(near, &to, &link, &*network)).await;
        }
    })
    .await;
}

/// Passes bytes in both directions until both have ended.
async fn pass(near: Box<dyn ByteStream>, to: &str, link: &Link, network: &dyn Network) -> io::Result<()> {
    link.pass().await;
    let far = network.connect(to).await?;
    let (from_near, to_near) = split(near);
    let (from_far, to_far) = split(far);
    tokio::try_join!(
        pass_one_way(from_near, to_far, link),
        pass_one_way(from_far, to_near, link),
    )?;
    Ok(())
}

/// Passes bytes, and the end of them.
async fn pass_one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    link: &Link,
) -> io::Result<()> {
    let mut bytes = vec![0; CHUNK];
    loop {
        let read = from.read(&mut bytes).await?;
        link.pass().await;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&bytes[..read]).await?;
    }
}
