//! The callback queue and the consumer that delivers its jobs (protocol §8).
//!
//! A session only sees whether the queue accepted a job. A job may be accepted twice; receivers recognize the repeat
//! by the idempotency key in its body (R8.22).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use jiff::Timestamp;
use turnstile_profile::Profile;
use turnstile_seams::http_client;
use turnstile_seams::{ClockExt as _, Seams};

use crate::coverage::ServerMark;
use crate::session::{CallbackJob, EnqueueError, job_size};
use crate::store::{Storage, StoredJob};

/// The queue to which sessions submit callbacks.
pub trait CallbackQueue: Send + Sync + 'static {
    /// Accepts a job durably, if it is not too large (R8.35). Completes when the queue has accepted or rejected it.
    fn enqueue(&self, job: CallbackJob) -> BoxFuture<'static, Result<(), EnqueueError>>;
}

/// The queue of a server that runs without one. It rejects all jobs, so sessions keep their callbacks (R8.23).
pub struct NoQueue;

impl CallbackQueue for NoQueue {
    fn enqueue(&self, _: CallbackJob) -> BoxFuture<'static, Result<(), EnqueueError>> {
        let error = EnqueueError::new("this server has no callback queue");
        Box::pin(async { Err(error) })
    }
}

/// A queue in the server's store, with its consumer.
#[derive(Clone)]
pub struct DurableQueue {
    store: Arc<dyn Storage>,
    seams: Seams,
    profile: Arc<Profile>,
}

/// The result of one request.
enum Attempt {
    Done,
    TryAgain(String),
    GiveUp(String),
}

impl DurableQueue {
    /// Opens the queue in `store`. The consumer sends requests through `seams`.
    pub fn new(store: Arc<dyn Storage>, seams: Seams, profile: Arc<Profile>) -> Self {
        Self {
            store,
            seams,
            profile,
        }
    }

    /// Resumes the jobs that were not finished when the server stopped (R8.34).
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub fn resume(&self) -> Result<(), crate::store::StoreError> {
        for (number, mut job) in self.store.jobs()? {
            // A clock that was set back while the server was down has put it off (R7.36).
            let latest = self.after(self.wait_after(job.failed_attempts));
            job.due_at = job.due_at.min(latest);
            tokio::spawn(self.clone().consume(number, job));
        }
        Ok(())
    }

    /// Delivers one job, with as many requests as necessary.
    async fn consume(self, number: u64, mut job: StoredJob) {
        loop {
            self.seams.clock.sleep_until(job.due_at).await;
            let (owner, attempt) = (job.owner.clone(), job.failed_attempts + 1);
            let error = match self.request(&job).await {
                Attempt::Done => {
                    ServerMark::ReceiverTook.hit();
                    tracing::info!(%owner, attempt, "callback delivered");
                    break;
                }
                Attempt::GiveUp(error) => {
                    ServerMark::ReceiverRefused.hit();
                    tracing::error!(%owner, attempt, error, "callback given up: rejected by the receiver");
                    break;
                }
                Attempt::TryAgain(error) => error,
            };
            job.failed_attempts = attempt;
            if attempt >= self.profile.callback_attempts.get() {
                ServerMark::ReceiverGivenUp.hit();
                tracing::error!(%owner, attempt, error, "callback given up: no attempts left");
                break;
            }
            ServerMark::ReceiverPutOff.hit();
            tracing::warn!(%owner, attempt, error, "callback failed, retry scheduled");
            job.due_at = self.after(self.wait_after(attempt));
            // If this write is lost, a restart repeats a request; the receiver recognizes it by its key.
            if let Err(error) = self.store.update_job(number, &job) {
                tracing::warn!(%owner, error = &error as &dyn std::error::Error, "callback attempt not recorded");
            }
        }
        while let Err(error) = self.store.remove_job(number) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "finished callback job not removed yet"
            );
            self.seams.clock.sleep(self.profile.commit_retry_delay).await;
        }
    }

    /// The time before the next request of a job, from its submission or the last one of that many failures.
    fn wait_after(&self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => self.profile.callback_latency,
            Some(earlier) => self.profile.callback_retry_base * 2_u32.pow(earlier),
        }
    }

    /// The time that long from now, or the last one: only the longest delays of a profile lead beyond it.
    fn after(&self, delay: Duration) -> Timestamp {
        let time = self.seams.clock.now().checked_add(delay);
        time.unwrap_or(Timestamp::MAX)
    }

    async fn request(&self, job: &StoredJob) -> Attempt {
        let Some(request) = request(job) else {
            return Attempt::GiveUp("the target's URL or headers are not valid HTTP".into());
        };
        let exchange = http_client::send(&self.seams.network, request);
        let status = match self
            .seams
            .clock
            .timeout(self.profile.callback_timeout, exchange)
            .await
        {
            Ok(Ok(response)) => response.status(),
            // A request that cannot be sent counts as one without an answer (R8.40).
            Ok(Err(error)) => return Attempt::TryAgain(error.to_string()),
            Err(elapsed) => return Attempt::TryAgain(elapsed.to_string()),
        };
        if status.is_success() {
            Attempt::Done
        } else if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Attempt::TryAgain(format!("the receiver answered {status}"))
        } else {
            Attempt::GiveUp(format!("the receiver answered {status}"))
        }
    }
}

fn request(job: &StoredJob) -> Option<Request<Full<Bytes>>> {
    let body = serde_json::to_vec(&job.body).expect("a value is JSON");
    let mut request = Request::post(&job.target.url).body(Full::new(body.into())).ok()?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &job.target.headers {
        headers.insert(name.parse::<HeaderName>().ok()?, value.parse().ok()?);
    }
    Some(request)
}

impl CallbackQueue for DurableQueue {
    fn enqueue(&self, job: CallbackJob) -> BoxFuture<'static, Result<(), EnqueueError>> {
        let queue = self.clone();
        Box::pin(async move {
            let CallbackJob { owner, target, body } = job;
            job_size::check(&body, &target, queue.profile.callback_job_limit)?;
            let due_at = queue.seams.clock.now() + queue.profile.callback_latency;
            let job = StoredJob {
                owner,
                target,
                body,
                failed_attempts: 0,
                due_at,
            };
            let number = queue.store.add_job(&job).map_err(EnqueueError::new)?;
            tokio::spawn(queue.consume(number, job));
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use redb::backends::InMemoryBackend;
    use serde_json::json;
    use turnstile_seams::real;

    use super::*;
    use crate::identity::MessageId;
    use crate::model::metadata::CallbackTarget;
    use crate::store::Store;

    fn queue(profile: Profile) -> DurableQueue {
        let store = Store::open(|| Ok(InMemoryBackend::new())).unwrap();
        DurableQueue::new(Arc::new(store), real::seams(), Arc::new(profile))
    }

    fn job(url: &str) -> CallbackJob {
        let message: MessageId = "msg_0123456789abABCDEFGHIJKLMN".parse().unwrap();
        CallbackJob {
            owner: message.into(),
            target: CallbackTarget {
                url: url.to_owned(),
                headers: BTreeMap::new(),
            },
            body: json!({"status": "completed"}),
        }
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_sent_counts_as_one_without_an_answer() {
        let queue = queue(Profile::default());
        // A server without TLS.
        let mut plain = queue.seams.network.listen("127.0.0.1:0").await.unwrap();
        let without_tls = format!("https://{}/", plain.authority());
        tokio::spawn(async move { while plain.accept().await.is_ok() {} });
        // No server listens at port 1.
        for url in [
            &without_tls,
            "https://127.0.0.1:1/",
            "http://127.0.0.1:1/",
            "http://no-such-host.invalid/",
        ] {
            let CallbackJob { owner, target, body } = job(url);
            let job = StoredJob {
                owner,
                target,
                body,
                failed_attempts: 0,
                due_at: queue.seams.clock.now(),
            };
            assert!(matches!(queue.request(&job).await, Attempt::TryAgain(_)), "{url}");
        }
    }

    #[tokio::test]
    async fn a_job_above_the_limit_is_refused_and_not_stored() {
        let queue = queue(Profile {
            callback_job_limit: 20,
            ..Profile::default()
        });
        let refused = queue.enqueue(job("http://receiver/")).await;
        assert!(matches!(refused, Err(EnqueueError::TooLarge(_))), "{refused:?}");
        assert_eq!(queue.store.jobs().unwrap(), []);
    }
}
