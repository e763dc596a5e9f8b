//! Faults of the callback queue: it refuses jobs, loses answers, duplicates jobs, or does not answer.

use std::sync::Arc;

use tokio::sync::watch;
use turnstile_fault::QueueBehaviour;
use turnstile_reference::callbacks::CallbackQueue;
use turnstile_reference::server::WrapQueue;
use turnstile_reference::session::{CallbackJob, EnqueueError};
use turnstile_seams::BoxFuture;

/// Sets the behaviour of the queue, which survives restarts. Cheap to clone.
#[derive(Clone)]
pub struct QueueControl(Arc<watch::Sender<QueueBehaviour>>);

impl Default for QueueControl {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(QueueBehaviour::default())))
    }
}

impl QueueControl {
    /// Sets the behaviour. Returns whether it changed.
    pub fn set(&self, behaviour: QueueBehaviour) -> bool {
        self.0.send_replace(behaviour) != behaviour
    }

    /// The current behaviour.
    #[cfg(test)]
    pub(super) fn current(&self) -> QueueBehaviour {
        *self.0.borrow()
    }

    /// Waits until the queue does not hang, and returns its behaviour.
    async fn behaviour(&self) -> QueueBehaviour {
        let mut behaviours = self.0.subscribe();
        let behaviour = behaviours
            .wait_for(|behaviour| *behaviour != QueueBehaviour::Away)
            .await;
        *behaviour.expect("the control that sends behaviours is held here")
    }

    /// Wraps the queue of the server.
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
