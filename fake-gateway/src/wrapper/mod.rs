//! The wrapper of a session's sandbox, with its kilo (R5.24–R5.40, R5.71–R5.82, R11.19–R11.44).
//!
//! | file | content |
//! |---|---|
//! | `http`, `request`, `reply` | HTTP routes; parsed requests; shapes of replies |
//! | `behaviour` | configured misbehaviour |
//! | `binding` | the session, its fence, and the ingest URL |
//! | `lifecycle` | all decisions, pure; `turns` and `buffer` hold its state, `events` the shapes of its frames |
//! | `host` | performs the decisions of the lifecycle; `queue` gives a socket one frame at a time |
//! | `interception`, `mutants` | rewrites of what goes into the lifecycle and comes out of it; wrappers that break one rule |
//! | `ingest`, `kilo` | one ingest socket; one gateway call |

mod behaviour;
mod binding;
mod buffer;
mod events;
mod host;
mod http;
mod identifiers;
mod ingest;
mod interception;
mod kilo;
mod lifecycle;
#[cfg(feature = "mutants")]
pub mod mutants;
mod queue;
mod reply;
mod request;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use host::Host;
use interception::{Interceptor, Unchanged};
use turnstile_events::observation::Probe;
use turnstile_seams::{Listener, Seams};

use crate::cut;

/// The time between the acceptance of a turn and its first event, unless it is configured (R11.51).
const AGENT_LATENCY: Duration = Duration::ZERO;
/// The default of [`WrapperConfig::abandons_after`]: long enough for the request to be sent.
const ABANDONS_AFTER: Duration = Duration::from_millis(5);

/// Settings of a wrapper.
#[derive(Debug, Clone)]
pub struct WrapperConfig {
    /// Base URL of the gateway, `http://host:port`, without a path.
    pub gateway_url: String,
    /// The version that `/health` reports (R11.53).
    pub version: String,
    /// The time between the acceptance of a turn and its first event (R11.51).
    pub latency: Duration,
    /// The pause before each attempt to reconnect. It gives up after the last attempt (R11.29, R11.31).
    pub reconnect_pauses: Vec<Duration>,
    /// The maximum number of events that it keeps while its ingest is lost (R11.29).
    pub buffer: usize,
    /// The time after which it gives up opening an ingest, as a misbehaviour (R11.28).
    pub abandons_after: Duration,
}

impl WrapperConfig {
    /// The default of [`WrapperConfig::version`].
    pub const VERSION: &str = "1.0.0";
    /// The default of [`WrapperConfig::reconnect_pauses`] (R11.29).
    pub const RECONNECT_PAUSES: [Duration; 3] = [
        Duration::from_secs(1),
        Duration::from_secs(2),
        Duration::from_secs(4),
    ];

    /// The default of [`WrapperConfig::buffer`] (R11.29).
    pub const BUFFER: usize = 1000;

    /// Settings with the defaults, for a gateway with that base URL.
    pub fn new(gateway_url: impl Into<String>) -> Self {
        Self {
            gateway_url: gateway_url.into(),
            version: Self::VERSION.to_owned(),
            latency: AGENT_LATENCY,
            reconnect_pauses: Self::RECONNECT_PAUSES.to_vec(),
            buffer: Self::BUFFER,
            abandons_after: ABANDONS_AFTER,
        }
    }
}

/// A newly started wrapper process, without a session.
pub struct Wrapper {
    config: WrapperConfig,
    seams: Seams,
    probe: Probe,
    interceptor: Arc<dyn Interceptor>,
}

impl Wrapper {
    /// A wrapper that runs on `seams`.
    pub fn new(config: WrapperConfig, seams: Seams, probe: Probe) -> Self {
        Self {
            config,
            seams,
            probe,
            interceptor: Arc::new(Unchanged),
        }
    }

    /// The same wrapper as a mutant, which breaks one rule.
    #[cfg(feature = "mutants")]
    pub fn breaking(mut self, mutant: mutants::Mutant) -> Self {
        mutant.configure(&mut self.config);
        self.interceptor = mutant.interceptor();
        self
    }

    /// Serves every connection of `listener` and performs its requests, without end.
    pub async fn serve(self, listener: Box<dyn Listener>) {
        let (host, door) = Host::new(self.seams, self.probe.clone(), self.config, self.interceptor);
        let router = http::router(door, self.probe);
        tokio::select! {
            biased;
            () = host.run() => {}
            () = cut::serve(listener, router) => {}
        }
    }
}
