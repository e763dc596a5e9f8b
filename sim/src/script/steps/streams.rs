//! Steps for client streams.

use std::time::Duration;

use turnstile_scenarios::{At, ClientName, Open, ReadingSpeed, Resume};

use crate::script::player::{Halt, Player};
use crate::stage::stream::{From, StreamRequest};

/// Pause of a slow reader after each frame.
const SLOW_READER_REST: Duration = Duration::from_secs(1);

impl Player<'_> {
    pub(super) fn open(&mut self, open: &Open) -> Result<(), Halt> {
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
        };
        let session = self.session(&open.session).unwrap_or_default().to_owned();
        let host = client.name().to_owned();
        Ok(self.stage.world.spawn(&host, client.stream(session, wish))?)
    }

    pub(super) fn close(&mut self, name: &At<ClientName>) -> Result<(), Halt> {
        let client = self.client(name);
        let host = client.name().to_owned();
        Ok(self.stage.world.spawn(&host, client.close())?)
    }
}
