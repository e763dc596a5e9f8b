//! The filters of a stream (R9.5–R9.9).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;

use super::bad_parameter::BadParameter;
use crate::legacy::api as legacy;
use crate::session::events::Event;

/// The query parameters of the filters.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Params {
    event_types: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
    #[serde(flatten)]
    legacy: legacy::Params,
}

/// The events that a client wants. An absent filter matches all events.
#[derive(Debug)]
pub struct Filter {
    event_types: Option<BTreeSet<String>>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    executions: legacy::Filter,
}

impl Params {
    /// Parses the filters.
    ///
    /// # Errors
    ///
    /// If a time is unreadable; the error names the parameter.
    pub fn filter(&self) -> Result<Filter, BadParameter> {
        let event_types = self.event_types.as_ref();
        Ok(Filter {
            event_types: event_types.map(|types| types.split(',').map(str::to_owned).collect()),
            from: time("startTime", self.start_time.as_deref())?,
            to: time("endTime", self.end_time.as_deref())?,
            executions: self.legacy.filter(),
        })
    }
}

impl Filter {
    /// Whether an event, kept or live, passes all filters. Both times are inclusive.
    pub fn wants<D>(&self, event: &Event<D>) -> bool {
        self.wants_type(&event.stream_event_type)
            && self.from.is_none_or(|from| from <= event.timestamp)
            && self.to.is_none_or(|to| event.timestamp <= to)
            && self.executions.wants(&event.origin)
    }

    fn wants_type(&self, stream_event_type: &str) -> bool {
        let types = self.event_types.as_ref();
        types.is_none_or(|types| types.contains(stream_event_type))
    }
}

/// Parses a time in ISO 8601 or Unix milliseconds.
fn time(name: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, BadParameter> {
    let Some(text) = text else { return Ok(None) };
    let from_number = text
        .parse()
        .ok()
        .and_then(|number| Timestamp::from_millisecond(number).ok());
    let time = from_number.or_else(|| text.parse().ok());
    time.map(Some).ok_or(BadParameter::Time(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_iso_8601_or_milliseconds_and_nothing_else() {
        let epoch = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(time("t", Some("1970-01-01T00:00:00Z")), Ok(epoch));
        assert_eq!(time("t", Some("0")), Ok(epoch));
        assert_eq!(time("t", None), Ok(None));
        for text in ["", "yesterday", "1.5", "99999999999999999999"] {
            assert!(time("t", Some(text)).is_err(), "{text}");
        }
    }
}
