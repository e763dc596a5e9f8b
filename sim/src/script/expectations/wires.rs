//! Expectations about the script's own ingest sockets and about requests at the gateway.

use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_judge::parties::ingest_party;
use turnstile_scenarios::{IngestOutcome, Status};

use super::{Checker, Wrong};

impl Checker<'_> {
    pub(super) fn ingest(&self, expected: &IngestOutcome) -> Option<Wrong> {
        let name = &expected.of.value;
        let party = ingest_party(name);
        let (mut closed, mut refused, mut errors) = (None, None, Vec::new());
        for (_, whose, observation) in self.trace.observations() {
            match observation {
                _ if whose != party => {}
                Observation::SocketClosed {
                    code,
                    by: ClosedBy::Peer,
                    ..
                } => closed = *code,
                Observation::SocketRefused { status, .. } => refused = *status,
                Observation::FrameReceived { frame, .. } if frame["type"] == "error" => {
                    errors.extend(frame["code"].as_str());
                }
                _ => {}
            }
        }
        let close_text =
            |code: Option<u16>| code.map_or("not at all".to_owned(), |code| format!("with {code}"));
        let wrong = |what: &str, actual: Option<u16>, wanted: u16| {
            let text = format!(
                "the ingest socket `{name}` was {what} {}, not with {wanted}",
                close_text(actual)
            );
            self.wrong(None, text)
        };
        if let Some(wanted) = expected.closed.filter(|wanted| closed != Some(*wanted)) {
            return wrong("closed by the server", closed, wanted);
        }
        let status = expected.refused.map(Status::code);
        if let Some(wanted) = status.filter(|wanted| refused != Some(*wanted)) {
            return wrong("refused", refused, wanted);
        }
        let wanted = expected.error_frame.as_deref();
        let wanted = wanted.filter(|wanted| !errors.contains(wanted))?;
        let text = format!("the ingest socket `{name}` got the errors {errors:?}, not {wanted}");
        self.wrong(None, text)
    }

    pub(super) fn waiters(&self, expected: u32) -> Option<Wrong> {
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
