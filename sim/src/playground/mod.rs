//! A place to build clients: the reference server on this machine, with fakes around it, a page that shows what happens,
//! and faults at the press of a button.
//!
//! | file | content |
//! |---|---|
//! | `door` | passes requests and WebSockets to the server, over the links of their session |
//! | `server` | the server, which can crash |
//! | `sessions`, `wrapper` | a wrapper and a gateway for each session; a wrapper, which can crash |
//! | `relay` | connections over a link that can be cut |
//! | `log` | what happens |
//! | `control`, `action` | the routes of the page; what its buttons do |
//! | `saved` | what happened as a recording and as a script |
//! | `cors` | which pages may use the server |
//! | `page` | the page itself |
//!
//! Everything listens on loopback addresses and in real time. What a client must do is not judged here.

mod action;
mod control;
mod cors;
mod door;
mod log;
mod page;
mod relay;
mod saved;
mod server;
mod sessions;
mod wrapper;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::middleware::from_fn;
use fake_gateway::cut;
use fake_gateway::receiver::Receiver;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use turnstile_reference::program::{ProgramError, SettingError};
use turnstile_seams::{Listener, Seams, real};

use self::door::Watchers;
use self::log::Log;
pub use self::log::OnCallback;
use self::server::{ServerSettings, ServerThread};
use self::sessions::Sessions;
use crate::script::CALLBACK_PATH;

/// A loopback address with a free port.
const ANY_PORT: &str = "127.0.0.1:0";
/// The party that calls procedures, in the log.
const CLIENT: &str = "client";
/// The lifetime of credentials.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// The settings of a playground. Not `Debug`, because they contain secrets.
pub struct Settings {
    /// The port of the server and the page; 0 for a free one.
    pub port: u16,
    /// The directory of the server's state, created if missing.
    pub data: PathBuf,
    /// The user whose credentials the page has.
    pub user: String,
    /// Signs users' tokens.
    pub api_secret: String,
    /// Signs stream tickets.
    pub ticket_secret: String,
    /// The key of internal procedures.
    pub internal_api_key: String,
    /// The log filter of the server.
    pub log: String,
}

/// Why a playground did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: String,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// Settings of the server are wrong.
    #[error("{0}")]
    Settings(String),
    /// The server's thread does not start.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The server's thread panicked.
    #[error("the server panicked")]
    Panicked,
    /// The server does not start.
    #[error(transparent)]
    Server(#[from] ProgramError),
}

impl StartError {
    fn settings(wrong: Vec<SettingError>) -> Self {
        let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        Self::Settings(lines.join("\n"))
    }
}

/// A server with its fakes and what happened between them.
pub struct Playground {
    settings: Settings,
    seams: Seams,
    log: Log,
    server: ServerThread,
    sessions: Sessions,
    watchers: Arc<Watchers>,
    receiver: Receiver,
    receiver_authority: String,
    /// The last number of an exchange or a socket of clients.
    exchanges: AtomicU64,
}

/// A started playground.
pub struct Running {
    playground: Arc<Playground>,
    /// The `host:port` of the server and of the page.
    pub authority: String,
    /// The `host:port` of the callback receiver.
    pub receiver: String,
    listeners: [Box<dyn Listener>; 3],
}

impl Playground {
    /// Starts the server and the receiver. Connections wait until [`Running::serve`] runs. Needs a tokio runtime with I/O
    /// and time.
    ///
    /// # Errors
    ///
    /// If an address is taken or the server does not start.
    pub async fn start(settings: Settings, on_callback: OnCallback) -> Result<Running, StartError> {
        let seams = real::seams();
        let door = listen(&seams, format!("127.0.0.1:{}", settings.port)).await?;
        let wrappers = listen(&seams, ANY_PORT.to_owned()).await?;
        let callbacks = listen(&seams, ANY_PORT.to_owned()).await?;
        let authority = door.authority();
        let log = Log::new(Arc::clone(&seams.clock));
        let server = ServerThread::new(ServerSettings {
            data: settings.data.clone(),
            api_secret: settings.api_secret.clone(),
            ticket_secret: settings.ticket_secret.clone(),
            internal_api_key: settings.internal_api_key.clone(),
            wrapper_url: format!("http://{}/{{session}}", wrappers.authority()),
            ingest_url: format!("ws://{authority}"),
            log: settings.log.clone(),
        });
        server.start(|| ()).await?;
        let receiver = Receiver::new(log.receiver_probe(on_callback)).with_clock(Arc::clone(&seams.clock));
        let playground = Self {
            server,
            sessions: Sessions::new(seams.clone(), log.clone()),
            watchers: Arc::default(),
            receiver,
            receiver_authority: callbacks.authority(),
            exchanges: AtomicU64::new(0),
            settings,
            seams,
            log,
        };
        Ok(Running {
            authority,
            receiver: playground.receiver_authority.clone(),
            playground: Arc::new(playground),
            listeners: [door, wrappers, callbacks],
        })
    }

    /// The number of a new exchange or socket of a client.
    fn next_exchange(&self) -> u64 {
        self.exchanges.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The expiry of new credentials.
    fn expiry(&self) -> Timestamp {
        self.seams.clock.now() + LIFETIME
    }

    /// The callback target that the page gives its sessions.
    fn callback_url(&self) -> String {
        format!("http://{}{CALLBACK_PATH}", self.receiver_authority)
    }
}

async fn listen(seams: &Seams, address: String) -> Result<Box<dyn Listener>, StartError> {
    let listening = seams.network.listen(&address).await;
    listening.map_err(|source| StartError::Listen { address, source })
}

impl Running {
    /// Serves until `end` completes, and ends the server in order.
    pub async fn serve(self, end: impl Future<Output = ()>) {
        let Self {
            playground,
            listeners: [door, wrappers, callbacks],
            ..
        } = self;
        let router = door::router(Arc::clone(&playground))
            .merge(control::router(Arc::clone(&playground)))
            .merge(page::router())
            .layer(from_fn(cors::allow_loopback));
        let mut tasks = JoinSet::new();
        tasks.spawn(cut::serve(door, router));
        tasks.spawn(cut::serve(wrappers, door::wrappers(Arc::clone(&playground))));
        tasks.spawn(playground.receiver.clone().serve(callbacks));
        end.await;
        playground.server.stop().await;
    }
}
