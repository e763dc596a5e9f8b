//! What a script expects beside what must hold in every run, read off the trace when all is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use turnstile_scenarios::{
    At, Callback, Delivery, Expectation, Label, Milestone, Moment, Outcome, Scenario, StreamCount, Terminal,
    Watcher,
};

use super::view::moment_of;
use crate::oracle::Finding;
use crate::oracle::history::{CallbackRequest, History, StreamEvent};
use crate::stage::OBSERVER;

/// Everything that is otherwise than a scenario expects.
pub(super) fn check(
    scenario: &Scenario,
    history: &History,
    messages: &BTreeMap<Label, String>,
) -> Vec<Finding> {
    let checker = Checker { history, messages };
    let mut findings = Vec::new();
    for At { value, spot } in &scenario.expect {
        let wrong = match value {
            Expectation::Order(milestones) => checker.order(milestones),
            Expectation::Message(outcome) => checker.message(outcome),
            Expectation::Callback(callback) => checker.callback(callback),
            Expectation::Callbacks(expected) => checker.callbacks(*expected),
            Expectation::Stream(count) => checker.stream(count),
            Expectation::Gateway(state) => checker.waiters(state.waiters),
        };
        if let Some(Wrong { at, message, text }) = wrong {
            findings.push(Finding {
                rule: format!("expectation at line {}", spot.line),
                at,
                message,
                text,
            });
        }
    }
    findings
}

struct Checker<'a> {
    history: &'a History,
    messages: &'a BTreeMap<Label, String>,
}

struct Wrong {
    at: Duration,
    message: Option<String>,
    text: String,
}

impl Checker<'_> {
    /// The id of a message. One that was refused has none that anybody could have seen.
    fn id(&self, label: &Label) -> Option<&str> {
        self.messages.get(label).map(String::as_str)
    }

    fn wrong(&self, label: Option<&Label>, text: String) -> Option<Wrong> {
        let message = label.and_then(|label| self.id(label)).map(str::to_owned);
        Some(Wrong {
            at: self.history.end,
            message,
            text,
        })
    }

    fn order(&self, milestones: &[At<Milestone>]) -> Option<Wrong> {
        let events = self.history.kept_events();
        let mut from = 0;
        for At {
            value: Milestone { moment, of },
            ..
        } in milestones
        {
            let id = self.id(of);
            let is_it = |event: &&StreamEvent| event.message() == id && event_moment(event) == Some(*moment);
            match events[from..].iter().position(&is_it) {
                Some(found) => from += found + 1,
                None => {
                    let text = match events.iter().position(is_it) {
                        Some(_) => format!("`{moment} {of}` came too early for its place in the order"),
                        None => format!("`{moment} {of}` never came"),
                    };
                    return self.wrong(Some(of), text);
                }
            }
        }
        None
    }

    fn message(&self, expected: &Outcome) -> Option<Wrong> {
        let label = &expected.of.value;
        let id = self.id(label);
        let events = self.history.kept_events();
        let Some(end) = events
            .iter()
            .find(|event| event.is_end() && event.message() == id)
        else {
            return self.wrong(Some(label), format!("`{label}` has not ended"));
        };
        let wanted = [
            ("status", Some(json!(terminal_name(expected.is)))),
            ("reason", expected.reason.map(|reason| json!(reason))),
            ("completionSource", expected.source.map(|source| json!(source))),
            ("accepted", expected.accepted.map(|accepted| json!(accepted))),
            (
                "delivery",
                expected.delivery.map(|delivery: Delivery| json!(delivery)),
            ),
        ];
        // Noticed when it ended, whatever came afterwards.
        let wrong = |text: String| {
            Some(Wrong {
                at: self.history.first_seen(end),
                message: id.map(str::to_owned),
                text,
            })
        };
        for (field, wanted) in wanted {
            if let Some(wanted) = wanted.filter(|wanted| end.data[field] != *wanted) {
                return wrong(format!(
                    "`{label}` ended with {field} {}, not {wanted}",
                    end.data[field]
                ));
            }
        }
        let error = end.data["error"].as_str().unwrap_or_default();
        let wanted = expected
            .error
            .as_deref()
            .filter(|wanted| !error.contains(wanted))?;
        wrong(format!(
            "`{label}` ended with error {error:?}, which does not contain {wanted:?}"
        ))
    }

    fn callback(&self, expected: &Callback) -> Option<Wrong> {
        let label = &expected.r#for.value;
        let id = self.id(label);
        let requests: Vec<&CallbackRequest> = self
            .history
            .callbacks
            .iter()
            .filter(|request| id.is_some() && request.body["messageId"].as_str() == id)
            .collect();
        let delivered = requests.iter().filter(|request| request.is_delivered()).count();
        if delivered != expected.times as usize {
            let text = format!(
                "{delivered} callbacks for `{label}` were delivered, not {}",
                expected.times
            );
            return self.wrong(Some(label), text);
        }
        if let Some(wanted) = expected
            .requests
            .filter(|wanted| *wanted as usize != requests.len())
        {
            let text = format!(
                "{} requests came for the callback of `{label}`, not {wanted}",
                requests.len()
            );
            return self.wrong(Some(label), text);
        }
        let body = &requests.iter().find(|request| request.is_delivered())?.body;
        let wanted = [
            (
                "status",
                expected.status.map(|status| json!(terminal_name(status))),
            ),
            (
                "lastAssistantMessageText",
                expected.text.as_ref().map(|text| json!(text)),
            ),
        ];
        for (field, wanted) in wanted {
            if let Some(wanted) = wanted.filter(|wanted| body[field] != *wanted) {
                let text = format!(
                    "the callback of `{label}` has {field} {}, not {wanted}",
                    body[field]
                );
                return self.wrong(Some(label), text);
            }
        }
        let error = body["errorMessage"].as_str().unwrap_or_default();
        let wanted = expected
            .error
            .as_deref()
            .filter(|wanted| !error.contains(wanted))?;
        let text =
            format!("the callback of `{label}` has error {error:?}, which does not contain {wanted:?}");
        self.wrong(Some(label), text)
    }

    fn callbacks(&self, expected: u32) -> Option<Wrong> {
        let delivered = self
            .history
            .callbacks
            .iter()
            .filter(|request| request.is_delivered());
        let keys: BTreeSet<&str> = delivered.map(CallbackRequest::key).collect();
        let wrong = keys.len() != expected as usize;
        wrong.then(|| {
            self.wrong(
                None,
                format!(
                    "{} different callbacks were delivered, not {expected}",
                    keys.len()
                ),
            )
        })?
    }

    fn stream(&self, expected: &StreamCount) -> Option<Wrong> {
        let party = match &expected.client.value {
            Watcher::Observer => OBSERVER.to_owned(),
            Watcher::Client(name) => name.to_string(),
        };
        let about = expected.of.as_ref().map(|label| &label.value);
        let id = about.and_then(|label| self.id(label));
        // What the harness reads when all is over is not what the script's stream showed.
        let last_reading = self.history.seen.iter().rev().find(|seen| seen.party == OBSERVER);
        let last_reading = last_reading.map(|seen| seen.socket).filter(|_| party == OBSERVER);
        let mut messages_of_turn = BTreeSet::new();
        let mut count = 0;
        for seen in self.history.seen.iter().filter(|seen| seen.party == party) {
            if Some(seen.socket) == last_reading {
                continue;
            }
            let event = &seen.event;
            let kilo = event.kilo();
            if let Some(("message.updated", properties)) = kilo {
                let info = &properties["info"];
                if about.is_some() && (info["parentID"].as_str() == id || info["id"].as_str() == id) {
                    messages_of_turn.extend(info["id"].as_str());
                }
            }
            let is_named =
                event.name == expected.event || kilo.is_some_and(|(name, _)| name == expected.event);
            let is_about = about.is_none()
                || id.is_some() && event.data["messageId"].as_str() == id
                || kilo.is_some_and(|(_, properties)| {
                    kilo_message(properties).is_some_and(|message| messages_of_turn.contains(message))
                });
            count += u32::from(is_named && is_about);
        }
        let bounds = expected.bounds;
        let within = count >= bounds.at_least && bounds.at_most.is_none_or(|most| count <= most);
        let whose = about.map(|label| format!(" of `{label}`")).unwrap_or_default();
        let wanted = match bounds.at_most {
            Some(most) if most == bounds.at_least => format!("{most}"),
            Some(most) => format!("{} to {most}", bounds.at_least),
            None => format!("{} or more", bounds.at_least),
        };
        let text = format!(
            "{party} saw {} {count} times{whose}, not {wanted}",
            expected.event
        );
        (!within).then(|| self.wrong(about, text))?
    }

    fn waiters(&self, expected: u32) -> Option<Wrong> {
        let tags = self
            .history
            .waiters
            .as_ref()
            .and_then(|waiters| waiters["tags"].as_array());
        let waiting: u64 = tags
            .into_iter()
            .flatten()
            .filter_map(|tag| tag["count"].as_u64())
            .sum();
        let wrong = tags.is_none() || waiting != u64::from(expected);
        wrong.then(|| {
            self.wrong(
                None,
                format!("{waiting} requests are parked at the gateway, not {expected}"),
            )
        })?
    }
}

/// The kilo message that a kilo event is about.
fn kilo_message(properties: &Value) -> Option<&str> {
    properties["messageID"]
        .as_str()
        .or_else(|| properties["part"]["messageID"].as_str())
        .or_else(|| properties["info"]["id"].as_str())
}

fn event_moment(event: &StreamEvent) -> Option<Moment> {
    moment_of(&json!({"streamEventType": event.name, "data": {"status": event.data["status"]}}))
}

fn terminal_name(terminal: Terminal) -> &'static str {
    match terminal {
        Terminal::Completed => "completed",
        Terminal::Failed => "failed",
        Terminal::Interrupted => "interrupted",
    }
}
