//! Checks expected answers that are not awaited.

use super::Checker;
use crate::place::Spot;
use crate::reply::{Reply, SuccessReply};

/// The reason why a request has to wait for its answer that creates something.
const NAMES: &str = "the id that later steps need is in the answer, so `reply` cannot be `unawaited` here";
/// The reason why nothing else can be said of an answer that is not awaited.
const ALONE: &str = "an answer that is not awaited cannot be checked: remove the other fields of `reply`";

impl Checker<'_, '_> {
    /// Checks the expected answer to a message, whose id the client knows or not.
    pub(super) fn reply(&mut self, reply: &Reply, knows_id: bool, spot: Spot) {
        if reply.unawaited && !knows_id {
            self.report.add(spot, NAMES);
        }
        if reply.contradicts_itself() {
            self.report.add(spot, ALONE);
        }
    }

    /// Checks the expected answer to a request that is no message.
    pub(super) fn success_reply(&mut self, reply: &SuccessReply, spot: Spot) {
        if reply.contradicts_itself() {
            self.report.add(spot, ALONE);
        }
    }
}
