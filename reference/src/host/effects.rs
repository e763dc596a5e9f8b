//! Carries out the effects of a decision after its commit.
//!
//! Long operations run in separate tasks, and report to the session with inputs. Nothing is decided here.

use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use turnstile_seams::ClockExt as _;

use super::{Checkpoint, LiveEvent, Services, SessionHandle, SessionHost, ToIngest, Unanswered};
use crate::coverage::ServerMark;
use crate::delivery::cancelled;
use crate::session::events::{Event, name};
use crate::session::wrapper::{Delivery, DeliveryFailure};
use crate::session::{CallbackJob, Effect, EnqueueError, Input, Reply, SocketId};
use crate::store::SessionKey;

impl SessionHost {
    /// Carries out effects in order.
    pub(super) fn act(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Broadcast(event) => self.broadcast(event),
                Effect::Send(socket, command) => self.to_ingest(socket, ToIngest::Command(command)),
                Effect::Close(socket, code) => {
                    self.to_ingest(socket, ToIngest::Close(code));
                    self.ingests.remove(&socket);
                }
                Effect::Deliver(delivery) => {
                    let Some(handle) = self.handle() else { continue };
                    let (services, key) = (self.services.clone(), self.key.clone());
                    let run = delivery.run.id.clone();
                    let task =
                        tokio::spawn(async move { deliver(&services, &key, *delivery, &handle).await });
                    self.requests.delivery_begins(run, task.abort_handle());
                }
                Effect::CancelDelivery(run) => {
                    tracing::info!(session = %self.key.session, %run, "delivery cancelled");
                    self.requests.cancel_delivery(&run);
                }
                Effect::StopWrapper(run) => {
                    tracing::info!(session = %self.key.session, %run, "wrapper run released");
                    let (services, key) = (self.services.clone(), self.key.clone());
                    let stopped = run.clone();
                    let task = tokio::spawn(async move { services.wrapper.abort(&key, &stopped).await });
                    self.requests.stop_begins(run, task.abort_handle());
                }
                Effect::CallbackGivenUp(owner, too_large) => {
                    let error: &dyn std::error::Error = &too_large;
                    tracing::error!(session = %self.key.session, %owner, error, "callback given up");
                }
                Effect::EndStreams => self.subscribers.clear(),
                Effect::Enqueue(job) => {
                    let Some(handle) = self.handle() else { continue };
                    let services = self.services.clone();
                    tokio::spawn(async move { enqueue(&services, *job, &handle).await });
                }
            }
        }
    }

    fn to_ingest(&self, socket: SocketId, what: ToIngest) {
        if let Some(outlet) = self.ingests.get(&socket) {
            // A closed socket reports its end itself.
            let _ = outlet.send(what);
        }
    }

    /// Sends an event to all subscribers, and drops those that are disconnected or too far behind (R9.25).
    fn broadcast(&mut self, event: Event) {
        self.log(&event);
        let event = Arc::new(LiveEvent::new(event));
        self.subscribers.retain(|subscriber| {
            let sent = subscriber.try_send(event.clone());
            if matches!(sent, Err(TrySendError::Full(_))) {
                ServerMark::StreamBehind.hit();
            }
            sent.is_ok()
        });
    }

    /// Logs the events of messages, without texts of users and wrappers.
    fn log(&self, event: &Event) {
        let session = &self.key.session;
        let field = |name: &str| event.data[name].as_str();
        match event.stream_event_type.as_str() {
            name::QUEUED => tracing::info!(%session, message_id = field("messageId"), "message admitted"),
            name::SENT => tracing::info!(%session, message_id = field("messageId"), "message sent"),
            name::COMPLETED | name::FAILED => tracing::info!(
                %session,
                message_id = field("messageId"),
                status = field("status"),
                reason = field("reason"),
                source = field("completionSource"),
                "message settled"
            ),
            _ => {}
        }
    }
}

/// Delivers a message and reports the result to the session.
async fn deliver(services: &Services, key: &SessionKey, delivery: Delivery, session: &SessionHandle) {
    let message = delivery.message.id.clone();
    let run = delivery.run.id.clone();
    let generation = delivery.run.fence.generation;
    tracing::info!(session = %key.session, message_id = %message, %run, generation, "making the wrapper ready");
    let result = prepare_and_submit(services, &delivery, session).await;
    if let Err(failure) = &result {
        // The failure's text is not logged, because it may repeat secrets that the wrapper received.
        let code = failure.code.as_str();
        tracing::warn!(session = %key.session, message_id = %message, %run, generation, code, "delivery failed");
    }
    session.send(Input::Delivered { message, run, result });
}

async fn prepare_and_submit(
    services: &Services,
    delivery: &Delivery,
    session: &SessionHandle,
) -> Result<(), DeliveryFailure> {
    let workspace = services.wrapper.ensure_ready(delivery).await?;
    let run = delivery.run.id.clone();
    let prepared = Input::Prepared { run, workspace };
    // The workspace is ready, so a failing store only delays its record.
    let proceed = loop {
        match session.request(prepared.clone()).await {
            Err(Unanswered::NotStored) => {
                services.clock.sleep(services.profile.commit_retry_delay).await;
            }
            answered => break matches!(answered, Ok(Reply::Proceed(true))),
        }
    };
    if !proceed {
        return Err(cancelled());
    }
    services.wrapper.submit(delivery).await
}

/// Submits a callback to the queue and reports the result to the session.
async fn enqueue(services: &Services, job: CallbackJob, session: &SessionHandle) {
    let owner = job.owner.clone();
    let result = services.queue.enqueue(job).await;
    match &result {
        Ok(()) => services.checkpoints.pass(Checkpoint::AfterEnqueue).await,
        // The session decides and logs it.
        Err(EnqueueError::TooLarge(_)) => {}
        Err(error @ EnqueueError::Rejected(_)) => {
            let error = error.to_string();
            tracing::warn!(%owner, error, "callback stored: rejected by the queue, retry scheduled");
        }
    }
    session.send(Input::Enqueued { owner, result });
}
