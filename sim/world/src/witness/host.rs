//! One machine of the witness: the software that turmoil runs on it, and access to it from outside.
//!
//! turmoil stops a host whose software ends, and cannot give more work to a running one. So the software of a
//! host is a [`Steward`], which never ends, starts the boot task, and accepts orders.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use jiff::SignedDuration;
use tokio::sync::mpsc;
use turnstile_seams::BoxFuture;

use super::network::Line;
use crate::any::BootFunction;
use crate::disk::Disk;
use crate::host::Machine;

/// An order to a host.
pub(super) enum Order {
    /// Run this task.
    Run(BoxFuture<'static, ()>),
    /// Send a FIN on this connection.
    Finish(Arc<Line>),
}

/// A host of the witness.
pub(super) struct Host {
    pub name: Arc<str>,
    pub disk: Disk,
    /// How far its clock is ahead of the time of the world, from its next start on.
    pub clock_ahead: SignedDuration,
    pub restarts: u32,
    /// What turmoil takes when it next starts the host.
    pub next: Rc<RefCell<Option<Steward>>>,
    /// `None` while the host is down.
    pub run: Option<Run>,
}

/// A host from one start to the next crash, from outside.
pub(super) struct Run {
    pub machine: Machine,
    orders: mpsc::UnboundedSender<Order>,
    pulse: Weak<()>,
}

impl Run {
    /// A run, and its steward.
    pub(super) fn new(machine: Machine) -> (Self, Steward) {
        let (orders, taken) = mpsc::unbounded_channel();
        let pulse = Arc::new(());
        let run = Self {
            machine: machine.clone(),
            orders,
            pulse: Arc::downgrade(&pulse),
        };
        let steward = Steward {
            machine,
            orders: taken,
            pulse,
        };
        (run, steward)
    }

    pub(super) fn order(&self, order: Order) {
        // The send fails if the host died of a panic in this tick.
        let _ = self.orders.send(order);
    }

    /// Whether all of it has died, which happens on a panic in any task.
    pub(super) fn has_died(&self) -> bool {
        // The steward holds one reference and a task beside it another; a panic ends only one of the two.
        self.pulse.strong_count() < 2
    }
}

/// The software of a host.
pub(super) struct Steward {
    machine: Machine,
    orders: mpsc::UnboundedReceiver<Order>,
    pulse: Arc<()>,
}

impl Steward {
    pub(super) async fn serve(mut self, boot: Rc<BootFunction>) -> turmoil::Result {
        let pulse = Arc::clone(&self.pulse);
        tokio::spawn(async move {
            let _pulse = pulse;
            std::future::pending::<()>().await;
        });
        tokio::spawn(boot(self.machine.clone()));
        while let Some(order) = self.orders.recv().await {
            match order {
                Order::Run(task) => drop(tokio::spawn(task)),
                Order::Finish(line) => drop(tokio::spawn(line.send_fin())),
            }
        }
        std::future::pending().await
    }
}
