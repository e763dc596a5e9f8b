//! The server fails a request only if its store failed or if it was stopped (protocol §2, §3). What another version of it
//! has stored is no reason (protocol §10).
//!
//! A session that an older service stored may have a record that the server cannot read. It is judged once a request about it
//! has succeeded.

use std::collections::BTreeSet;

use super::history::{Call, History};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "no-error-without-a-cause",
    rule: "A request is answered with an internal error only while the server's disk fails or the server stops.",
    why: "A client cannot do anything about such an error, and a session that always answers so is lost with \
        everything in it.",
    moment: Moment::Always,
    protocol: &ids(["R2.17", "R3.16", "R10.42"]),
    check: Check::Run(check),
};

fn check(history: &History) -> Vec<Finding> {
    let mut readable: BTreeSet<&str> = BTreeSet::new();
    let mut findings = Vec::new();
    let made_here = history.calls.iter().filter(|call| call.is_creation());
    readable.extend(made_here.filter_map(Call::session));
    for call in &history.calls {
        let Some((at, status, _)) = &call.reply else {
            continue;
        };
        let session = call.session();
        if *status == 200 {
            readable.extend(session);
        }
        let is_judged = session.is_none_or(|session| readable.contains(session));
        let faults = &history.faults;
        let has_cause =
            faults.store_may_have_failed(call.at, *at) || faults.may_have_stopped_server(call.at, *at);
        if *status == 500 && is_judged && !has_cause {
            let text = format!(
                "{} was answered with 500, but neither the server's disk failed nor was the server stopped",
                call.procedure
            );
            findings.push(ORACLE.finding(&ids(["R2.17"]), *at, call.requested_message(), text));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{DiskBehaviour, Fault, Place};

    use crate::oracle::written::Writer;
    use crate::parties::SERVER;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["no-error-without-a-cause"];

    fn disk_fails() -> Fault {
        Fault::Disk {
            host: SERVER.to_owned(),
            is: DiskBehaviour::Fails,
            at: None,
        }
    }

    fn ended(place: Place) -> WorldEvent {
        WorldEvent::Ended { place }
    }

    fn fails(mut writer: Writer) -> Vec<String> {
        let body = json!({"error": {"data": {"code": "INTERNAL_SERVER_ERROR"}}});
        writer.answered("getSession", json!({}), 500, body);
        writer.judged()
    }

    fn started() -> Writer {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer
    }

    #[test]
    fn an_internal_error_needs_a_failing_disk_or_a_stop() {
        assert_eq!(fails(started()), FOUND);

        let mut failing = started();
        failing.world(WorldEvent::of(&disk_fails()));
        assert_eq!(fails(failing.clone()), NOTHING);
        failing.world(ended(Place::Disk(SERVER.to_owned())));
        assert_eq!(fails(failing.clone()), NOTHING, "the store may need a restart");
        failing.world(WorldEvent::of(&Fault::crash(SERVER)));
        failing.wait(1);
        failing.world(ended(Place::host(SERVER)));
        assert_eq!(fails(failing), FOUND);
    }

    #[test]
    fn a_record_of_an_older_service_may_be_unreadable_from_the_start() {
        for (is_readable, rules) in [(false, &NOTHING[..]), (true, &FOUND)] {
            let mut writer = started();
            writer.in_session("imported");
            if is_readable {
                writer.answered("getSession", json!({}), 200, json!({"result": {"data": {}}}));
            }
            let body = json!({"error": {"data": {"code": "INTERNAL_SERVER_ERROR"}}});
            writer.answered("getSession", json!({}), 500, body);
            writer.in_session("s");
            assert_eq!(writer.judged(), rules, "{is_readable}");
        }
    }
}
