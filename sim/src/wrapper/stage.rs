//! What a case can do and expect: a wrapper, the server's side of its requests and ingests, and a gateway.

use std::io;
use std::time::Duration;

use axum::http::Method;
use fake_gateway::gateway::Gateway;
use serde_json::Value;
use turnstile_events::observation::Probe;
use turnstile_judge::parties::{GATEWAY, SERVER, WRAPPER};
use turnstile_seams::ClockExt as _;

use super::ingest::{Event, Happened, Ingest};
use super::launch::{Launched, launch};
use super::rules::{FRAMES, NAMES, OPENS, RUNS};
use super::session::Session;
use super::turns::name;
use super::{Target, Wrapper};
use crate::role::case::Step;
use crate::role::record::Record;
use crate::role::rule::RoleRule;
use crate::role::socket::Cut;
use crate::role::{CALM, STARTING};
use crate::script::Verdict;

/// A loopback address with a free port.
const ANY_PORT: &str = "127.0.0.1:0";
/// Time between two requests while a state is awaited.
const POLL_INTERVAL: Duration = Duration::from_millis(15);
/// The number of last events that a finding shows.
const LAST_EVENTS: usize = 12;

/// A case in progress.
pub struct Stage {
    pub(super) record: Record,
    pub(super) ingest: Ingest,
    pub(super) session: Session,
    pub(super) patience: Duration,
    pub(super) pauses: Vec<Duration>,
    launched: Launched,
    /// The wrapper's authority.
    pub(super) wrapper: String,
    /// The gateway's authority.
    pub(super) gateway: String,
    /// Records the requests of the server.
    pub(super) probe: Probe,
    /// Number of ingests that were awaited.
    awaited: usize,
}

impl Stage {
    /// Starts the gateway and the wrapper.
    pub(super) async fn start(wrapper: &Wrapper) -> io::Result<Self> {
        let record = Record::begin();
        let given = match &wrapper.target {
            Target::Command(_) => ANY_PORT,
            Target::Running { gateway, .. } => gateway,
        };
        let listener = record.seams.network.listen(given).await?;
        let gateway = listener.authority();
        tokio::spawn(Gateway::new(record.seams.clone(), record.probe(GATEWAY)).serve(listener));
        let ingest = Ingest::start(record.recorder())?;
        let launched = launch(&wrapper.target, &gateway, &wrapper.reconnect_pauses)?;
        Ok(Self {
            session: Session::new(ingest.authority(), &record.seams.randomness),
            probe: record.probe(SERVER),
            record,
            ingest,
            patience: wrapper.patience,
            pauses: wrapper.reconnect_pauses.clone(),
            wrapper: launched.authority.clone(),
            launched,
            gateway,
            awaited: 0,
        })
    }

    /// Waits until the wrapper answers.
    pub(super) async fn is_up(&mut self) -> Step {
        let deadline = self.record.seams.clock.now() + self.patience * STARTING;
        loop {
            let answer = self.try_request(Method::GET, "/health", None).await;
            if answer.as_ref().is_ok_and(|reply| reply.status == 200) {
                return Ok(());
            }
            let has_ended = match &mut self.launched.process {
                Some(process) => process.has_ended(),
                // It should run already.
                None => answer.is_err(),
            };
            if has_ended || self.record.seams.clock.now() >= deadline {
                let seen = answer.map_or_else(|error| error, |reply| format!("status {}", reply.status));
                let text = format!(
                    "`GET /health` is not answered with 200: {seen}{}",
                    self.condition().await
                );
                return self.record.violated(&RUNS, text);
            }
            self.pause().await;
        }
    }

    /// Checks what holds in every case, and returns the verdict.
    pub(super) fn finish(mut self) -> Verdict {
        if self.record.is_clean()
            && let Some((rule, text)) = self.ingest.look(0, |events| events.iter().find_map(wrong))
        {
            self.record.find(rule, text);
        }
        self.record.into_verdict()
    }

    /// Lets a short time pass between two looks.
    pub(super) async fn pause(&self) {
        self.record.seams.clock.sleep(POLL_INTERVAL).await;
    }

    /// Lets the short time of an absence pass.
    pub(super) async fn calm(&self) {
        self.calm_after(Duration::ZERO).await;
    }

    /// Lets a time pass, and then the short time of an absence.
    pub(super) async fn calm_after(&self, time: Duration) {
        self.record.seams.clock.sleep(time + CALM).await;
    }

    /// What the process does, to be appended to a text.
    pub(super) async fn condition(&mut self) -> String {
        match &mut self.launched.process {
            Some(process) => {
                process.settle().await;
                format!("; the process: {}", process.condition())
            }
            None => String::new(),
        }
    }

    /// What happened at the ingest, from an index on.
    pub(super) fn since(&self, from: usize) -> Vec<Event> {
        self.ingest.since(from)
    }

    /// The frames from an index on.
    pub(super) fn frames(&self, from: usize) -> Vec<Value> {
        self.ingest.look(from, |events| frames(events).cloned().collect())
    }

    /// An index for now.
    pub(super) fn mark(&self) -> usize {
        self.ingest.len()
    }

    /// Waits until `look` finds something in the events from an index on.
    pub(super) async fn wait<T>(
        &mut self,
        rule: &RoleRule,
        from: usize,
        what: &str,
        mut look: impl FnMut(&[Event]) -> Option<T>,
    ) -> Step<T> {
        let ingest = self.ingest.clone();
        let waiting = async {
            loop {
                if let Some(found) = ingest.look(from, &mut look) {
                    return found;
                }
                ingest.news().await;
            }
        };
        let clock = self.record.seams.clock.clone();
        let has_ended = async {
            match &mut self.launched.process {
                Some(process) => process.ended().await,
                None => std::future::pending().await,
            }
        };
        let found = tokio::select! {
            biased;
            found = clock.timeout(self.patience, waiting) => found.ok(),
            () = has_ended => None,
        };
        match found {
            Some(found) => Ok(found),
            None => {
                let seconds = self.patience.as_secs_f64();
                let seen = ingest.look(from, described);
                let condition = self.condition().await;
                let text = format!("{what} within {seconds} s; seen: {seen}{condition}");
                self.record.violated(rule, text)
            }
        }
    }

    /// Waits for the next ingest that is opened, checks its request, and returns its number.
    pub(super) async fn opened(&mut self, rule: &RoleRule) -> Step<usize> {
        let number = self.awaited;
        let (socket, opening) = self
            .wait(rule, 0, "the wrapper opened no ingest", |events| {
                let opened = |event: &Event| match &event.what {
                    Happened::Opened(opening) => Some((event.socket, opening.clone())),
                    _ => None,
                };
                events.iter().filter_map(opened).nth(number)
            })
            .await?;
        self.awaited += 1;
        match self.session.difference(&opening) {
            None => Ok(socket),
            Some(text) => {
                let text = format!("an ingest was opened with {}: {text}", opening.path);
                self.record.violated(&OPENS, text)
            }
        }
    }

    /// Waits for a frame with this name from an index on, and returns it with the index after it. None of `unless` may
    /// come before.
    pub(super) async fn until(
        &mut self,
        rule: &RoleRule,
        from: usize,
        wanted: &str,
        unless: &[&str],
    ) -> Step<(Value, usize)> {
        let found = self
            .wait(rule, from, &format!("no `{wanted}` came"), |events| {
                events
                    .iter()
                    .enumerate()
                    .find_map(|(index, event)| match &event.what {
                        Happened::Frame(frame) if name(frame) == wanted || unless.contains(&name(frame)) => {
                            Some((frame.clone(), from + index + 1))
                        }
                        _ => None,
                    })
            })
            .await?;
        if name(&found.0) != wanted {
            let text = format!("`{}` came before `{wanted}`", name(&found.0));
            return self.record.violated(rule, text);
        }
        Ok(found)
    }

    /// Ends an ingest.
    pub(super) fn cut(&mut self, socket: usize, cut: Cut) {
        self.record.cut(WRAPPER, socket as u64, cut);
        self.ingest.end(socket, cut);
    }
}

/// The frames among events.
pub(super) fn frames<'a>(events: impl IntoIterator<Item = &'a Event>) -> impl Iterator<Item = &'a Value> {
    events.into_iter().filter_map(|event| match &event.what {
        Happened::Frame(frame) => Some(frame),
        _ => None,
    })
}

/// What is wrong with the form of an event, in any case.
fn wrong(event: &Event) -> Option<(&'static RoleRule, String)> {
    match &event.what {
        Happened::Wrong(text) => Some((&FRAMES, format!("a frame is no JSON text: {text}"))),
        Happened::Frame(frame) => malformed(frame),
        _ => None,
    }
}

/// What is wrong with the form of a frame, in any case.
pub(super) fn malformed(frame: &Value) -> Option<(&'static RoleRule, String)> {
    let Some(kind) = frame["streamEventType"].as_str() else {
        return Some((&FRAMES, format!("a frame has no `streamEventType`: {frame}")));
    };
    let timestamp = frame["timestamp"].as_str().map(str::parse::<jiff::Timestamp>);
    if !matches!(timestamp, Some(Ok(_))) {
        return Some((
            &FRAMES,
            format!("the `timestamp` of a frame is {}: {frame}", frame["timestamp"]),
        ));
    }
    if kind == "connected" || kind.starts_with("cloud.") {
        return Some((&NAMES, format!("the wrapper sent `{kind}`")));
    }
    None
}

/// The last events, in words.
fn described(events: &[Event]) -> String {
    let first = events.len().saturating_sub(LAST_EVENTS);
    let words: Vec<String> = events[first..]
        .iter()
        .map(|Event { socket, what }| match what {
            Happened::Connecting => format!("connection {socket}"),
            Happened::Opened(_) => format!("ingest {socket} opened"),
            Happened::Refused(_, status) => format!("ingest {socket} refused with {status}"),
            Happened::Frame(frame) => name(frame).to_owned(),
            Happened::Wrong(_) => "a frame that is no JSON text".to_owned(),
            Happened::Closed(Some(code)) => format!("ingest {socket} closed with {code}"),
            Happened::Closed(None) => format!("ingest {socket} lost"),
        })
        .collect();
    match words.is_empty() {
        true => "nothing".to_owned(),
        false => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn malformed_frames_and_names_of_the_server_are_found() {
        let right = json!({"streamEventType": "pong", "timestamp": "2026-01-01T00:00:00.000Z", "data": {}});
        assert_eq!(malformed(&right), None);
        for (field, value, rule) in [
            ("timestamp", json!(7), &FRAMES),
            ("timestamp", json!("today"), &FRAMES),
            ("streamEventType", json!(null), &FRAMES),
            ("streamEventType", json!("cloud.status"), &NAMES),
            ("streamEventType", json!("connected"), &NAMES),
        ] {
            let mut wrong = right.clone();
            wrong[field] = value;
            let found = malformed(&wrong);
            assert_eq!(found.map(|(rule, _)| rule), Some(rule), "{field}");
        }
    }
}
