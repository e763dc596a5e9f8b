//! The harness's end of a WebSocket: it listens, writes frames, and ends the connection in different ways.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// The length of the payload that a cut frame announces, in bytes.
const CUT_PAYLOAD: u8 = 120;

/// How the harness ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// With a close frame of this code.
    Close(u16),
    /// With the end of the connection, and no close frame.
    Lost,
    /// With a reset of the connection.
    Reset,
    /// With a reset in the middle of a frame.
    MidFrame,
}

/// An order to a connection.
#[derive(Debug)]
pub(crate) enum Order {
    /// Write these frames.
    Frames(Vec<Value>),
    /// End the connection after everything that was written before.
    End(Cut),
}

/// A listener on a free loopback port, and its address.
pub(crate) fn listener() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, address))
}

/// Serves each connection in its own task, until the end of the runtime.
pub(crate) fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
}

/// Follows the orders until the end of the connection. `received` gets every message of the peer, in particular its close
/// frame.
pub(crate) async fn converse(
    socket: &mut WebSocketStream<TcpStream>,
    orders: &mut UnboundedReceiver<Order>,
    mut received: impl FnMut(Message),
) {
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(Order::Frames(frames)) => {
                    for frame in frames {
                        let text = Utf8Bytes::from(frame.to_string());
                        if socket.feed(Message::Text(text)).await.is_err() {
                            return;
                        }
                    }
                    if socket.flush().await.is_err() {
                        return;
                    }
                }
                Some(Order::End(Cut::Close(code))) => {
                    let frame = CloseFrame { code: code.into(), reason: "".into() };
                    // The peer may be gone.
                    let _ = socket.close(Some(frame)).await;
                    while let Some(Ok(_)) = socket.next().await {}
                    return;
                }
                Some(Order::End(cut)) => return end(socket.get_mut(), cut).await,
                None => return,
            },
            message = socket.next() => match message {
                Some(Ok(message)) => received(message),
                _ => return,
            },
        }
    }
}

/// Ends a connection without a close frame.
async fn end(stream: &mut TcpStream, cut: Cut) {
    if cut == Cut::MidFrame {
        // The head of a text frame, and a third of its payload.
        let mut bytes = vec![0x81, CUT_PAYLOAD];
        bytes.extend(std::iter::repeat_n(b'{', usize::from(CUT_PAYLOAD) / 3));
        let _ = stream.write_all(&bytes).await;
        let _ = stream.flush().await;
    }
    if cut != Cut::Lost {
        // The connection is dropped in any case.
        let _ = stream.set_zero_linger();
    }
}
