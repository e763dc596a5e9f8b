//! Expectations of a scenario, in addition to the rules that hold for every scenario.

mod callback;
mod message;
mod stream;
mod wires;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::callback::{Callback, GateResult};
pub use self::message::{Delivery, Milestone, Outcome, Reason, Source, Terminal};
pub use self::stream::{BadgeShown, BadgeWord, Bounds, Snapshot, StreamCount};
pub use self::wires::{Deliveries, GatewayState, IngestOutcome};
use crate::place::At;

/// An expectation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// These states were reached in this order; others may lie between them.
    Order(Vec<At<Milestone>>),
    /// How a message ended.
    Message(Outcome),
    /// Number and times of the attempts to deliver a message to the wrapper.
    Deliveries(Deliveries),
    /// The callbacks for a message.
    Callback(Callback),
    /// Number of all callbacks: distinct idempotency keys.
    Callbacks(u32),
    /// Events on a stream.
    Stream(StreamCount),
    /// The delivery badge that a client shows for a message.
    Badge(BadgeShown),
    /// The states of messages in the snapshot at the start of a client's latest stream.
    Snapshot(Snapshot),
    /// How an ingest socket of the script ended.
    Ingest(IngestOutcome),
    /// Final state of the gateway.
    Gateway(GatewayState),
}
