//! The tasks that send requests to the session's wrapper, so that they can be cut short.
//!
//! A request of an earlier run must not reach the wrapper after one of a later run: a late `/session/ready` would bind
//! the wrapper to a run that has ended, and a late abort would be for the wrong turn (R5.35, R6.28).

use tokio::task::AbortHandle;

use crate::identity::WrapperRunId;

/// The latest tasks that send requests to the wrapper of one session.
#[derive(Debug, Default)]
pub(super) struct WrapperRequests {
    delivery: Option<(WrapperRunId, AbortHandle)>,
    stop: Option<(WrapperRunId, AbortHandle)>,
}

impl WrapperRequests {
    /// Takes over a delivery to `run` that begins. A stop of an earlier run that is still being sent is abandoned.
    pub(super) fn delivery_begins(&mut self, run: WrapperRunId, task: AbortHandle) {
        if let Some((_, stop)) = self.stop.take_if(|(stopped, _)| *stopped != run) {
            stop.abort();
        }
        self.delivery = Some((run, task));
    }

    /// Cuts the delivery to `run` short.
    pub(super) fn cancel_delivery(&mut self, run: &WrapperRunId) {
        if let Some((_, delivery)) = self.delivery.take_if(|(delivered, _)| delivered == run) {
            delivery.abort();
        }
    }

    /// Takes over a request to stop `run` that is being sent.
    pub(super) fn stop_begins(&mut self, run: WrapperRunId, task: AbortHandle) {
        self.stop = Some((run, task));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn run(digit: char) -> WrapperRunId {
        format!("wr_{}", digit.to_string().repeat(32)).parse().unwrap()
    }

    #[tokio::test]
    async fn a_cancelled_delivery_is_cut_short_and_one_of_another_run_is_not() {
        let mut requests = WrapperRequests::default();
        let task = tokio::spawn(pending::<()>());
        requests.delivery_begins(run('a'), task.abort_handle());
        requests.cancel_delivery(&run('b'));
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        requests.cancel_delivery(&run('a'));
        assert!(task.await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn no_stop_of_an_earlier_run_is_sent_after_a_delivery_begins() {
        let mut requests = WrapperRequests::default();
        let stop = tokio::spawn(pending::<()>());
        requests.stop_begins(run('a'), stop.abort_handle());
        let delivery = tokio::spawn(pending::<()>());
        requests.delivery_begins(run('b'), delivery.abort_handle());
        assert!(stop.await.unwrap_err().is_cancelled());
        assert!(!delivery.is_finished());
    }
}
