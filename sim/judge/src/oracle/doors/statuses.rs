//! The statuses of refused WebSockets (protocol §5, §9). Which check fails follows from what the party showed.
//!
//! A malformed request is refused first, so 400 is always possible. A status from 500 on comes from a failed store or an
//! intermediary.

use turnstile_events::credentials::Credentials;

use super::ORACLE;
use crate::oracle::Finding;
use crate::oracle::history::{Door, History, RefusedSocket, SessionHistory};
use crate::rules::{RuleId, ids};

/// The status of a malformed request (R5.45, R9.10).
const MALFORMED: u16 = 400;

/// The rules about the statuses of right credentials.
const STREAM: &[RuleId] = &ids(["R9.10", "R9.14"]);
const INGEST: &[RuleId] = &ids(["R5.45", "R5.49", "R5.50"]);
const IMPORTED_INGEST: &[RuleId] = &ids(["R5.67", "R5.68", "R5.69"]);

/// The finding about a status that does not belong to the check that fails.
pub(super) fn wrong(history: &History, refused: &RefusedSocket) -> Option<Finding> {
    let (violated, possible): (&[RuleId], &[u16]) = match (refused.door, refused.credentials) {
        (Door::Stream, Credentials::Own | Credentials::WithoutKey) => (STREAM, &[404]),
        (Door::Stream, Credentials::OtherSession) => (&ids(["R9.12"]), &[403]),
        (Door::Stream, Credentials::Stranger) => (&ids(["R2.31", "R9.14"]), &[404]),
        (Door::Stream, _) => (&ids(["R9.11"]), &[401]),
        // The token of a wrapper expires.
        (Door::Ingest, Credentials::Own | Credentials::WithoutKey)
            if refused.at >= history.context.profile.worker_token_lifetime =>
        {
            (INGEST, &[401, 404, 409])
        }
        (Door::Ingest, Credentials::Own | Credentials::WithoutKey) => (INGEST, &[404, 409]),
        (Door::ImportedIngest, Credentials::Own | Credentials::WithoutKey) => {
            (IMPORTED_INGEST, &[401, 404, 409])
        }
        (_, Credentials::OtherSession) => (&ids(["R5.48"]), &[401]),
        (_, Credentials::Stranger) => (&ids(["R5.47"]), &[403]),
        (..) => (&ids(["R5.46"]), &[401]),
    };
    let status = refused.status;
    let is_right = status == MALFORMED || status >= 500 || possible.contains(&status);
    (!is_right).then(|| {
        let statuses: Vec<String> = possible.iter().map(u16::to_string).collect();
        let text = format!(
            "{} was refused {} with {status} instead of {}; its credentials are {}",
            refused.party,
            name(refused.door),
            statuses.join(" or "),
            refused.credentials.name()
        );
        ORACLE.finding(violated, refused.at, None, text)
    })
}

/// Findings about a session that exists and whose sockets were refused as those of no session.
pub(super) fn denied(session: &SessionHistory) -> Vec<Finding> {
    let created_at = session
        .calls
        .iter()
        .filter(|call| call.is_creation())
        .find_map(|call| call.success().map(|(at, _)| at));
    let Some(created_at) = created_at.filter(|_| !session.is_removed) else {
        return Vec::new();
    };
    let denied = session.run.refused.iter().filter_map(|refused| {
        let violated = match refused.door {
            Door::Stream => RuleId::named("R9.14"),
            Door::Ingest => RuleId::named("R5.49"),
            Door::ImportedIngest => return None,
        };
        let is_of_session = refused.session == session.id && refused.at > created_at;
        let is_denied = is_of_session && refused.credentials.are_own() && refused.status == 404;
        is_denied.then(|| {
            let text = format!(
                "{} was refused {} with 404, although the session exists",
                refused.party,
                name(refused.door)
            );
            ORACLE.finding(&[violated], refused.at, None, text)
        })
    });
    denied.collect()
}

fn name(door: Door) -> &'static str {
    match door {
        Door::Stream => "the stream",
        Door::Ingest | Door::ImportedIngest => "the ingest",
    }
}

#[cfg(test)]
mod tests {
    use turnstile_events::credentials::Credentials;

    use crate::oracle::written::Writer;

    const FOUND: &str = "doors-are-closed";

    fn count(writer: Writer) -> usize {
        let findings = writer.findings();
        findings.iter().filter(|finding| finding.rule == FOUND).count()
    }

    #[test]
    fn a_status_of_another_check_is_found() {
        let stream = "/stream?cloudAgentSessionId=gone&ticket=t";
        let ingest = "/sessions/u/s/ingest?wrapperRunId=wr_1&wrapperGeneration=1&wrapperConnectionId=c1";
        let imported = "/sessions/u/s/ingest?executionId=exc_1";
        for (path, credentials, right, wrong) in [
            (
                stream,
                Credentials::Own,
                &[400, 404, 500][..],
                &[401, 403, 405, 426][..],
            ),
            (stream, Credentials::Expired, &[401], &[402, 403, 404]),
            (stream, Credentials::OtherKind, &[401], &[403]),
            (stream, Credentials::OtherSession, &[403], &[401, 404]),
            (stream, Credentials::Stranger, &[404], &[401, 403]),
            (ingest, Credentials::Own, &[409, 503], &[401, 403, 408, 410]),
            (ingest, Credentials::None, &[401], &[403, 409]),
            (ingest, Credentials::Stranger, &[403], &[401, 402, 404]),
            (ingest, Credentials::OtherSession, &[401], &[403]),
            (imported, Credentials::Own, &[401, 404, 409], &[403, 410]),
        ] {
            for (status, expected) in right
                .iter()
                .map(|status| (*status, 0))
                .chain(wrong.iter().map(|status| (*status, 1)))
            {
                let mut writer = Writer::started("m1");
                writer.turn("m1");
                writer.socket_refused("phone", path, credentials, status);
                assert_eq!(count(writer), expected, "{path} {credentials:?} {status}");
            }
        }
    }

    #[test]
    fn a_session_that_exists_is_not_missing() {
        let ingest = "/sessions/u/s/ingest?wrapperRunId=wr_1&wrapperGeneration=1&wrapperConnectionId=c1";
        for path in ["/stream?cloudAgentSessionId=s&ticket=t", ingest] {
            let mut writer = Writer::started("m1");
            writer.turn("m1");
            writer.socket_refused("phone", path, Credentials::Own, 404);
            assert_eq!(count(writer), 1, "{path}");
        }
    }
}
