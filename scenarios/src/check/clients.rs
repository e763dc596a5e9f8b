//! Steps about clients' streams.

use super::{Client, Picture};
use crate::client::{Open, Resume};
use crate::name::ClientName;
use crate::place::{At, Spot};

impl<'a> Picture<'a, '_> {
    pub(super) fn open(&mut self, open: &'a Open, spot: Spot) {
        self.request(&open.session, spot);
        for execution in &open.executions {
            self.known(execution);
        }
        if let (Some(since), Some(until)) = (open.since, open.until)
            && since > until
        {
            self.report.add(
                spot,
                format_args!("nothing happens from {since} on and up to {until}"),
            );
        }
        let name: &ClientName = &open.client;
        let mentioned = self.may_be_mentioned(name);
        let client = self.clients.entry(name.clone()).or_default();
        if open.from == Resume::Last && !client.opened && !mentioned {
            self.report.add(
                open.client.spot,
                format_args!("`{name}` has seen no event yet: its first stream cannot open from `last`"),
            );
        }
        *client = Client {
            opened: true,
            open: true,
        };
    }

    pub(super) fn close(&mut self, name: &'a At<ClientName>) {
        if let Some(client) = self.client(name, name.spot)
            && !client.open
            && !self.may_be_mentioned(name)
        {
            self.report.add(
                name.spot,
                format_args!("`{}` has no stream open here: `open` comes first", name.value),
            );
        }
        if let Some(client) = self.clients.get_mut(&name.value) {
            client.open = false;
        }
    }

    /// Reports a client that is expected to have seen something and never looks.
    pub(super) fn watches(&mut self, name: &ClientName, spot: Spot) {
        if let Some(client) = self.client(name, spot)
            && !client.opened
            && !self.may_be_mentioned(name)
        {
            self.report.add(
                spot,
                format_args!("`{name}` never opens a stream, so it sees nothing"),
            );
        }
    }
}
