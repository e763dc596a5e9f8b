//! The callback queue between a session and its job, as a fault sees it: it can refuse a job, take it and
//! not say so, take it twice, or say nothing at all.

use std::sync::Arc;

use tokio::sync::watch;
use turnstile_fault::QueueBehaviour;
use turnstile_reference::callbacks::CallbackQueue;
use turnstile_reference::server::WrapQueue;
use turnstile_reference::session::{CallbackJob, EnqueueError};
use turnstile_seams::BoxFuture;

/// Sets how the queue behaves, now and after any restart. Cheap to clone.
#[derive(Clone)]
pub struct QueueControl(Arc<watch::Sender<QueueBehaviour>>);

impl Default for QueueControl {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(QueueBehaviour::default())))
    }
}

impl QueueControl {
    /// From now on the queue behaves like this. Returns whether it behaved otherwise.
    pub fn set(&self, behaviour: QueueBehaviour) -> bool {
        self.0.send_replace(behaviour) != behaviour
    }

    /// How the queue behaves now.
    #[cfg(test)]
    pub(super) fn current(&self) -> QueueBehaviour {
        *self.0.borrow()
    }

    /// How the queue behaves towards a job, as soon as it behaves somehow.
    async fn behaviour(&self) -> QueueBehaviour {
        let mut behaviours = self.0.subscribe();
        let behaviour = behaviours
            .wait_for(|behaviour| *behaviour != QueueBehaviour::Away)
            .await;
        *behaviour.expect("the control that sends behaviours is held here")
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
