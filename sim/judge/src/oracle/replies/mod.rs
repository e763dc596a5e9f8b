//! What a reply says follows from the log as it stood at some moment between the request and the reply (protocol §2, §3,
//! §9).
//!
//! | file | replies |
//! |---|---|
//! | `work` | no replies: the current work at each moment, by the log |
//! | `acks` | of procedures that admit messages |
//! | `views` | of `getSession` and `getSessionHealth` |
//! | `latest` | of `getLatestAssistantMessage` |
//! | `stops` | of `interruptSession` and `deleteSession`, and of everything after a deletion |
//!
//! Replies race with events, so every moment between request and reply counts. A request with credentials that are not the
//! user's own is not judged here.

mod acks;
mod latest;
mod stops;
mod views;
mod work;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::history::{Call, SessionHistory, StreamEvent};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "replies-follow-from-the-log",
    rule: "Every reply is right for the state that the log shows at some moment between the request and the reply.",
    why: "Clients show what replies say and decide by it. One that reports idle work, an older answer or an interrupt \
        of nothing misleads them, although all events are right.",
    moment: Moment::Always,
    protocol: &ids([
        "R2.31", "R2.53", "R2.54", "R2.56", "R2.58", "R2.60", "R2.61", "R2.79", "R2.90", "R2.92", "R2.96",
        "R2.97", "R2.98", "R2.100", "R2.102", "R2.103", "R2.104", "R2.107", "R2.110", "R2.126", "R2.127",
        "R2.128", "R3.5", "R3.6", "R3.7", "R3.8", "R3.14", "R7.11", "R9.58", "R9.60", "R9.61", "R9.62",
        "R9.63", "R9.64", "R9.65", "R9.74", "R9.75", "R9.77", "R9.78",
    ]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let deletion = stops::first_deletion(session);
    let mut findings = stops::after_deletion(session, deletion);
    findings.extend(stops::outlived(session));
    let Some(log) = &session.log else {
        return findings;
    };
    let lives = lives(log);
    let deleted_from = deletion.map_or(Duration::MAX, |call| call.at);
    let replies: Vec<Reply> = session
        .calls
        .iter()
        .filter_map(|call| Reply::of(session, log, &lives, call))
        .filter(|reply| reply.at < deleted_from)
        .collect();
    for reply in &replies {
        findings.extend(stops::missing(reply));
        findings.extend(match reply.call.procedure.as_str() {
            "start" | "send" | "sendMessageV2" | "initiateFromKilocodeSessionV2" => acks::check(reply),
            "getSession" => views::session(reply),
            "getSessionHealth" => views::health(reply),
            "getLatestAssistantMessage" => latest::check(reply),
            "interruptSession" => stops::interrupt(reply),
            _ => Vec::new(),
        });
    }
    findings.extend(views::sequence(&replies));
    findings
}

/// What the log has of a message: its admission, its acceptance and its end.
#[derive(Debug, Clone, Copy, Default)]
struct Life<'a> {
    queued: Option<&'a StreamEvent>,
    sent: Option<&'a StreamEvent>,
    end: Option<&'a StreamEvent>,
}

/// The messages in a log.
fn lives<'a>(log: &[&'a StreamEvent]) -> BTreeMap<&'a str, Life<'a>> {
    let mut lives: BTreeMap<&str, Life> = BTreeMap::new();
    for event in log.iter().copied() {
        let Some(message) = event.message() else { continue };
        let life = lives.entry(message).or_default();
        let place = match () {
            () if event.is_queued() => &mut life.queued,
            () if event.is_sent() => &mut life.sent,
            () => &mut life.end,
        };
        place.get_or_insert(event);
    }
    lives
}

/// A reply, and the log to judge it by.
struct Reply<'s, 'a> {
    session: &'s SessionHistory<'a>,
    log: &'s [&'a StreamEvent],
    /// The messages in the log.
    lives: &'s BTreeMap<&'a str, Life<'a>>,
    call: &'a Call,
    /// Time of the reply.
    at: Duration,
    status: u16,
    /// The data of a successful reply; null otherwise.
    data: &'a Value,
}

impl<'s, 'a> Reply<'s, 'a> {
    fn of(
        session: &'s SessionHistory<'a>,
        log: &'s [&'a StreamEvent],
        lives: &'s BTreeMap<&'a str, Life<'a>>,
        call: &'a Call,
    ) -> Option<Self> {
        let (at, status, body) = call.reply.as_ref()?;
        let data = if *status == 200 {
            &body["result"]["data"]
        } else {
            &Value::Null
        };
        call.is_by_user().then_some(Self {
            session,
            log,
            lives,
            call,
            at: *at,
            status: *status,
            data,
        })
    }

    /// The time up to which an event certainly happened before the request.
    fn surely_before(&self) -> Duration {
        self.call.at.saturating_sub(self.session.run.time_error())
    }

    /// The time from which an event certainly happened after the reply.
    fn possibly_until(&self) -> Duration {
        self.at + self.session.run.time_error()
    }

    /// What the log has of a message.
    fn life(&self, message: &str) -> Life<'a> {
        self.lives.get(message).copied().unwrap_or_default()
    }

    fn finding(&self, violated: &[RuleId], message: Option<&str>, text: &str) -> Finding {
        let text = format!("{} was answered {} {text}", self.call.procedure, self.status);
        ORACLE.finding(violated, self.at, message, text)
    }
}

/// A time in a reply, in Unix milliseconds, since the beginning of the run; `None` if it is no such time.
fn since_beginning(session: &SessionHistory, value: &Value) -> Option<Duration> {
    let milliseconds = value.as_i64()?.checked_sub(session.run.epoch.as_millisecond())?;
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests;
