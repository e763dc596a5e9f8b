//! Historic bugs of the disconnect grace: other deadlines of the run go on while the wrapper is away (protocol §7).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;

use serde_json::json;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::identity::SessionId;
use turnstile_reference::model::message::{Message, Outcome, Reason, State};
use turnstile_reference::session::{Input, Reply};

use crate::core_row::{CoreRow, change_core};
use crate::{change_events, id_of, lock};

/// The deadlines of a run. The core of its session has them all.
const OF_A_RUN: [&str; 5] = ["grace", "ping", "pong", "noOutput", "reconciliation"];

/// Gives up a run inside its grace, at the time of the pong or no-output deadline; violates R7.19.
#[derive(Default)]
pub struct DeadlinesFireInGrace {
    /// Sessions whose grace ends at such a deadline.
    cut_short: Mutex<BTreeSet<SessionId>>,
}

impl Interceptor for DeadlinesFireInGrace {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut cut_short = lock(&self.cut_short);
        let session = id_of(decided.session);
        let (before, after) = (CoreRow::of(moment.before), CoreRow::of(decided.session));
        let Some(grace) = after.deadline_at("grace") else {
            let fires = cut_short.remove(session) && matches!(moment.input, Input::Wake);
            return if fires {
                blame_wrapper(decided)
            } else {
                Memory::Stays
            };
        };
        if before.deadline_at("grace").is_some() {
            return Memory::Stays;
        }
        let others = ["pong", "noOutput"]
            .into_iter()
            .filter_map(|name| before.deadline_at(name));
        let Some(earlier) = others.min().filter(|other| *other < grace) else {
            return Memory::Stays;
        };
        cut_short.insert(session.clone());
        change_core(decided, |core| {
            core.set_deadline("grace", &json!(earlier.max(moment.now)));
        });
        Memory::IsReread
    }
}

/// Ends messages because of an unhealthy wrapper instead of a lost connection.
fn blame_wrapper(decided: &mut Decided<'_>) -> Memory {
    for row in &mut decided.commit.messages {
        if let Some(outcome) = row.outcome()
            && outcome.reason == Some(Reason::WrapperDisconnected)
        {
            let reason = Some(Reason::WrapperFailure);
            let outcome = Outcome {
                reason,
                ..outcome.clone()
            };
            row.to_mut().state = State::Terminal(outcome);
        }
    }
    change_events(decided, |event| {
        if event.data["reason"] == json!(Reason::WrapperDisconnected) {
            Arc::make_mut(&mut event.data)["reason"] = json!(Reason::WrapperFailure);
        }
    });
    Memory::IsReread
}

/// Holds a wrapper that reconnects to the ping that was lost with its old socket; violates R7.20.
pub struct LostPingOutlivesReconnect;

impl Interceptor for LostPingOutlivesReconnect {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let is_back = matches!(moment.input, Input::IngestOpened { .. })
            && matches!(decided.reply, Reply::Ingest(Ok(())));
        let before = CoreRow::of(moment.before);
        if !is_back || before.deadline("grace").is_null() || before.deadline("pong").is_null() {
            return Memory::Stays;
        }
        change_core(decided, |core| {
            core.remove_deadlines(&["ping"]);
            core.set_deadline("pong", &before.deadline("pong"));
        });
        Memory::IsReread
    }
}

/// Sets no deadline again for an accepted message after a crash; violates R7.28.
pub struct ForgetsDeadlinesOnBoot;

impl Interceptor for ForgetsDeadlinesOnBoot {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let is_boot = matches!(moment.input, Input::Resume);
        if !is_boot || !decided.session.messages().any(Message::is_accepted) {
            return Memory::Stays;
        }
        change_core(decided, |core| core.remove_deadlines(&OF_A_RUN));
        Memory::IsReread
    }
}
