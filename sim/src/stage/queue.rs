//! The callback queue between a session and its job, as a fault sees it: it can refuse a job, take it and
//! not say so, take it twice, or say nothing at all.

use std::sync::Arc;

use tokio::sync::watch;
use turnstile_reference::callbacks::CallbackQueue;
use turnstile_reference::server::WrapQueue;
use turnstile_reference::session::{CallbackJob, EnqueueError};
use turnstile_seams::BoxFuture;

/// How the queue behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QueueBehaviour {
    /// It takes every job, and says so.
    #[default]
    Works,
    /// It takes none.
    Refuses,
    /// It takes every job, and says that it did not.
    LosesAck,
    /// It takes none and says nothing, until it behaves otherwise; then it does that with what waits.
    Away,
    /// It takes every job twice.
    DeliversTwice,
}

/// Sets how the queue behaves, now and after any restart. Cheap to clone.
#[derive(Clone)]
pub struct QueueControl(Arc<watch::Sender<Order>>);

/// An order to behave somehow.
#[derive(Debug, Clone, Copy, Default)]
struct Order {
    number: u64,
    behaviour: QueueBehaviour,
}

impl Default for QueueControl {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Order::default())))
    }
}

impl QueueControl {
    /// From now on the queue behaves so. The number is that of this order.
    pub fn set(&self, behaviour: QueueBehaviour) -> u64 {
        self.0.send_modify(|order| {
            *order = Order {
                number: order.number + 1,
                behaviour,
            };
        });
        self.0.borrow().number
    }

    /// The queue works again, unless there was another order since that one.
    pub fn end(&self, number: u64) {
        if self.0.borrow().number == number {
            self.set(QueueBehaviour::Works);
        }
    }

    /// How the queue behaves towards a job, as soon as it behaves somehow.
    async fn behaviour(&self) -> QueueBehaviour {
        let mut orders = self.0.subscribe();
        let order = orders
            .wait_for(|order| order.behaviour != QueueBehaviour::Away)
            .await;
        order
            .expect("whoever waits for orders holds on to where they come from")
            .behaviour
    }

    /// What the server is to put around its queue.
    pub(super) fn wrap(&self) -> WrapQueue {
        let control = self.clone();
        Box::new(move |queue| Arc::new(FaultyQueue { control, queue }))
    }
}

struct FaultyQueue {
    control: QueueControl,
    queue: Arc<dyn CallbackQueue>,
}

impl CallbackQueue for FaultyQueue {
    fn enqueue(&self, job: CallbackJob) -> BoxFuture<'static, Result<(), EnqueueError>> {
        let (control, queue) = (self.control.clone(), self.queue.clone());
        Box::pin(async move {
            match control.behaviour().await {
                QueueBehaviour::Works => queue.enqueue(job).await,
                QueueBehaviour::LosesAck => {
                    queue.enqueue(job).await?;
                    Err(EnqueueError::new("its answer was lost"))
                }
                QueueBehaviour::DeliversTwice => {
                    queue.enqueue(job.clone()).await?;
                    queue.enqueue(job).await
                }
                QueueBehaviour::Refuses | QueueBehaviour::Away => {
                    Err(EnqueueError::new("it refuses everything"))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_order_does_not_end_a_later_one() {
        let control = QueueControl::default();
        let behaviour = || control.0.borrow().behaviour;
        let first = control.set(QueueBehaviour::Refuses);
        let second = control.set(QueueBehaviour::Away);
        control.end(first);
        assert_eq!(behaviour(), QueueBehaviour::Away);
        control.end(second);
        assert_eq!(behaviour(), QueueBehaviour::Works);
    }
}
