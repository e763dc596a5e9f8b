//! What a stream may show that was opened with `eventTypes` (protocol §9). `connected` is always sent. By the profile the
//! catalogue and the snapshot are too.
//!
//! The filters by execution and by time are not judged here.

use super::{CATALOGUE, ORACLE};
use crate::oracle::Finding;
use crate::oracle::history::{SeenEvent, SessionHistory, Stream};
use crate::oracle::replay::is_connected;
use crate::rules::ids;

/// The finding about the first event of a type that was not asked for.
pub(super) fn not_asked_for(
    session: &SessionHistory,
    stream: &Stream,
    shown: &[&SeenEvent],
) -> Option<Finding> {
    let types = stream.types.as_ref()?;
    let is_always_sent = |seen: &SeenEvent| {
        let event = &seen.event;
        let is_of_snapshot = event.is_queued() || event.is_end();
        !session.run.context.profile.filters_hide_snapshot
            && event.id == 0
            && (event.name == CATALOGUE || is_of_snapshot)
    };
    let seen = shown.iter().find(|seen| {
        !is_connected(&seen.event) && !types.contains(&seen.event.name) && !is_always_sent(seen)
    })?;
    let text = format!(
        "{} received event {} ({}), but asked for {} only",
        stream.party,
        seen.event.id,
        seen.event.name,
        types.join(", ")
    );
    Some(ORACLE.finding(&ids(["R9.5", "R9.9"]), seen.seen_at, seen.event.message(), text))
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
