//! One machine of the witness: what turmoil is given to run on it, and reaching into it from outside.
//!
//! turmoil stops a host whose software ends and can give a running one no more to do. So a host's software is
//! a [`Steward`], which never ends, starts what the machine boots, and takes orders.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use tokio::sync::mpsc;
use turnstile_seams::BoxFuture;

use super::network::Line;
use crate::any::BootFunction;
use crate::disk::Disk;
use crate::host::Machine;

/// Something to be done on a host.
pub(super) enum Order {
    /// This is to run.
    Run(BoxFuture<'static, ()>),
    /// This connection is to be finished.
    Finish(Arc<Line>),
}

/// A host of the witness.
pub(super) struct Host {
    pub name: Arc<str>,
    pub disk: Disk,
    pub restarts: u32,
    /// What turmoil picks up when it starts the host next.
    pub next: Rc<RefCell<Option<Steward>>>,
    /// `None` while the host is down.
    pub run: Option<Run>,
}

/// A host from one start to the next crash, seen from outside.
pub(super) struct Run {
    pub machine: Machine,
    orders: mpsc::UnboundedSender<Order>,
    pulse: Weak<()>,
}

impl Run {
    /// A run, and the one who runs it.
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
        // If the host has died of a panic in this tick, whatever it is ordered comes too late.
        let _ = self.orders.send(order);
    }

    /// Whether all of it has died, as it does of a panic in any task.
    pub(super) fn has_died(&self) -> bool {
        // One is held by the steward, one by a task beside it: a panic ends only one of the two.
        self.pulse.strong_count() < 2
    }
}

/// What runs on a host.
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
                Order::Finish(line) => drop(tokio::spawn(line.say_goodbye())),
            }
        }
        std::future::pending().await
    }
}
