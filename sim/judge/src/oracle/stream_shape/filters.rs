//! What a stream may show that was opened with filters (protocol §9). `connected` is always sent. By the profile the
//! catalogue and the snapshot are too.
//!
//! That a filtered stream shows all that passes is reported by `replay`.

use super::{CATALOGUE, ORACLE};
use crate::oracle::Finding;
use crate::oracle::history::{SeenEvent, SessionHistory, Stream};
use crate::oracle::replay::is_connected;
use crate::rules::RuleId;

/// The finding about the first event that was not asked for.
pub(super) fn not_asked_for(
    session: &SessionHistory,
    stream: &Stream,
    shown: &[&SeenEvent],
) -> Option<Finding> {
    let is_always_sent = |seen: &SeenEvent| {
        let event = &seen.event;
        let is_of_snapshot = event.is_queued() || event.is_end();
        !session.run.context.profile.filters_hide_snapshot
            && event.id == 0
            && (event.name == CATALOGUE || is_of_snapshot)
    };
    let mut limited = shown
        .iter()
        .filter(|seen| !is_connected(&seen.event) && !is_always_sent(seen));
    let (seen, exclusion) = limited.find_map(|seen| Some((seen, stream.filters.exclusion(&seen.event)?)))?;
    let text = format!(
        "{} received event {} ({}), but asked for {} only",
        stream.party, seen.event.id, seen.event.name, exclusion.asked
    );
    let violated = [exclusion.rule, RuleId::named("R9.9")];
    Some(ORACLE.finding(&violated, seen.seen_at, seen.event.message(), text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_profile::Profile;

    use crate::oracle::written::Writer;

    /// Whether a client that asked for one type sees a finding after these events.
    fn is_found(events: &[&str], hides: bool) -> bool {
        let mut writer = Writer::started("m1").showing_streams();
        writer.judged_by(Profile {
            filters_hide_snapshot: hides,
            ..Profile::default()
        });
        writer.bound(1);
        writer.turn("m1");
        writer.client_filters("phone", "cloud.message.completed,complete");
        for name in events {
            let data = match *name {
                "connected" => json!({"cloudStatus": {"type": "ready"}}),
                "commands.available" => json!({"commands": []}),
                _ => json!({"messageId": "m1"}),
            };
            writer.client_receives_unkept("phone", name, data);
        }
        writer
            .findings()
            .iter()
            .any(|finding| finding.rule == "stream-has-its-shape" && finding.text.starts_with("phone"))
    }

    /// Whether an event of a turn, or the end of an imported execution, is found on the stream of a client that asked for
    /// something.
    fn is_kept_event_found(asked: &str, is_of_execution: bool) -> bool {
        let mut writer = Writer::started("m1").showing_streams();
        writer.bound(1);
        writer.turn("m1");
        writer.event_of("exc_1", "complete", json!({"exitCode": 0}));
        writer.client_opens_with("phone", asked);
        writer.client_receives("phone", if is_of_execution { 4 } else { 2 });
        writer.client_receives_unkept("phone", "connected", json!({"cloudStatus": {"type": "ready"}}));
        writer.findings().iter().any(|finding| {
            finding.rule == "stream-has-its-shape" && finding.text.starts_with("phone received event")
        })
    }

    #[test]
    fn a_stream_has_only_the_executions_and_the_times_that_were_asked_for() {
        for (asked, is_of_execution, expected) in [
            ("executionIds=exc_1", true, false),
            ("executionIds=exc_0%2Cexc_1", true, false),
            ("executionIds=exc_2", true, true),
            ("executionIds=exc_1", false, true),
            ("startTime=2026-01-01T00%3A00%3A00Z", false, false),
            ("startTime=2027-01-01T00%3A00%3A00Z", false, true),
            ("endTime=1798761600000", false, false),
            ("endTime=1767225600000", false, true),
            ("endTime=soon", false, false),
        ] {
            assert_eq!(is_kept_event_found(asked, is_of_execution), expected, "{asked}");
        }
    }

    #[test]
    fn a_filtered_stream_has_what_was_asked_for_and_what_is_always_sent() {
        let catalogue = "commands.available";
        for (events, hides, expected) in [
            (&["connected"][..], true, false),
            (&["connected", "cloud.message.completed"], true, false),
            (&["connected", catalogue], true, true),
            (&["connected", "cloud.message.sent"], true, true),
            (&["connected", catalogue, "cloud.message.queued"], false, false),
            (&["connected", catalogue, "cloud.message.sent"], false, true),
            (&["connected", "cloud.message.completed"], false, true),
        ] {
            assert_eq!(is_found(events, hides), expected, "{events:?} {hides}");
        }
    }
}
