//! How the world goes on once a plan is over, until nothing is owed any more.

use super::World;
use crate::actions::{Claim, Frame, ReplyEnd, Report};
use crate::laws::{Law, Violation, ensure};

/// How the world goes on once a plan is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Everything works.
    Works,
    /// No wrapper can be got ready.
    NoWrapper,
    /// Wrappers take messages and are never heard of.
    Silence,
    /// Wrappers take messages and show nothing but that they are there.
    PongsOnly,
}

impl World {
    /// Goes on as `outlook` has it until nothing is owed any more, in a number of steps that depends on no
    /// more than how much there is to do.
    pub fn settle(&mut self, outlook: Outlook) -> Result<(), Violation> {
        let bound = 60 + 60 * self.laws.unfinished();
        for _ in 0..bound {
            // A wrapper that is there and says nothing of its idle keeps the batch open: none is due.
            if self.is_settled() || self.laws.all_ended() && outlook == Outlook::PongsOnly {
                return Ok(());
            }
            self.settle_on(outlook)?;
        }
        Err(Violation::new(
            Law::Liveness,
            format!("after {bound} steps waiting for {}", self.laws.waited_for()),
        ))
    }

    fn is_settled(&self) -> bool {
        self.laws.all_ended() && self.laws.all_called_back()
    }

    fn settle_on(&mut self, outlook: Outlook) -> Result<(), Violation> {
        if !self.deliveries.is_empty() {
            return match outlook {
                Outlook::NoWrapper => self.report(0, Report::Retryable),
                Outlook::Works | Outlook::PongsOnly => self.serve(0, true),
                Outlook::Silence => self.serve(0, false),
            };
        }
        if !self.jobs.is_empty() {
            return self.queue_answers(0, true);
        }
        let socket = self.laws.current_socket();
        match (outlook, socket, self.laws.current_run().cloned()) {
            (Outlook::Works | Outlook::PongsOnly, Some(socket), _) if self.pings > 0 => {
                self.pings = 0;
                self.say(socket, &Frame::Other("heartbeat"))?;
                self.say(socket, &Frame::ChildIdle)?;
                self.say(socket, &Frame::Pong)
            }
            (Outlook::Works, Some(socket), _) => {
                for _ in self.laws.accepted() {
                    self.answer(socket, 0, ReplyEnd::Completed, Some(Frame::RootIdle))?;
                }
                self.say(socket, &Frame::RootIdle)?;
                let complete = Frame::Complete {
                    branch: None,
                    gate: None,
                };
                self.say(socket, &complete)?;
                self.pass_on()
            }
            (Outlook::Works, None, Some(run))
                if !self.laws.accepted().is_empty() || self.laws.all_ended() =>
            {
                self.connect(run, Claim::True)
            }
            _ => self.pass_on(),
        }
    }

    fn pass_on(&mut self) -> Result<(), Violation> {
        let is_done = self.is_settled();
        let is_under_way = !self.deliveries.is_empty() || !self.jobs.is_empty();
        ensure!(
            is_done || is_under_way || self.session.next_deadline().is_some(),
            Law::Liveness,
            "nothing is planned while waiting for {}",
            self.laws.waited_for()
        );
        self.pass_to_deadline()
    }
}
