//! A stream shows what wrappers sent (protocol §5, §9): every frame under a current fence once, in order and unchanged,
//! and no other event of a wrapper. `kinds` has which events are kept, `spoken` what was sent.
//!
//! - Frames on one connection reach the server in order. A client that received one of them also received all that
//!   were sent before it since the client was connected. No fault excuses a gap, except one of the server's disk.
//! - Frames after the last one that a client received may have been lost. They are required only if client and wrapper
//!   stayed connected without a disturbance.
//! - Several frames may have equal content. An event may be any of them.

mod kinds;
mod spoken;

use std::collections::BTreeMap;
use std::time::Duration;

use self::spoken::{Socket, Spoken};
use super::history::{SeenEvent, SessionHistory, Stream, StreamEvent, WrapperFrame, is_reserved, kilo};
use super::replay::is_connected;
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "relay-is-exact",
    rule: "A stream shows each frame that a wrapper sent under a current fence once, in order and unchanged, and no \
        other event of a wrapper. The kinds that are kept have ids.",
    why: "A client shows the agent's work as it happens. A delta that is lost, doubled or out of order garbles the \
        text, and an event that no wrapper sent describes work that nobody did.",
    moment: Moment::Always,
    protocol: &ids(["R9.22", "R9.26", "R9.27", "R9.28", "R9.43"]),
    check: Check::Sessions(check),
};

/// The event that shows the commands of the wrapper. The first one on a stream is the server's.
const CATALOGUE: &str = "commands.available";
/// Events that the server sends itself, also without a frame of a wrapper.
const OF_SERVER: [&str; 2] = ["preparing", "wrapper_disconnected"];
/// Events that the server sends itself for executions (R10.31, R10.32).
const OF_EXECUTIONS: [&str; 2] = ["error", "interrupted"];
/// The time in which the server closes a connection after a frame under a fence that is not current.
const CLOSING_TIME: Duration = Duration::from_secs(5);

fn check(session: &SessionHistory) -> Vec<Finding> {
    let spoken = Spoken::of(session);
    let mut findings = kinds::check(session);
    for stream in &session.streams {
        let view = View::of(session, stream);
        findings.extend(view.excess(session, &spoken));
        if !stream.is_filtered {
            findings.extend(view.missing(session, &spoken));
        }
    }
    findings
}

/// One stream as its client saw it.
struct View<'a> {
    stream: &'a Stream,
    shown: Vec<&'a SeenEvent>,
}

impl<'a> View<'a> {
    fn of(session: &SessionHistory<'a>, stream: &'a Stream) -> Self {
        Self {
            stream,
            shown: session.run.shown(stream).collect(),
        }
    }

    /// The finding about the first event that no frame explains. Frames whose content the trace does not show may
    /// explain any event.
    fn excess(&self, session: &SessionHistory, spoken: &Spoken) -> Option<Finding> {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        let mut has_catalogue = false;
        let mut unexplained = 0;
        for seen in &self.shown {
            let event = &seen.event;
            let is_first_catalogue = event.name == CATALOGUE && !std::mem::replace(&mut has_catalogue, true);
            if is_of_server(event) || is_first_catalogue {
                continue;
            }
            let times = spoken.times(event.content, seen.seen_at + session.run.leeway_of_work());
            let count = counts.entry(event.content).or_default();
            *count += 1;
            if *count <= times {
                continue;
            }
            let what = if times == 0 {
                "which no wrapper sent"
            } else {
                "more often than wrappers sent it"
            };
            unexplained += 1;
            if unexplained > spoken.unread {
                let text = format!("{} received {}, {what}", self.stream.party, label(event));
                return Some(ORACLE.finding(&ids(["R9.43"]), seen.seen_at, None, text));
            }
        }
        None
    }

    /// The finding about the first frame of a connection that the stream should show and does not.
    fn missing(&self, session: &SessionHistory, spoken: &Spoken) -> Option<Finding> {
        let connected = self.shown.iter().position(|seen| is_connected(&seen.event))?;
        let (live, connected) = (&self.shown[connected + 1..], self.shown[connected]);
        // The frames that were sent after the client was connected, so the server read them after that too.
        let since = connected.seen_at + session.run.max_transit();
        let mut sockets = spoken.sockets.iter();
        sockets.find_map(|socket| {
            let required: Vec<&WrapperFrame> = socket.relayable_since(since).collect();
            let mut rest = live.iter();
            let is_shown = |sent: &WrapperFrame| rest.any(|seen| seen.event.content == sent.content);
            let (place, missing) = first_failing(&required, is_shown)?;
            self.gap(session, spoken, live, (missing, &required[place + 1..]))
                .or_else(|| self.lost_tail(session, socket, missing))
        })
    }

    /// The finding about a frame that is missing although a later one of its connection is shown.
    fn gap(
        &self,
        session: &SessionHistory,
        spoken: &Spoken,
        live: &[&SeenEvent],
        (missing, later): (&WrapperFrame, &[&WrapperFrame]),
    ) -> Option<Finding> {
        let mut unique = later
            .iter()
            .filter(|sent| spoken.times(sent.content, Duration::MAX) == 1);
        let seen = unique.find_map(|sent| {
            let mut live = live.iter();
            live.find(|seen| seen.event.content == sent.content)
        })?;
        if session.run.faults.store_may_have_failed(missing.at, seen.seen_at) {
            // The server may have answered the frame with an error (R5.55).
            return None;
        }
        let is_elsewhere = live.iter().any(|seen| seen.event.content == missing.content);
        let what = if is_elsewhere {
            "not in its place"
        } else {
            "not at all"
        };
        let text = format!(
            "{} received {} and {what} {}, which the wrapper had sent before it at {}",
            self.stream.party,
            label(&seen.event),
            label_of_frame(missing),
            secs(missing.at)
        );
        Some(ORACLE.finding(&ids(["R9.22", "R9.43"]), seen.seen_at, None, text))
    }

    /// The finding about a frame that certainly arrived under a current fence, with none shown after it.
    fn lost_tail(
        &self,
        session: &SessionHistory,
        socket: &Socket,
        missing: &WrapperFrame,
    ) -> Option<Finding> {
        let certain = session.is_alive(self.stream) && certainly_relayed(session, socket, missing.at);
        certain.then(|| {
            let text = format!(
                "{} never received {}, which the wrapper sent at {}",
                self.stream.party,
                label_of_frame(missing),
                secs(missing.at)
            );
            ORACLE.finding(&ids(["R9.22", "R9.43"]), missing.at, None, text)
        })
    }
}

/// The first item that fails, with its place.
fn first_failing<'a>(
    items: &[&'a WrapperFrame],
    mut passes: impl FnMut(&WrapperFrame) -> bool,
) -> Option<(usize, &'a WrapperFrame)> {
    let place = items.iter().position(|item| !passes(item))?;
    Some((place, items[place]))
}

/// Whether a frame that was sent at that time certainly reached the server under a current fence: its connection stayed
/// open without a disturbance. A frame under another fence is answered with a close (R5.61).
fn certainly_relayed(session: &SessionHistory, socket: &Socket, sent_at: Duration) -> bool {
    let run = session.run;
    let answered_by = sent_at + CLOSING_TIME + run.max_transit() * 2;
    let is_open = socket.closed_at.is_none_or(|closed_at| closed_at > answered_by);
    let faults = &run.faults;
    is_open
        && run.end > answered_by
        && !session.is_removed
        && !faults.may_have_disrupted(socket.host, socket.opened_at, answered_by)
        && !faults.store_may_have_failed(sent_at, answered_by)
}

/// Whether the server itself may have sent an event.
fn is_of_server(event: &StreamEvent) -> bool {
    let name = event.name.as_str();
    is_reserved(name) || OF_SERVER.contains(&name) || event.is_of_execution() && OF_EXECUTIONS.contains(&name)
}

/// The name of an event for a finding: that of kilo's event, if it has one.
fn label(event: &StreamEvent) -> &str {
    event.kilo().map_or(event.name.as_str(), |(name, _)| name)
}

/// The same of a frame.
fn label_of_frame(frame: &WrapperFrame) -> &str {
    kilo(&frame.name, &frame.data).map_or(frame.name.as_str(), |(name, _)| name)
}

#[cfg(test)]
mod tests;
