//! Doors are closed (protocol §2, §5, §9): credentials that are missing, expired, or for another user, session or kind of
//! access open no stream and no ingest, and no procedure answers them with data.
//!
//! A refusal has the status of the check that fails (`statuses`).
//!
//! Interrupt and deletion answer another user like for a session that does not exist. That they change nothing shows in the
//! replies to the session's user.

mod statuses;

use turnstile_events::credentials::Credentials;

use super::history::{Call, History, SessionHistory};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "doors-are-closed",
    rule: "Credentials that are missing, expired, or for another user, session or kind of access open no stream, no \
        ingest and no procedure, and a refused WebSocket has the status of the check that fails.",
    why: "A session has the user's code, conversation and secrets. Everyone else must not even learn that it exists. A \
        wrapper gives up after some statuses and tries again after others.",
    moment: Moment::Always,
    protocol: &ids([
        "R2.9", "R2.24", "R2.25", "R2.26", "R2.28", "R2.30", "R2.31", "R2.96", "R2.120", "R5.45", "R5.46",
        "R5.47", "R5.48", "R5.49", "R5.50", "R5.67", "R5.68", "R5.69", "R9.10", "R9.11", "R9.12", "R9.14",
    ]),
    check: Check::Run(check),
};

/// Procedures that another user may call: they need no session.
const WITHOUT_SESSION: [&str; 3] = ["health", "start", "prepareSession"];
/// Procedures that also need the key of internal callers.
const INTERNAL: [&str; 2] = ["prepareSession", "updateSession"];

fn check(history: &History) -> Vec<Finding> {
    let mut findings: Vec<Finding> = history.calls.iter().filter_map(answered).collect();
    for session in history.sessions() {
        findings.extend(opened_streams(&session));
        findings.extend(opened_ingests(&session));
        findings.extend(statuses::denied(&session));
    }
    findings.extend(
        history
            .refused
            .iter()
            .filter_map(|refused| statuses::wrong(history, refused)),
    );
    findings
}

/// The finding about a procedure that answered wrong credentials.
fn answered(call: &Call) -> Option<Finding> {
    let (at, status, _) = call.reply.as_ref()?;
    let procedure = call.procedure.as_str();
    let is_internal = INTERNAL.contains(&procedure);
    let violated = match call.credentials {
        Credentials::WithoutKey if is_internal => RuleId::named("R2.28"),
        Credentials::Own | Credentials::WithoutKey => return None,
        _ if procedure == "health" => return None,
        Credentials::Stranger if WITHOUT_SESSION.contains(&procedure) => return None,
        Credentials::Stranger => return as_stranger(call),
        Credentials::OtherKind | Credentials::OtherSession => RuleId::named("R2.24"),
        Credentials::Expired | Credentials::None => RuleId::named("R2.9"),
    };
    (*status < 400).then(|| {
        let text = format!(
            "{procedure} was answered {status} with {}",
            described(call.credentials, "token")
        );
        ORACLE.finding(&[violated], *at, None, text)
    })
}

/// Credentials in words. `noun` is what they consist of.
fn described(credentials: Credentials, noun: &str) -> String {
    match credentials {
        Credentials::Own => format!("the right {noun}"),
        Credentials::WithoutKey => format!("the right {noun}, but without the internal key"),
        Credentials::None => format!("no {noun}"),
        Credentials::Expired => format!("an expired {noun}"),
        Credentials::Stranger => format!("the {noun} of another user"),
        Credentials::OtherSession => format!("a {noun} for another session"),
        Credentials::OtherKind => format!("a {noun} of another kind"),
    }
}

/// The finding about a procedure that answered another user other than for a session that does not exist.
fn as_stranger(call: &Call) -> Option<Finding> {
    let (at, status, body) = call.reply.as_ref()?;
    let success = &body["result"]["data"]["success"];
    let (is_right, violated) = match call.procedure.as_str() {
        "interruptSession" => (*status != 200 || *success == false, "R2.120"),
        "deleteSession" => (*status != 200 || *success == true, "R2.96"),
        _ => (*status >= 400, "R2.31"),
    };
    // A refusal that is no 404 discloses that the session exists.
    let is_disclosed = *status == 403;
    (!is_right || is_disclosed).then(|| {
        let text = format!(
            "{} was answered {status} for the session of another user",
            call.procedure
        );
        ORACLE.finding(&[RuleId::named(violated)], *at, None, text)
    })
}

/// Findings about streams that wrong tickets opened.
fn opened_streams(session: &SessionHistory) -> Vec<Finding> {
    let wrong = session.streams.iter().filter_map(|stream| {
        let violated = match stream.credentials {
            Credentials::Own | Credentials::WithoutKey => return None,
            Credentials::OtherSession => ids(["R2.26", "R9.12"]),
            Credentials::Stranger => ids(["R2.31", "R9.14"]),
            _ => ids(["R2.26", "R9.11"]),
        };
        let (party, ticket) = (&stream.party, described(stream.credentials, "ticket"));
        let text = format!("{party} opened the stream with {ticket}");
        Some(ORACLE.finding(&violated, stream.opened_at, None, text))
    });
    wrong.collect()
}

/// Findings about ingests that wrong tokens opened.
fn opened_ingests(session: &SessionHistory) -> Vec<Finding> {
    let wrong = session.ingests().filter_map(|ingest| {
        let violated = match ingest.credentials {
            Credentials::Own | Credentials::WithoutKey => return None,
            Credentials::OtherSession => ids(["R2.25", "R5.48"]),
            Credentials::Stranger => ids(["R2.25", "R5.47"]),
            _ => ids(["R2.25", "R5.46"]),
        };
        let (party, token) = (&ingest.party, described(ingest.credentials, "token"));
        let text = format!("{party} opened the ingest with {token}");
        Some(ORACLE.finding(&violated, ingest.opened_at, None, text))
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use turnstile_events::credentials::Credentials;

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["doors-are-closed"];

    fn called(procedure: &str, credentials: Credentials, status: u16, data: Value) -> Vec<String> {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        let exchange = writer.requests_as(credentials, procedure, json!({}));
        writer.is_answered(exchange, status, json!({"result": {"data": data}}));
        let mut found = writer.judged();
        found.retain(|rule| rule == FOUND[0]);
        found
    }

    #[test]
    fn a_procedure_that_answers_wrong_credentials_is_found() {
        for (credentials, procedure, status, rules) in [
            (Credentials::Own, "getSession", 200, &NOTHING[..]),
            (Credentials::Expired, "getSession", 200, &FOUND),
            (Credentials::Expired, "getSession", 401, &NOTHING),
            (Credentials::None, "send", 200, &FOUND),
            (Credentials::None, "health", 200, &NOTHING),
            (Credentials::OtherKind, "getSession", 200, &FOUND),
            (Credentials::WithoutKey, "updateSession", 200, &FOUND),
            (Credentials::WithoutKey, "getSession", 200, &NOTHING),
            (Credentials::Stranger, "getSession", 200, &FOUND),
            (Credentials::Stranger, "getSession", 403, &FOUND),
            (Credentials::Stranger, "getSession", 404, &NOTHING),
            (Credentials::Stranger, "start", 200, &NOTHING),
        ] {
            let found = called(procedure, credentials, status, json!({}));
            assert_eq!(found, rules, "{credentials:?} {procedure} {status}");
        }
    }

    #[test]
    fn interrupt_and_deletion_answer_another_user_like_for_no_session() {
        for (procedure, success, rules) in [
            ("interruptSession", false, &NOTHING[..]),
            ("interruptSession", true, &FOUND),
            ("deleteSession", true, &NOTHING),
            ("deleteSession", false, &FOUND),
        ] {
            let data = json!({"success": success});
            assert_eq!(called(procedure, Credentials::Stranger, 200, data), rules);
        }
    }

    #[test]
    fn a_stream_or_an_ingest_with_wrong_credentials_is_found() {
        for (credentials, rules) in [(Credentials::Own, &NOTHING[..]), (Credentials::Expired, &FOUND)] {
            let mut writer = Writer::started("m1");
            writer.bound(1);
            writer.shows(credentials);
            writer.opens_ingest(1);
            writer.shows(Credentials::Own);
            writer.turn("m1");
            assert_eq!(writer.judged(), rules, "{credentials:?}");

            let mut writer = Writer::started("m1");
            writer.turn("m1");
            writer.shows(credentials);
            writer.client_replays("phone", 4, 4..4);
            writer.shows(Credentials::Own);
            assert_eq!(writer.judged(), rules, "{credentials:?}");
        }
    }
}
