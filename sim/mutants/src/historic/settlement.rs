//! Historic bugs of settlement: work that a final word should settle stays open, or ends too early (protocol §6).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;
use turnstile_profile::Profile;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::legacy::model::Origin;
use turnstile_reference::model::message::{Message, Outcome, Source, State};
use turnstile_reference::session::events::{Event, EventRow, ended};
use turnstile_reference::session::frame::{Frame, Meaning};
use turnstile_reference::session::kilo::KiloEvent;
use turnstile_reference::session::{Effect, Input, Session, SocketId};

use crate::core_row::{CoreRow, change_core};
use crate::{id_of, lock};

/// The close code of a socket with a stale fence (R5.61).
const STALE: u16 = 4401;

/// The frame of an input, if it is one.
fn frame_of(input: &Input) -> Option<&Frame> {
    match input {
        Input::IngestEvent { frame, .. } => Some(frame),
        _ => None,
    }
}

/// Undoes a decision, except for events of the type `kept`, if any, and has the session read again.
fn undo_except(kept: Option<&str>, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
    let is_kept = |event: &Event| kept == Some(event.stream_event_type.as_str());
    decided.commit.messages.clear();
    decided.commit.metadata = None;
    decided.commit.needs_resuming = true;
    decided.commit.events.to_mut().retain(|row| is_kept(&row.event));
    decided
        .effects
        .retain(|effect| matches!(effect, Effect::Broadcast(event) if is_kept(event)));
    let mut core = CoreRow::of(moment.before);
    let after = CoreRow::of(decided.session);
    // Ids of events are never given twice, and the calendar is moved in the same commit.
    for field in ["lastEvent", "calendarDay"] {
        core.0[field] = after.0[field].clone();
    }
    decided.commit.core = Some(core.into_core());
    Memory::IsReread
}

/// Relays `complete` without settling accepted messages, so that they wait for the socket to close; violates R6.17.
pub struct CompleteSettlesNothing;

impl Interceptor for CompleteSettlesNothing {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let frame =
            frame_of(moment.input).filter(|frame| matches!(frame.meaning(), Meaning::Complete { .. }));
        match frame {
            Some(frame) if moment.before.messages().any(Message::is_accepted) => {
                undo_except(Some(frame.stream_event_type()), moment, decided)
            }
            _ => Memory::Stays,
        }
    }
}

/// Answers an interrupt with success and leaves accepted messages to the wrapper; violates R6.24 and R6.25.
pub struct InterruptLeavesAccepted;

impl Interceptor for InterruptLeavesAccepted {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let is_interrupt = matches!(moment.input, Input::Interrupt);
        if !is_interrupt || !moment.before.messages().any(Message::is_accepted) {
            return Memory::Stays;
        }
        let sent = decided
            .effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Send(..)));
        let sent: Vec<Effect> = sent.cloned().collect();
        let memory = undo_except(None, moment, decided);
        decided.effects = sent;
        memory
    }
}

/// Drops the idle reconciliation when the wrapper sends output after root idle; violates R7.5.
pub struct OutputCancelsReconciliation;

impl Interceptor for OutputCancelsReconciliation {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let is_output = frame_of(moment.input).is_some_and(|frame| {
            matches!(
                frame.meaning(),
                Meaning::Kilo(
                    KiloEvent::MessageUpdated { .. } | KiloEvent::PartUpdated { .. } | KiloEvent::Unknown
                ) | Meaning::Other
            )
        });
        let is_set = |session: &Session| !CoreRow::of(session).deadline("reconciliation").is_null();
        if !is_output || !is_set(moment.before) || !is_set(decided.session) {
            return Memory::Stays;
        }
        change_core(decided, |core| core.remove_deadlines(&["reconciliation"]));
        Memory::IsReread
    }
}

/// Counts a heartbeat as output, or as the answer that moves the ping; violates R7.14.
pub struct HeartbeatPostpones {
    deadline: &'static str,
    by: fn(&Profile) -> Duration,
}

impl HeartbeatPostpones {
    /// A heartbeat is output, so a stuck turn never ends.
    pub const NO_OUTPUT: Self = Self {
        deadline: "noOutput",
        by: |profile| profile.no_output_timeout,
    };
    /// A heartbeat moves the ping, so a wrapper without an agent is never asked.
    pub const PING: Self = Self {
        deadline: "ping",
        by: |profile| profile.ping_interval,
    };
}

impl Interceptor for HeartbeatPostpones {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let is_heartbeat =
            frame_of(moment.input).is_some_and(|frame| matches!(frame.meaning(), Meaning::Heartbeat));
        if !is_heartbeat || CoreRow::of(decided.session).deadline(self.deadline).is_null() {
            return Memory::Stays;
        }
        let later = json!(moment.now + (self.by)(&Profile::default()));
        change_core(decided, |core| core.set_deadline(self.deadline, &later));
        Memory::IsReread
    }
}

/// Goes on relaying what the wrapper of an interrupted run says; violates R6.25.
#[derive(Default)]
pub struct RelaysAfterInterrupt {
    /// Sockets of interrupted runs that were left open.
    left_open: Mutex<BTreeSet<(String, SocketId)>>,
}

impl Interceptor for RelaysAfterInterrupt {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let session = id_of(decided.session).to_string();
        let mut left_open = lock(&self.left_open);
        match moment.input {
            Input::Interrupt => decided.effects.retain(|effect| match effect {
                Effect::Close(socket, STALE) => {
                    left_open.insert((session.clone(), *socket));
                    false
                }
                _ => true,
            }),
            Input::IngestEvent { socket, frame } if left_open.contains(&(session, *socket)) => {
                decided
                    .effects
                    .retain(|effect| !matches!(effect, Effect::Close(..)));
                decided.effects.push(Effect::Broadcast(Event {
                    id: 0,
                    stream_event_type: frame.stream_event_type().to_owned(),
                    timestamp: moment.now,
                    origin: Origin::default(),
                    data: frame.data().clone(),
                }));
            }
            _ => {}
        }
        Memory::Stays
    }
}

/// Ends queued messages together with the messages of a run that is lost; violates R6.15.
pub struct QueueDiesWithRun;

impl Interceptor for QueueDiesWithRun {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let is_loss = |outcome: &&Outcome| outcome.source == Source::WrapperFailure;
        let mut ended_now = decided
            .commit
            .messages
            .iter()
            .filter_map(|message| message.outcome());
        let Some(outcome) = ended_now.find(is_loss).cloned() else {
            return Memory::Stays;
        };
        let queued = decided.session.messages().filter(|message| message.is_queued());
        let mut victims: Vec<Message> = queued.cloned().collect();
        if victims.is_empty() {
            return Memory::Stays;
        }
        let mut last_event = decided.session.last_event();
        for message in &mut victims {
            message.state = State::Terminal(outcome.clone());
            let (name, data) = ended(message);
            last_event += 1;
            let event = Event {
                id: last_event,
                stream_event_type: name.to_owned(),
                timestamp: moment.now,
                origin: Origin::default(),
                data: data.into(),
            };
            let row = EventRow {
                event: event.clone(),
                entity: None,
            };
            decided.commit.events.to_mut().push(row);
            decided.effects.push(Effect::Broadcast(event));
        }
        decided
            .effects
            .retain(|effect| !matches!(effect, Effect::Deliver(_)));
        for message in victims {
            decided.commit.messages.retain(|row| row.id != message.id);
            decided.commit.messages.push(Cow::Owned(message));
        }
        change_core(decided, |core| core.0["lastEvent"] = json!(last_event));
        Memory::IsReread
    }
}
