//! What a stream is restricted to, read from its path (protocol §9).
//!
//! The times are those of the server's clock, as events report them.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;

use super::event::StreamEvent;
use super::wire::{FILTERS, parameter};
use crate::rules::RuleId;

/// Events report whole milliseconds, so the time of an event differs from the reported one by less than this.
const REPORTED_UNIT: SignedDuration = SignedDuration::from_millis(1);

/// The filters of a stream. An absent one, or one that is unreadable, excludes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// The types of events.
    pub types: Option<Vec<String>>,
    /// The ids of imported executions.
    pub executions: Option<Vec<String>>,
    /// The time of the earliest event.
    pub since: Option<Timestamp>,
    /// The time of the latest event.
    pub until: Option<Timestamp>,
    /// Whether a filter is unreadable or given twice, so that what passes is unknown.
    pub is_unclear: bool,
}

/// Why a stream must not show an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// The rule about the filter.
    pub rule: RuleId,
    /// What the client asked for.
    pub asked: String,
}

impl Filters {
    /// Reads the query of a path.
    pub(super) fn of_path(path: &str) -> Self {
        let (types, executions) = (list(path, "eventTypes"), list(path, "executionIds"));
        let (since, until) = (time(path, "startTime"), time(path, "endTime"));
        let read = [
            types.is_some(),
            executions.is_some(),
            since.is_some(),
            until.is_some(),
        ];
        let mut filters = FILTERS.into_iter().zip(read);
        let is_unclear = filters.any(|(name, is_read)| !is_read && parameter(path, name).is_some());
        Self {
            types,
            executions,
            since,
            until,
            is_unclear,
        }
    }

    /// The first filter that certainly excludes an event; `None` if it may pass all.
    pub fn exclusion(&self, event: &StreamEvent) -> Option<Exclusion> {
        let excludes = |rule, asked| Some(Exclusion { rule, asked });
        if let Some(types) = self.types.as_ref().filter(|types| !types.contains(&event.name)) {
            return excludes(RuleId::named("R9.5"), types.join(", "));
        }
        if let Some(executions) = &self.executions
            && !event.execution().is_some_and(|id| is_among(executions, id))
        {
            let asked = format!("events of {}", executions.join(", "));
            return excludes(RuleId::named("R9.6"), asked);
        }
        if let Some(since) = self
            .since
            .filter(|since| event.reported_at + REPORTED_UNIT <= *since)
        {
            return excludes(RuleId::named("R9.7"), format!("events from {since}"));
        }
        let until = self
            .until
            .filter(|until| event.reported_at >= *until + REPORTED_UNIT)?;
        excludes(RuleId::named("R9.7"), format!("events up to {until}"))
    }

    /// Whether an event certainly passes all filters, and later versions of it do so too.
    pub fn admits(&self, event: &StreamEvent) -> bool {
        let may_get_another_time = event.is_upserted() && (self.since.is_some() || self.until.is_some());
        let is_early = self
            .until
            .is_none_or(|until| event.reported_at + REPORTED_UNIT <= until);
        let is_late = self.since.is_none_or(|since| event.reported_at >= since);
        !self.is_unclear && !may_get_another_time && is_early && is_late && self.exclusion(event).is_none()
    }
}

fn is_among(ids: &[String], id: &str) -> bool {
    ids.iter().any(|wanted| wanted == id)
}

/// The decoded value of a parameter that is given once.
fn value<'a>(path: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let value = parameter(path, name)?;
    let (_, query) = path.split_once('?')?;
    let is_it = |pair: &&str| pair.split_once('=').is_some_and(|(key, _)| key == name);
    let is_only = query.split('&').filter(is_it).count() == 1;
    percent_decode_str(value).decode_utf8().ok().filter(|_| is_only)
}

/// The items of a parameter that is a list.
fn list(path: &str, name: &str) -> Option<Vec<String>> {
    let list = value(path, name)?;
    Some(list.split(',').map(str::to_owned).collect())
}

/// The time of a parameter, in Unix milliseconds or ISO 8601 (R9.8).
fn time(path: &str, name: &str) -> Option<Timestamp> {
    let text = value(path, name)?;
    let from_number = text
        .parse()
        .ok()
        .and_then(|number| Timestamp::from_millisecond(number).ok());
    from_number.or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_from_a_path() {
        let path = "/stream?eventTypes=complete%2Ccloud.status,error&executionIds=exc_1&startTime=1000\
                    &endTime=1970-01-01T00%3A00%3A02Z";
        let expected = Filters {
            types: Some(["complete", "cloud.status", "error"].map(str::to_owned).into()),
            executions: Some(vec!["exc_1".to_owned()]),
            since: Some(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1)),
            until: Some(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(2)),
            is_unclear: false,
        };
        assert_eq!(Filters::of_path(path), expected);
        assert_eq!(Filters::of_path("/stream?fromId=1"), Filters::default());
        let unclear = Filters {
            is_unclear: true,
            ..Filters::default()
        };
        for query in ["startTime=soon", "eventTypes=error&eventTypes=complete"] {
            assert_eq!(Filters::of_path(&format!("/stream?{query}")), unclear, "{query}");
        }
    }
}
