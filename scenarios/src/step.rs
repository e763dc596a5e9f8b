//! What can be done, one thing after another. The larger steps have files of their own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::{Close, Interrupt, Open};
use crate::lapse::Lapse;
use crate::name::Tag;
use crate::party::{Direction, Machine};
use crate::place::At;
use crate::prompt::{SendMessage, Start};
use crate::session::Answer;
use crate::text::is_default;
use crate::wait::Await;
use crate::wire::{Connections, Delay, Fault, Heal};

/// One step of a script. A step begins when the one before it is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Creates the session with its first message.
    Start(Start),
    /// Sends a further message.
    Send(SendMessage),
    /// Interrupts the session.
    Interrupt(Interrupt),
    /// Opens a client's stream.
    Open(Open),
    /// Closes a client's stream.
    Close(Close),
    /// Waits until something has happened.
    Await(Await),
    /// Releases what is parked at the gateway under a tag.
    Release(At<Tag>),
    /// Holds back what is sent, and gives it on when healed.
    Cut(Fault),
    /// Loses what is sent, for good.
    BlackHole(Fault),
    /// Makes what is sent arrive later.
    Delay(Delay),
    /// Ends a cut, a black hole or a delay.
    Heal(Heal),
    /// Breaks the open connections, and tells both ends.
    Reset(Connections),
    /// Breaks the open connections, and tells nobody.
    Silence(Connections),
    /// Ends one side of the open connections in good order.
    Fin(Direction),
    /// Stops a party where it stands.
    Crash(Crash),
    /// Starts a crashed party again.
    Restart(At<Machine>),
    /// Scripts the receiver's next answers.
    Receiver(Receiver),
    /// Makes the callback queue behave otherwise.
    Queue(QueueBehaviour),
    /// Lets time pass.
    Wait(Lapse),
}

/// How the server's callback queue behaves from a step on, restarts included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueueBehaviour {
    /// It takes every job and says so, as it does in the beginning.
    Works,
    /// It takes no job, and says so.
    Refuses,
    /// It takes every job, and says that it did not.
    LosesAck,
}

/// Stops a party where it stands. Its memory is gone, its disk loses what was not synced, and its peers
/// see the end of their connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Crash {
    /// Who.
    pub party: At<Machine>,
    /// Whether its machine goes down with it, so that not even the end of a connection reaches its peers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub power_loss: bool,
    /// Arms the crash instead: it falls when the server next passes this point, and the steps go on
    /// meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At<CrashPoint>>,
    /// After how long the party starts again by itself, counted from the crash; never if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_after: Option<Lapse>,
}

/// A place in the server's work at which a crash is worth a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CrashPoint {
    /// A transaction is durable, and nothing that follows from it was done.
    AfterCommit,
    /// The callback queue has taken a job, and that is not recorded yet.
    AfterEnqueue,
}

/// What the receiver does with the next requests, one after another; then it answers 200. Replaces
/// what is left of earlier instructions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Receiver {
    /// The answers, in order.
    pub answers: Vec<Answer>,
}
