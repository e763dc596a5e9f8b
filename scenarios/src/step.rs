//! What can be done, one thing after another. The steps have files of their own, by
//! subject.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::Receiver;
use crate::call::Call;
use crate::client::{Close, Interrupt, Open};
use crate::ingest::Ingest;
use crate::lapse::Lapse;
use crate::lasting::Lasting;
use crate::legacy::{Delete, Initiate, Prepare, Update};
use crate::machine::{Crash, DiskBehaviour, QueueBehaviour};
use crate::message::{SendMessage, Start};
use crate::name::Tag;
use crate::party::{Direction, Machine};
use crate::place::At;
use crate::wait::Await;
use crate::wire::{Connections, Delay, Fault, Heal};
use crate::wrapper::WrapperBehaviour;

/// One step of a script. A step begins when the one before it is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Creates the session with its first message.
    Start(Start),
    /// Sends a further message.
    Send(SendMessage),
    /// Creates the session and stores its first message, on the older surface.
    Prepare(Prepare),
    /// Queues the message that was stored with the session.
    Initiate(Initiate),
    /// Gives the session another callback target.
    Update(Update),
    /// Removes the session.
    Delete(Delete),
    /// Interrupts the session.
    Interrupt(Interrupt),
    /// Calls any procedure.
    Call(Call),
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
    /// Makes the wrapper behave otherwise.
    Wrapper(WrapperBehaviour),
    /// Scripts the receiver's next answers.
    Receiver(Receiver),
    /// Makes the callback queue behave otherwise.
    Queue(Lasting<QueueBehaviour>),
    /// Makes the server's disk behave otherwise.
    Disk(Lasting<DiskBehaviour>),
    /// Speaks to the server's ingest as a wrapper would.
    Ingest(Ingest),
    /// Lets time pass.
    Wait(Lapse),
}
