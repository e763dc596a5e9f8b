//! Expectations about streams and about what clients show.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use turnstile_judge::client_view::{Badge, DeliveryBadges};
use turnstile_judge::oracle::history::SeenEvent;
use turnstile_judge::parties::OBSERVER;
use turnstile_scenarios::{BadgeShown, BadgeWord, Snapshot, StreamCount, Watcher};

use super::{Checker, Wrong};
use crate::script::view::moment_of_event;

/// The first event of a stream, before the snapshot.
const CONNECTED: &str = "connected";

impl Checker<'_> {
    pub(super) fn stream(&self, expected: &StreamCount) -> Option<Wrong> {
        let party = match &expected.client.value {
            Watcher::Observer => OBSERVER.to_owned(),
            Watcher::Client(name) => name.to_string(),
        };
        let about = expected.of.as_ref().map(|label| &label.value);
        let id = about.and_then(|label| self.id(label));
        // Ignore the streams of the final inspection.
        let last_readings: BTreeSet<u64> = if party == OBSERVER {
            let seen = self.history.seen.iter().filter(|seen| seen.party == OBSERVER);
            let last: BTreeMap<&str, u64> = seen.map(|seen| (&*seen.event.session, seen.socket)).collect();
            last.into_values().collect()
        } else {
            BTreeSet::new()
        };
        let mut messages_of_turn = BTreeSet::new();
        let mut count = 0;
        for seen in self.history.seen.iter().filter(|seen| seen.party == party) {
            if last_readings.contains(&seen.socket) {
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
            let is_named = event.is_named(&expected.event);
            let is_about = about.is_none()
                || id.is_some() && event.data["messageId"].as_str() == id
                || kilo.is_some_and(|(_, properties)| {
                    kilo_message(properties).is_some_and(|message| messages_of_turn.contains(message))
                });
            let has = expected.has.as_ref();
            let has_fields = has.is_none_or(|has| {
                has.mismatch(&event.data, |name| self.id_or_session(name))
                    .is_none()
            });
            count += u32::from(is_named && is_about && has_fields);
        }
        let bounds = expected.bounds;
        let enough = count >= bounds.at_least || self.may_have_missed(&party, &expected.event);
        let within = enough && bounds.at_most.is_none_or(|most| count <= most);
        let whose = about.map(|label| format!(" of `{label}`")).unwrap_or_default();
        let which = if expected.has.is_some() {
            " with these fields"
        } else {
            ""
        };
        let wanted = match bounds.at_most {
            Some(most) if most == bounds.at_least => format!("{most}"),
            Some(most) => format!("{} to {most}", bounds.at_least),
            None => format!("{} or more", bounds.at_least),
        };
        let text = format!(
            "{party} saw {}{which} {count} times{whose}, not {wanted}",
            expected.event
        );
        (!within).then(|| self.wrong(about, text))?
    }

    /// Returns whether a client may have had no stream when an event was sent that is not kept. In real time a reconnecting
    /// client has no exact time of return.
    fn may_have_missed(&self, party: &str, event: &str) -> bool {
        let mut streams = self.history.streams.iter();
        let was_without = streams.any(|stream| *stream.party == *party && stream.closed_at.is_some());
        let is_kept = |seen: &SeenEvent| seen.event.id > 0 && seen.event.is_named(event);
        self.history.context.in_real_time && was_without && !self.history.seen.iter().any(is_kept)
    }

    pub(super) fn badge(&self, expected: &BadgeShown) -> Option<Wrong> {
        let (client, label) = (&expected.client.value, &expected.of.value);
        let mut badges = DeliveryBadges::default();
        for seen in &self.history.seen {
            if *seen.party == **client {
                badges.take_event(&seen.event.name, &seen.event.data);
            }
        }
        let shown = self.id(label).and_then(|id| badges.badge(id));
        let wanted = match expected.is {
            BadgeWord::Queued => Some(Badge::Queued),
            BadgeWord::FailedToDeliver => Some(Badge::FailedToDeliver),
            BadgeWord::None => None,
        };
        let words = |badge: Option<Badge>| badge.map_or("no badge", Badge::label);
        let text = format!(
            "{client} shows {} for `{label}`, not {}",
            words(shown),
            words(wanted)
        );
        (shown != wanted).then(|| self.wrong(Some(label), text))?
    }

    pub(super) fn snapshot(&self, expected: &Snapshot) -> Option<Wrong> {
        let client = &expected.client.value;
        let mut streams = self.history.streams.iter().rev();
        let Some(stream) = streams.find(|stream| *stream.party == **client) else {
            return self.wrong(None, format!("{client} has no stream"));
        };
        let events = self.history.shown(stream).map(|seen| &seen.event);
        let after_connecting = events.skip_while(|event| event.name != CONNECTED);
        let shown: Vec<String> = after_connecting
            .filter(|event| event.id == 0)
            .filter_map(|event| {
                let moment = moment_of_event(&event.name, &event.data)?;
                Some(format!("{moment} {}", self.label(event.message()?)))
            })
            .collect();
        let wanted: Vec<String> = expected.shows.iter().map(|it| it.value.to_string()).collect();
        let text = format!(
            "{client} received [{}] on connecting, not [{}]",
            shown.join(", "),
            wanted.join(", ")
        );
        (shown != wanted).then(|| self.wrong(None, text))?
    }
}

/// The kilo message of a kilo event.
fn kilo_message(properties: &Value) -> Option<&str> {
    properties["messageID"]
        .as_str()
        .or_else(|| properties["part"]["messageID"].as_str())
        .or_else(|| properties["info"]["id"].as_str())
}
