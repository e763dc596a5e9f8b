//! The effects of deadlines, as far as they are visible: on the message, on the queue, and on the run.

use turnstile_reference::identity::MessageId;
use turnstile_reference::model::message::{Reason, Source, Status};
use turnstile_reference::session::{CallbackOwner, Effect};

use crate::bench::Bench;
use crate::deadlines::times::LONG;

/// The wrapper was lost: its accepted messages failed, and its run is released (R7.1).
pub fn wrapper_disconnected(bench: &mut Bench, message: &MessageId) -> Result<(), String> {
    ended(
        bench,
        message,
        Reason::WrapperDisconnected,
        Source::WrapperFailure,
    )?;
    let error = bench
        .message(message)
        .outcome()
        .and_then(|outcome| outcome.error.as_deref());
    if error != Some("Wrapper disconnected") {
        return Err(format!("the message has the error {error:?}"));
    }
    called_back(bench, message)?;
    is_released(bench)
}

/// The wrapper was unhealthy: its accepted messages failed, and its run is released (R7.12).
pub fn wrapper_failed(bench: &mut Bench, message: &MessageId) -> Result<(), String> {
    ended(bench, message, Reason::WrapperFailure, Source::WrapperFailure)?;
    called_back(bench, message)?;
    is_released(bench)
}

/// The message keeps its end, and its callback is submitted without a gate result.
pub fn gate_is_released(bench: &mut Bench, message: &MessageId) -> Result<(), String> {
    if !bench.message(message).is_completed() || bench.message(message).gate_result.is_some() {
        return Err(format!("the message is {:?}", bench.message(message)));
    }
    called_back(bench, message)?;
    is_released(bench)
}

/// The message ended with that reason and source.
pub fn ended(bench: &Bench, message: &MessageId, reason: Reason, source: Source) -> Result<(), String> {
    let status = match reason {
        Reason::Interrupted => Status::Interrupted,
        _ => Status::Failed,
    };
    let outcome = bench.message(message).outcome();
    outcome
        .filter(|outcome| (outcome.status, outcome.reason, outcome.source) == (status, Some(reason), source))
        .map(|_| ())
        .ok_or_else(|| format!("the message ended with {outcome:?}"))
}

/// Exactly one callback was submitted if the message has a target, otherwise none.
pub fn called_back(bench: &Bench, message: &MessageId) -> Result<(), String> {
    let wanted = usize::from(bench.message(message).callback_target.is_some());
    let callbacks = bench.callbacks(message);
    if callbacks == wanted {
        Ok(())
    } else {
        Err(format!("the queue got {callbacks} callbacks, not {wanted}"))
    }
}

/// The run is released: its wrapper cannot connect, and the next run has the next generation (R7.13).
pub fn is_released(bench: &mut Bench) -> Result<(), String> {
    let before = bench.run.clone().expect("there was a run");
    if bench.connect() {
        return Err(format!("{before:?} is still current"));
    }
    bench.admit();
    let after = bench.next_delivery().run;
    if after.id != before.id && after.fence.generation == before.fence.generation + 1 {
        Ok(())
    } else {
        Err(format!("{before:?} was followed by {after:?}"))
    }
}

/// The queue, which now accepts the callback, received the same job twice and not again.
pub fn is_submitted_once_more_and_never_again(bench: &mut Bench, message: &MessageId) -> Result<(), String> {
    bench.queue_answers(CallbackOwner::Message(message.clone()), Ok(()));
    bench.pass(LONG);
    bench.restart();
    bench.pass(LONG);
    let jobs: Vec<_> = bench
        .log()
        .iter()
        .filter_map(|(_, effect)| match effect {
            Effect::Enqueue(job) => Some(job),
            _ => None,
        })
        .collect();
    let callback = bench.message(message).callback.as_ref();
    if jobs.len() != 2 || jobs[0] != jobs[1] {
        return Err(format!("the queue got {jobs:?}"));
    }
    callback
        .filter(|callback| callback.callback_attempts == 1 && callback.callback_enqueued_at.is_some())
        .map(|_| ())
        .ok_or_else(|| format!("{callback:?} was recorded"))
}
