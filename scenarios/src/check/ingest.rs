//! Checks steps about ingest sockets of the script.

use super::{Checker, IngestSocket};
use crate::ingest::{Credentials, Ingest, IngestFrame};
use crate::machine::Machine;
use crate::name::{IngestName, Label, SessionName};
use crate::place::{At, Spot};
use crate::stored::ExecutionId;
use crate::text::listed;
use crate::ticket::Ticket;

impl<'a> Checker<'a, '_> {
    pub(super) fn ingest(&mut self, ingest: &'a Ingest, spot: Spot) {
        self.needs(Machine::Wrapper, spot);
        match ingest {
            Ingest::Open {
                name,
                credentials,
                ticket,
                reply,
            } => {
                self.request(&SessionName::default(), spot);
                self.reply(reply, false, spot);
                if let Credentials::Execution(label) = credentials {
                    self.execution(label);
                }
                let socket = IngestSocket {
                    introduced: name.spot,
                    refused: !reply.status.is_success() || *ticket != Ticket::Own,
                    closed: None,
                };
                if let Some(earlier) = self.ingests.insert(&name.value, socket) {
                    let line = earlier.introduced.line;
                    self.report.add(
                        name.spot,
                        format_args!(
                            "the ingest socket `{}` was already opened in line {line}: use another name",
                            name.value
                        ),
                    );
                }
            }
            Ingest::Send { name, frame } => {
                self.open_ingest(name);
                if let IngestFrame::Event { data, .. } = frame {
                    self.check_labels(data.labels(), data.spot);
                }
            }
            Ingest::Close { name, .. } => {
                self.open_ingest(name);
                if let Some(socket) = self.ingests.get_mut(&name.value) {
                    socket.closed = Some(name.spot);
                }
            }
        }
    }

    /// Reports a label that is not an execution. An execution id is allowed, known to the server or not.
    fn execution(&mut self, label: &At<Label>) {
        if label.parse::<ExecutionId>().is_ok() {
            return;
        }
        if let Some(message) = self.known(label)
            && !message.is_execution
        {
            self.report.add(
                label.spot,
                format_args!("`{}` is a message, not an execution", label.value),
            );
        }
    }

    /// Reports a socket that cannot be open here.
    fn open_ingest(&mut self, name: &At<IngestName>) {
        let Some(socket) = self.known_ingest(name) else {
            return;
        };
        if socket.refused {
            let line = socket.introduced.line;
            self.report.add(
                name.spot,
                format_args!(
                    "the ingest socket `{}` is expected to be refused (line {line})",
                    name.value
                ),
            );
        } else if let Some(closed) = socket.closed {
            let line = closed.line;
            self.report.add(
                name.spot,
                format_args!("the ingest socket `{}` was closed in line {line}", name.value),
            );
        }
    }

    /// Reports a socket that no step opens.
    pub(super) fn known_ingest(&mut self, name: &At<IngestName>) -> Option<IngestSocket> {
        let found = self.ingests.get(&name.value).copied();
        if found.is_none() && !self.may_be_mentioned(name) {
            let known = listed(self.ingests.keys());
            self.report.add(
                name.spot,
                format_args!("unknown ingest socket `{}`; known: {known}", name.value),
            );
        }
        found
    }
}
