//! Continues after the end of a plan until nothing is pending.

use std::time::Duration;

use super::World;
use crate::session_properties::actions::{Claim, Frame, ReplyEnd, Report};
use crate::session_properties::laws::{Law, Violation, ensure};
use crate::session_properties::protocol::PROTOCOL;

/// The time in which a settled session must be removed. It includes one extension of the session's life by the
/// release of a wrapper.
fn last_days() -> Duration {
    PROTOCOL.session_lifetime * 2 + Duration::from_hours(1)
}

/// The environment after the end of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Everything works.
    Works,
    /// No wrapper becomes ready.
    NoWrapper,
    /// Wrappers accept messages and send nothing.
    Silence,
    /// Wrappers accept messages and only answer pings.
    PongsOnly,
}

impl World {
    /// Continues with `outlook` until nothing is pending, in a number of steps that is bounded by the amount of work,
    /// and then until the session is removed.
    pub fn settle(&mut self, outlook: Outlook) -> Result<(), Violation> {
        let bound = 60 + 60 * self.laws.unfinished();
        for _ in 0..bound {
            if self.is_settled() {
                return self.expect_removal();
            }
            // A wrapper that is connected and never reports an idle keeps the batch open, so no callback is due.
            if self.laws.all_ended() && outlook == Outlook::PongsOnly {
                return Ok(());
            }
            self.settle_on(outlook)?;
        }
        Err(Violation::new(
            Law::Liveness,
            format!(
                "after {bound} steps, still pending: {}",
                self.laws.describe_pending()
            ),
        ))
    }

    /// Lets the session expire.
    fn expect_removal(&mut self) -> Result<(), Violation> {
        self.pass(last_days())?;
        ensure!(
            self.gone,
            Law::Life,
            "at {} the session still exists, with the next deadline {:?}",
            self.now,
            self.session.next_deadline()
        );
        Ok(())
    }

    fn is_settled(&self) -> bool {
        let laws = &self.laws;
        self.gone || laws.all_ended() && laws.active_execution().is_none() && laws.all_called_back()
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
        if outlook == Outlook::Works
            && let Some((execution, socket)) = self.laws.active_execution()
        {
            return match socket {
                Some(socket) => self.send(socket, &done()),
                None => self.connect_imported(execution),
            };
        }
        let socket = self.laws.current_socket();
        match (outlook, socket, self.laws.current_run().cloned()) {
            (Outlook::Works | Outlook::PongsOnly, Some(socket), _) if self.pings > 0 => {
                self.pings = 0;
                self.send(socket, &Frame::Other("heartbeat"))?;
                self.send(socket, &Frame::ChildIdle)?;
                self.send(socket, &Frame::Pong)
            }
            (Outlook::Works, Some(socket), _) => {
                for _ in self.laws.accepted() {
                    self.answer(socket, 0, ReplyEnd::Completed, Some(Frame::RootIdle))?;
                }
                self.send(socket, &Frame::RootIdle)?;
                self.send(socket, &done())?;
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
        let is_under_way = !self.deliveries.is_empty() || !self.jobs.is_empty();
        ensure!(
            self.is_settled() || is_under_way || self.near_deadline().is_some(),
            Law::Liveness,
            "no deadline is set, still pending: {}",
            self.laws.describe_pending()
        );
        self.pass_to_deadline()
    }
}

/// The last frame of a wrapper that has finished.
fn done() -> Frame {
    Frame::Complete {
        branch: None,
        gate: None,
    }
}
