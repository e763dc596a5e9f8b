//! Historic bugs of the disconnect grace: other deadlines of the run go on while the wrapper is away (protocol §7).

use serde_json::json;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::model::message::Message;
use turnstile_reference::session::{Input, Reply};

use crate::core_row::{CoreRow, change_core};

/// The deadlines of a run, which all stand in the core of its session.
const OF_A_RUN: [&str; 5] = ["grace", "ping", "pong", "noOutput", "reconciliation"];

/// Gives up a run inside its grace, at the time of the pong or no-output deadline; violates R7.19.
pub struct DeadlinesFireInGrace;

impl Interceptor for DeadlinesFireInGrace {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let (before, after) = (CoreRow::of(moment.before), CoreRow::of(decided.session));
        let (None, Some(grace)) = (before.deadline_at("grace"), after.deadline_at("grace")) else {
            return Memory::Stays;
        };
        let others = ["pong", "noOutput"]
            .into_iter()
            .filter_map(|name| before.deadline_at(name));
        match others.min().filter(|other| *other < grace) {
            Some(earlier) => {
                change_core(decided, |core| {
                    core.set_deadline("grace", &json!(earlier.max(moment.now)));
                });
                Memory::IsReread
            }
            None => Memory::Stays,
        }
    }
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
