//! Checks steps about clients' streams.

use super::{Checker, Client};
use crate::call::LONGEST_IN_URL;
use crate::client::{Open, Resume};
use crate::name::ClientName;
use crate::place::{At, Spot};
use crate::ticket::Ticket;

impl<'a> Checker<'a, '_> {
    pub(super) fn open(&mut self, open: &'a Open, spot: Spot) {
        self.request(&open.session, spot);
        if let Some(reply) = &open.reply {
            self.reply(reply, false, spot);
        }
        for execution in &open.executions {
            self.known(execution);
        }
        if open.event_types.iter().map(String::len).sum::<usize>() > LONGEST_IN_URL {
            let text =
                format_args!("`event-types` is a part of a URL and has at most {LONGEST_IN_URL} bytes");
            self.report.add(spot, text);
        }
        if let (Some(since), Some(until)) = (open.since, open.until)
            && since > until
        {
            self.report.add(
                spot,
                format_args!("`since` ({since}) is later than `until` ({until})"),
            );
        }
        let name: &ClientName = &open.client;
        let check_labels = self.may_be_mentioned(name);
        let opens =
            open.ticket == Ticket::Own && open.reply.as_ref().is_none_or(|reply| reply.status.is_success());
        let client = self.clients.entry(name.clone()).or_default();
        if open.from == Resume::Last && !client.opened && !check_labels {
            self.report.add(
                open.client.spot,
                format_args!(
                    "`{name}` has received no event yet, so its first stream cannot start from `last`"
                ),
            );
        }
        if opens {
            *client = Client {
                opened: true,
                open: true,
            };
        }
    }

    pub(super) fn close(&mut self, name: &'a At<ClientName>) {
        if let Some(client) = self.client(name, name.spot)
            && !client.open
            && !self.may_be_mentioned(name)
        {
            self.report.add(
                name.spot,
                format_args!(
                    "`{}` has no open stream here: open it before this step",
                    name.value
                ),
            );
        }
        if let Some(client) = self.clients.get_mut(&name.value) {
            client.open = false;
        }
    }

    /// Reports a client that an expectation is about and that never opens a stream.
    pub(super) fn check_watcher(&mut self, name: &ClientName, spot: Spot) {
        if let Some(client) = self.client(name, spot)
            && !client.opened
            && !self.may_be_mentioned(name)
        {
            self.report.add(
                spot,
                format_args!("`{name}` never opens a stream, so it receives nothing"),
            );
        }
    }
}
