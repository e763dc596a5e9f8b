//! Historic bugs of callbacks: whose text they have, and jobs over the queue's limit (protocol §8).

use std::sync::Arc;

use serde_json::json;
use turnstile_reference::callbacks::CallbackQueue;
use turnstile_reference::server::Hooks;
use turnstile_reference::session::{CallbackJob, EnqueueError};
use turnstile_seams::BoxFuture;

use super::answers::Answers;

/// The field with the assistant's text (R8.18).
const TEXT: &str = "lastAssistantMessageText";
/// The field that replaces a text over the limit (R8.36).
const TRUNCATION: &str = "lastAssistantMessageTextTruncation";

/// Calls back with the first finished assistant message of a turn, although there is a later one; violates R8.18.
pub fn call_back_first_answer(hooks: &mut Hooks) {
    rewrite_jobs(hooks, |answers, job| {
        let first = job.owner.message().and_then(|turn| answers.first_of(turn));
        if let (Some(first), Some(body)) = (first, job.body.as_object_mut())
            && body.contains_key(TEXT)
        {
            body.insert(TEXT.to_owned(), json!(first));
        }
    });
}

/// Submits jobs over the limit of the queue repeatedly; violates R8.36 and R8.38.
pub fn submit_over_limit(hooks: &mut Hooks) {
    rewrite_jobs(hooks, |answers, job| {
        let last = job.owner.message().and_then(|turn| answers.last_of(turn));
        if let (Some(last), Some(body)) = (last, job.body.as_object_mut())
            && body.remove(TRUNCATION).is_some()
        {
            body.insert(TEXT.to_owned(), json!(last));
        }
    });
}

type Rewrite = fn(&Answers, &mut CallbackJob);

fn rewrite_jobs(hooks: &mut Hooks, rewrite: Rewrite) {
    let answers = Arc::<Answers>::default();
    hooks.interceptor = Some(answers.clone());
    let wrap = std::mem::replace(&mut hooks.queue, Box::new(|queue| queue));
    hooks.queue = Box::new(move |queue| {
        Arc::new(RewritesJobs {
            queue: wrap(queue),
            answers,
            rewrite,
        })
    });
}

struct RewritesJobs {
    queue: Arc<dyn CallbackQueue>,
    answers: Arc<Answers>,
    rewrite: Rewrite,
}

impl CallbackQueue for RewritesJobs {
    fn enqueue(&self, mut job: CallbackJob) -> BoxFuture<'static, Result<(), EnqueueError>> {
        (self.rewrite)(&self.answers, &mut job);
        let submitted = self.queue.enqueue(job);
        // A server with this bug does not know that the size was the reason.
        Box::pin(async {
            submitted
                .await
                .map_err(|error| EnqueueError::new(error.to_string()))
        })
    }
}
