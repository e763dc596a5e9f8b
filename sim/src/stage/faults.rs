//! Applies faults to the world of a stage and to the parts that the stage controls.
//!
//! Worlds implement the faults. Fakes receive their behaviour over the wire.

use std::cell::Cell;
use std::rc::Rc;

use turnstile_events::world::WorldEvent;
use turnstile_fault::{CrashPoint, Fault, Place, QueueBehaviour};
use turnstile_judge::parties::SERVER;
use turnstile_judge::trace::{WORLD, What};
use turnstile_reference::host::Checkpoint;
use turnstile_world::{AnyWorld, WorldError};

use super::checkpoints::CrashPlan;
use super::queue::QueueControl;
use super::recorder::Recorder;

/// Applies faults and ends them. Cheap to clone; clones control the same stage.
#[derive(Clone)]
pub struct Faults {
    queue: QueueControl,
    crash_plan: CrashPlan,
    /// Number of behaviours set for disk and queue.
    disk_orders: Rc<Cell<u64>>,
    queue_orders: Rc<Cell<u64>>,
    recorder: Recorder,
}

/// An applied fault, which can be ended.
#[derive(Debug)]
pub struct Applied {
    place: Option<Place>,
    /// Sequence number of a disk or queue behaviour.
    order: u64,
}

impl Faults {
    pub(super) fn new(queue: QueueControl, crash_plan: CrashPlan, recorder: Recorder) -> Self {
        Self {
            queue,
            crash_plan,
            disk_orders: Rc::default(),
            queue_orders: Rc::default(),
            recorder,
        }
    }

    /// Applies a fault, or arms it if it is a crash at a crash point.
    ///
    /// # Errors
    ///
    /// The world refused the fault.
    ///
    /// # Panics
    ///
    /// The fault is for a fake. It must be sent to the fake.
    pub fn apply(&self, world: &mut dyn AnyWorld, fault: &Fault) -> Result<Applied, WorldError> {
        let mut order = 0;
        match fault {
            Fault::Host {
                at: Some(point),
                power_loss,
                ..
            } => match checkpoint(*point) {
                Some(checkpoint) => self.crash_plan.arm(checkpoint, *power_loss),
                None => {
                    // Healing the disk disarms it.
                    next(&self.disk_orders);
                    world.apply(fault)?;
                }
            },
            Fault::Queue { is } => {
                order = next(&self.queue_orders);
                self.queue.set(*is);
                self.record(WorldEvent::of(fault));
            }
            Fault::Disk { .. } => {
                order = next(&self.disk_orders);
                world.apply(fault)?;
            }
            Fault::Receiver { .. } | Fault::Wrapper(_) => unreachable!("a fake is sent its behaviour"),
            of_world => world.apply(of_world)?,
        }
        let place = fault.place();
        Ok(Applied { place, order })
    }

    /// Ends a fault. Does not change a disk or queue with a later behaviour, or a host that is up.
    pub fn end(&self, world: &mut dyn AnyWorld, applied: &Applied) {
        match &applied.place {
            Some(Place::Queue) if self.queue_orders.get() == applied.order => self.end_queue(),
            Some(Place::Disk(_)) if self.disk_orders.get() != applied.order => {}
            Some(Place::Host(host)) if world.is_up(host) != Ok(false) => {}
            None | Some(Place::Queue | Place::Wrapper) => {}
            Some(place) => world.heal(place).expect("a place that was struck can be healed"),
        }
    }

    /// Ends all faults, except for hosts that are down and behaviours of fakes.
    ///
    /// # Errors
    ///
    /// The world refused to end a fault.
    pub fn end_all(&self, world: &mut dyn AnyWorld) -> Result<(), WorldError> {
        self.crash_plan.disarm();
        self.end_queue();
        world.heal(&Place::EveryLink)?;
        if self.disk_orders.get() > 0 {
            world.heal(&Place::disk(SERVER))?;
        }
        Ok(())
    }

    fn end_queue(&self) {
        if self.queue.set(QueueBehaviour::Works) {
            self.record(WorldEvent::Ended { place: Place::Queue });
        }
    }

    /// Records faults that the world does not record.
    pub fn record(&self, event: WorldEvent) {
        self.recorder.record(WORLD, What::World(event));
    }
}

fn next(orders: &Cell<u64>) -> u64 {
    orders.set(orders.get() + 1);
    orders.get()
}

/// The server's checkpoint for a crash point in scripts; `None` for an operation of the disk, which the world counts.
fn checkpoint(point: CrashPoint) -> Option<Checkpoint> {
    match point {
        CrashPoint::BetweenCommits => Some(Checkpoint::BeforeCommit),
        CrashPoint::AfterCommit => Some(Checkpoint::AfterCommit),
        CrashPoint::AfterEnqueue => Some(Checkpoint::AfterEnqueue),
        CrashPoint::Write(_) | CrashPoint::Sync(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turnstile_world::World;

    #[test]
    fn the_end_of_a_fault_does_not_end_a_later_one() {
        let queue = QueueControl::default();
        let mut world = World::new(0, crate::stage::epoch());
        let recorder = Recorder::new(crate::stage::epoch(), AnyWorld::clock(&world));
        let faults = Faults::new(queue.clone(), CrashPlan::default(), recorder);
        let refuses = Fault::Queue {
            is: QueueBehaviour::Refuses,
        };
        let away = Fault::Queue {
            is: QueueBehaviour::Away,
        };
        let first = faults.apply(&mut world, &refuses).unwrap();
        let second = faults.apply(&mut world, &away).unwrap();
        faults.end(&mut world, &first);
        assert_eq!(queue.current(), QueueBehaviour::Away);
        faults.end(&mut world, &second);
        assert_eq!(queue.current(), QueueBehaviour::Works);
    }
}
