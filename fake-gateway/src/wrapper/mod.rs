//! The wrapper of a session's sandbox, with the kilo in it (protocol §5, §11).
//!
//! | file | what is in it |
//! |---|---|
//! | `http`, `ask` | the HTTP face; requests understood, replies shaped |
//! | `behaviour` | how the wrapper misbehaves, if it was told to |
//! | `binding` | whom the wrapper works for, and the ingest's URL |
//! | `lifecycle` | all decisions, pure; `turns` and `buffer` are its books, `events` its words |
//! | `host` | performs what the lifecycle decides |
//! | `ingest`, `kilo` | one ingest socket; one gateway call |

mod ask;
mod behaviour;
mod binding;
mod buffer;
mod events;
mod host;
mod http;
mod identifiers;
mod ingest;
mod kilo;
mod lifecycle;
mod turns;

use host::Host;
use turnstile_events::observation::Witness;
use turnstile_seams::{Listener, Seams};

use crate::cut;

/// What a wrapper has to know before anybody talks to it.
#[derive(Debug, Clone)]
pub struct WrapperConfig {
    /// Base URL of the gateway, `http://host:port`, without a path.
    pub gateway_url: String,
}

/// A wrapper process that was just started: it knows no session, and remembers none of an earlier one.
pub struct Wrapper {
    config: WrapperConfig,
    seams: Seams,
    witness: Witness,
}

impl Wrapper {
    /// A wrapper on these seams.
    pub fn new(config: WrapperConfig, seams: Seams, witness: Witness) -> Self {
        Self {
            config,
            seams,
            witness,
        }
    }

    /// Serves every connection of `listener`, and does what is asked of it, for ever.
    pub async fn serve(self, listener: Box<dyn Listener>) {
        let (host, door) = Host::new(self.seams, self.witness.clone(), self.config.gateway_url);
        let router = http::router(door, self.witness);
        tokio::select! {
            biased;
            () = host.run() => {}
            () = cut::serve(listener, router) => {}
        }
    }
}
