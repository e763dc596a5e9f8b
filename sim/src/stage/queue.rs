//! The callback queue of a simulated server: its limit, the record of what it was given, and its faults. It may refuse
//! jobs, lose answers, duplicate jobs, or not answer.

use std::mem;
use std::sync::Arc;

use serde_json::json;
use turnstile_events::queue::{QueueAnswer, Submission};
use turnstile_fault::QueueBehaviour;
use turnstile_judge::parties::SERVER;
use turnstile_judge::trace::What;
use turnstile_reference::callbacks::CallbackQueue;
use turnstile_reference::server::WrapQueue;
use turnstile_reference::session::job_size::TooLarge;
use turnstile_reference::session::{CallbackJob, EnqueueError};
use turnstile_seams::BoxFuture;
use turnstile_seams::latest::Latest;

use super::recorder::Recorder;

/// Sets the behaviour of the queue, which survives restarts. Cheap to clone.
#[derive(Clone, Default)]
pub struct QueueControl(Latest<QueueBehaviour>);

impl QueueControl {
    /// Sets the behaviour. Returns whether it changed.
    pub fn set(&self, behaviour: QueueBehaviour) -> bool {
        self.0.update(|current| mem::replace(current, behaviour)) != behaviour
    }

    /// The current behaviour.
    #[cfg(test)]
    pub(super) fn current(&self) -> QueueBehaviour {
        self.0.read(|behaviour| *behaviour)
    }

    /// Waits until the queue does not hang, and returns its behaviour.
    async fn behaviour(&self) -> QueueBehaviour {
        self.0
            .wait_for(|behaviour| *behaviour != QueueBehaviour::Away)
            .await
    }

    /// Wraps the queue of the server. It takes jobs of at most `limit` bytes, and each submission is recorded.
    pub(super) fn wrap(&self, limit: usize, recorder: Recorder) -> WrapQueue {
        let control = self.clone();
        Box::new(move |queue| {
            Arc::new(FaultyQueue {
                control,
                limit,
                recorder,
                queue,
            })
        })
    }
}

#[derive(Clone)]
struct FaultyQueue {
    control: QueueControl,
    /// The size of the largest job, in bytes (R8.35).
    limit: usize,
    recorder: Recorder,
    queue: Arc<dyn CallbackQueue>,
}

impl FaultyQueue {
    async fn answer(&self, job: CallbackJob, size: usize) -> Result<(), EnqueueError> {
        let behaviour = self.control.behaviour().await;
        if matches!(behaviour, QueueBehaviour::Refuses | QueueBehaviour::Away) {
            return Err(EnqueueError::new("it refuses everything"));
        }
        if size > self.limit {
            let limit = self.limit;
            return Err(TooLarge { size, limit }.into());
        }
        match behaviour {
            QueueBehaviour::LosesAck => {
                self.queue.enqueue(job).await?;
                Err(EnqueueError::new("its answer was lost"))
            }
            QueueBehaviour::DeliversTwice => {
                self.queue.enqueue(job.clone()).await?;
                self.queue.enqueue(job).await
            }
            QueueBehaviour::Works | QueueBehaviour::Refuses | QueueBehaviour::Away => {
                self.queue.enqueue(job).await
            }
        }
    }
}

/// The size of a job: of the JSON of body and target. The server measures its jobs itself.
fn size_of(job: &CallbackJob) -> usize {
    json!({"target": job.target, "body": job.body}).to_string().len()
}

impl CallbackQueue for FaultyQueue {
    fn enqueue(&self, job: CallbackJob) -> BoxFuture<'static, Result<(), EnqueueError>> {
        let queue = self.clone();
        Box::pin(async move {
            let (submitted, body) = (job.owner.to_string(), job.body.clone());
            let bytes = size_of(&job);
            let answered = queue.answer(job, bytes).await;
            let answer = match &answered {
                Ok(()) => QueueAnswer::Accepted,
                Err(EnqueueError::TooLarge(_)) => QueueAnswer::TooLarge,
                Err(EnqueueError::Rejected(_)) => QueueAnswer::Refused,
            };
            let submission = Submission {
                submitted,
                bytes,
                body,
                answer,
            };
            queue.recorder.record(SERVER, What::Queue(submission));
            answered
        })
    }
}
