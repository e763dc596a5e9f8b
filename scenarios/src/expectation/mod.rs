//! What must be true when a scenario is over, beside what must be true of every scenario.

mod callback;
mod message;
mod stream;
mod wires;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::callback::{Callback, GateResult};
pub use self::message::{Delivery, Milestone, Outcome, Reason, Source, Terminal};
pub use self::stream::{BadgeShown, BadgeWord, Bounds, Snapshot, StreamCount, Watcher};
pub use self::wires::{Deliveries, GatewayState, IngestOutcome};
use crate::place::At;

/// One thing that must be true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// These moments came in this order, whatever lay between them.
    Order(Vec<At<Milestone>>),
    /// How a message ended.
    Message(Outcome),
    /// How often, and when, it was tried to deliver a message to the wrapper.
    Deliveries(Deliveries),
    /// What reached the receiver for a message.
    Callback(Callback),
    /// How many callbacks reached the receiver in all: distinct idempotency keys.
    Callbacks(u32),
    /// What a stream carried.
    Stream(StreamCount),
    /// What a client shows of a message's delivery.
    Badge(BadgeShown),
    /// What a client was told of messages when its latest stream opened.
    Snapshot(Snapshot),
    /// What became of an ingest socket of the script's own.
    Ingest(IngestOutcome),
    /// What the gateway is left with.
    Gateway(GatewayState),
}
