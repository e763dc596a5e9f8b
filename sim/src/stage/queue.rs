//! The callback queue between a session and its job, as a fault sees it: it can refuse a job, or take it
//! and not say so.

use std::sync::{Arc, Mutex, PoisonError};

use turnstile_reference::callbacks::{CallbackQueue, EnqueueError};
use turnstile_reference::server::WrapQueue;
use turnstile_reference::session::CallbackJob;
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
}

/// Sets how the queue behaves, now and after any restart. Cheap to clone.
#[derive(Clone, Default)]
pub struct QueueControl(Arc<Mutex<QueueBehaviour>>);

impl QueueControl {
    /// From now on the queue behaves so.
    pub fn set(&self, behaviour: QueueBehaviour) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    fn get(&self) -> QueueBehaviour {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        match self.control.get() {
            QueueBehaviour::Works => self.queue.enqueue(job),
            QueueBehaviour::Refuses => {
                Box::pin(async { Err(EnqueueError("it refuses everything".to_owned())) })
            }
            QueueBehaviour::LosesAck => {
                let taken = self.queue.enqueue(job);
                Box::pin(async {
                    taken.await?;
                    Err(EnqueueError("its answer was lost".to_owned()))
                })
            }
        }
    }
}
