//! Jumps over idle time, with a server that offers a test clock.
//!
//! The clocks of the parties and of the server move together, to the next moment at which one of them has something
//! to do. A jump happens only when everything is at rest: nothing has passed on a connection for a while, the server
//! has answered that it has nothing to do now, and the threads of the parties have nothing to run either.

use std::sync::mpsc;
use std::time::Duration;

use jiff::Timestamp;
use turnstile_seams::{BoxFuture, Clock as _};

use super::quiet::QUIET;
use super::server_clock::ClockError;
use super::{LiveWorld, Server};

/// The quiet time after a jump with a server that does not know when it has something to do. Jumps are short then.
const QUIET_BETWEEN_STEPS: Duration = Duration::from_millis(4);
/// The length of a jump with such a server: what is due is late by at most this, which is below the tolerance of live
/// plays.
const STEP: Duration = Duration::from_millis(100);
/// A shorter time passes as real time.
const SHORTEST: Duration = Duration::from_millis(3);
/// How long the threads of the parties may take to run what they can run.
const AT_REST: Duration = Duration::from_secs(1);

impl LiveWorld {
    /// Moves the clocks to the next moment at which something is due, or to `next`, if everything is at rest.
    pub(super) fn jump(&mut self, next: Option<Timestamp>) -> Result<(), ClockError> {
        let Some(server) = &self.server_clock else {
            return Ok(());
        };
        let activity = self.activity();
        if !self.quiet.is_long(activity) || !self.is_up_and_jumping() {
            return Ok(());
        }
        // The server answers after it has done what is due and what it has received. What it has sent until then is found by
        // the parties, which are asked after it.
        let asked = server.advance(Duration::ZERO)?;
        let is_at_rest = asked.next != Some(Duration::ZERO) && self.are_at_rest();
        if !is_at_rest || self.activity() != activity {
            self.quiet.begin(QUIET);
            return Ok(());
        }
        let now = self.clock.now();
        let of_parties = [next, self.clock.next_deadline()].into_iter().flatten().min();
        let Some(of_parties) = of_parties else {
            return Ok(());
        };
        let left = Duration::try_from(of_parties.duration_since(now)).unwrap_or_default();
        let by = left.min(asked.next.unwrap_or(STEP));
        if by < SHORTEST {
            return Ok(());
        }
        let by = Duration::from_millis(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
        // First, so that what the server does then is recorded with the new time. The parties act after the server, so that
        // it receives nothing while its clock is behind.
        self.clock.advance(by);
        server.advance(by)?;
        self.clock.wake();
        self.quiet.begin(match asked.next {
            Some(_) => QUIET,
            None => QUIET_BETWEEN_STEPS,
        });
        Ok(())
    }

    /// Lets the clock of a restarted server catch up with the clock of the parties.
    pub(super) fn catch_up(&self) -> Result<(), ClockError> {
        let Some(server) = &self.server_clock else {
            return Ok(());
        };
        let advanced = server.wait()?.in_all;
        let missing = self.clock.advanced().saturating_sub(advanced);
        if !missing.is_zero() {
            server.advance(missing)?;
        }
        Ok(())
    }

    fn is_up_and_jumping(&self) -> bool {
        let is_up = match &self.server {
            Server::Started { process, .. } => process.is_up(),
            Server::Given(_) => true,
        };
        self.setup.jumps && is_up
    }

    /// A count that changes whenever something passes on a connection.
    fn activity(&self) -> u64 {
        let shared = self.setup.door.as_ref().map_or(0, |door| door.activity());
        self.shared_network.activity() + shared
    }

    /// Whether the threads of all parties have run what they could run.
    fn are_at_rest(&self) -> bool {
        let (sender, receiver) = mpsc::channel();
        let runs = self.hosts.iter().filter_map(|host| host.run.as_ref());
        let answers = || -> BoxFuture<'static, ()> {
            let sender = sender.clone();
            Box::pin(async move {
                tokio::task::yield_now().await;
                // The world may have stopped to wait.
                let _ = sender.send(());
            })
        };
        let mut asked = 0;
        for run in runs.chain(&self.front) {
            run.spawn(answers());
            asked += 1;
        }
        if let Some(door) = &self.setup.door {
            door.spawn(answers());
            asked += 1;
        }
        (0..asked).all(|_| receiver.recv_timeout(AT_REST).is_ok())
    }
}
