//! The server under test in a world: it begins with the first run, crashes and starts again.
//!
//! Its process is the subject of `server`.

use std::sync::Arc;

use turnstile_events::world::{Cause, WorldEvent};
use turnstile_fault::Place;
use turnstile_seams::ANY_PORT;
use turnstile_seams::error_chain::with_sources;

use super::host::Run;
use super::server::ServerError;
use super::server_clock::ServerClock;
use super::{FRONT, LiveWorld, Server, crashed, front};
use crate::any::BootFunction;
use crate::error::WorldError;

impl LiveWorld {
    /// Starts the server, unless it runs already or the harness does not start it.
    pub(super) fn begin(&mut self) -> Result<(), ServerError> {
        if let (Some(address), Some(route), None) = (self.setup.front, &self.route, &self.front) {
            let route = Arc::clone(route);
            let boot: BootFunction = Box::new(move |machine| {
                let (route, network) = (Arc::clone(&route), machine.seams.network);
                Box::pin(async move {
                    let listening = network.listen(FRONT).await;
                    let listener = listening
                        .unwrap_or_else(|error| panic!("the front of the sandboxes cannot listen: {error}"));
                    front::serve(listener, network, route).await;
                })
            });
            if address.port() != 0 {
                self.shared_network.set_address(FRONT, address);
            }
            // Forwarded requests count as the server's: faults of its links and connections apply to them.
            let machine = self.machine_of(&self.setup.party, 0);
            self.front = Some(Run::start(machine, &boot).map_err(ServerError::Folder)?);
        }
        match &self.server {
            Server::Started { has_begun: false, .. } => self.start_server(),
            Server::Started { .. } | Server::Given(_) => Ok(()),
        }
    }

    pub(super) fn start_server(&mut self) -> Result<(), ServerError> {
        let (wrapper, path) = match self.front {
            Some(_) => (FRONT, "/{session}"),
            None => (&*self.setup.wrapper, ""),
        };
        let wrapper = self
            .shared_network
            .address_of(wrapper)
            .map_err(ServerError::Folder)?;
        let Server::Started {
            process,
            import,
            has_begun,
        } = &mut self.server
        else {
            return Ok(());
        };
        let mut arguments = vec![
            "--ingest-url".to_owned(),
            format!("ws://{}", self.setup.authority),
            "--wrapper-url".to_owned(),
            format!("http://{wrapper}{path}"),
        ];
        if self.pace.times > 1 {
            let since = self.pace.since.to_string();
            let speed = self.pace.times.to_string();
            arguments.extend(["--speed".to_owned(), speed, "--speed-since".to_owned(), since]);
        }
        if let (Some(session), false) = (import, *has_begun) {
            let file = process.put("import.json", session.to_string().as_bytes())?;
            arguments.extend(["--import".to_owned(), file.display().to_string()]);
        }
        if self.setup.jumps {
            arguments.extend(["--test-clock".to_owned(), ANY_PORT.to_owned()]);
        }
        *has_begun = true;
        let address = process.start(&arguments)?;
        self.server_clock = process
            .test_clock()
            .map(|at| ServerClock::at(&at.to_string()))
            .transpose()?;
        self.catch_up()?;
        self.shared_network.set_address(&self.setup.authority, address);
        Ok(())
    }

    pub(super) fn crash_server(&mut self) -> Result<(), WorldError> {
        let party = self.setup.party.clone();
        match &mut self.server {
            Server::Started { process, .. } => {
                if !process.is_up() {
                    return Err(WorldError::Down(party));
                }
                process.kill();
                self.report(crashed(&party, Cause::Order));
                Ok(())
            }
            Server::Given(server) => {
                let server = server.clone();
                self.report(crashed(&party, Cause::Order));
                let Some(restarted) = server.restart() else {
                    return Err(WorldError::Unsupported(
                        "a crash of a server that it cannot start again",
                    ));
                };
                match restarted.and_then(|()| Ok(self.catch_up()?)) {
                    Ok(()) => self.report(WorldEvent::Ended {
                        place: Place::Host(party),
                    }),
                    Err(error) => self.without_server = Some(with_sources(&error)),
                }
                Ok(())
            }
        }
    }
}
