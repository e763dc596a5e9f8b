//! Steps for client streams.

use std::time::Duration;

use turnstile_events::credentials::Credentials;
use turnstile_scenarios::{At, ClientName, Open, ReadingSpeed, Reply, Resume, SessionName, Spot, Ticket};

use super::requests::contains;
use crate::script::player::{Halt, Player};
use crate::stage::SWITCHING_PROTOCOLS;
use crate::stage::client::Awaited;
use crate::stage::identity::Claim;
use crate::stage::stream::{From, StreamRequest};

/// Pause of a slow reader after each frame.
const SLOW_READER_REST: Duration = Duration::from_secs(1);

impl Player<'_> {
    pub(super) fn open(&mut self, open: &Open, spot: Spot) -> Result<(), Halt> {
        let client = self.client(&open.client);
        let from = match open.from {
            Resume::Start => From::After(0),
            Resume::Last => From::Last,
            Resume::None => From::Nowhere,
            Resume::After(event) => From::After(event),
        };
        let executions = open.executions.iter();
        let wish = StreamRequest {
            from,
            event_types: open.event_types.clone(),
            executions: executions.filter_map(|label| self.id(label)).collect(),
            since: open.since.map(|lapse| self.stage.moment(*lapse)),
            until: open.until.map(|lapse| self.stage.moment(*lapse)),
            pause: match open.reads {
                ReadingSpeed::Eagerly => Duration::ZERO,
                ReadingSpeed::Slowly => SLOW_READER_REST,
            },
            claim: self.claim(&open.session, open.ticket),
        };
        let session = self.session(&open.session).unwrap_or_default().to_owned();
        let host = client.name().to_owned();
        let opened = Awaited::default();
        let reading = client.stream(session, wish, opened.clone());
        self.stage.world.spawn(&host, reading)?;
        match &open.reply {
            Some(reply) => self.check_opened(&format!("the stream of `{host}`"), &opened, reply, spot),
            None => Ok(()),
        }
    }

    /// What a socket of the script shows.
    pub(super) fn claim(&self, session: &SessionName, ticket: Ticket) -> Claim {
        let credentials = match ticket {
            Ticket::Own => Credentials::Own,
            Ticket::Stranger => Credentials::Stranger,
            Ticket::Expired => Credentials::Expired,
            Ticket::None => Credentials::None,
            Ticket::OtherSession => Credentials::OtherSession,
            Ticket::OtherKind => Credentials::OtherKind,
        };
        Claim {
            user: self.user(session),
            credentials,
            other_session: self.other_session(session),
        }
    }

    /// Waits until a socket was opened or refused, and checks which.
    pub(super) fn check_opened(
        &mut self,
        what: &str,
        opened: &Awaited,
        reply: &Reply,
        spot: Spot,
    ) -> Result<(), Halt> {
        let text = match (self.answer(opened)?, reply.lost) {
            (None, true) => return Ok(()),
            (None, false) => format!("{what} got no answer"),
            (Some((status, body)), lost) => {
                // The status of an upgrade is not 2xx.
                let is_expected = if reply.status.is_success() {
                    status == SWITCHING_PROTOCOLS
                } else {
                    status == reply.status.code() && contains(&body, reply.contains.as_deref())
                };
                if is_expected && !lost {
                    return Ok(());
                }
                format!("{what} was answered {status} {body}, which the script does not expect")
            }
        };
        Err(self.fail_step(spot, None, text))
    }

    pub(super) fn close(&mut self, name: &At<ClientName>) -> Result<(), Halt> {
        let client = self.client(name);
        let host = client.name().to_owned();
        Ok(self.stage.world.spawn(&host, client.close())?)
    }
}
