//! A link between two parties: it can be cut, and its connections can be ended.
//!
//! A cut holds what passes, as the step `cut` of a script does: the ends get no error, and everything arrives when the
//! link is healed. What passes is not known here.

use turnstile_seams::latest::Latest;

/// A link. Clones share its state.
#[derive(Clone, Default)]
pub(crate) struct Link(Latest<State>);

#[derive(Clone, Copy, Default)]
struct State {
    is_cut: bool,
    /// The number of times that the connections were ended.
    resets: u64,
}

impl Link {
    /// Whether the link is cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.0.read(|state| state.is_cut)
    }

    /// Cuts or heals the link.
    pub(crate) fn set_cut(&self, is_cut: bool) {
        self.0.update(|state| state.is_cut = is_cut);
    }

    /// Ends the connections that are open now.
    pub(crate) fn reset(&self) {
        self.0.update(|state| state.resets += 1);
    }

    /// Completes when the link is not cut.
    pub(crate) async fn pass(&self) {
        self.0.wait_for(|state| !state.is_cut).await;
    }

    /// Completes when a connection that is open now is ended.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let Self(state) = self.clone();
        let resets = state.read(|state| state.resets);
        async move {
            state.wait_for(|state| state.resets != resets).await;
        }
    }

    /// Does work over a connection that is open from now on; `None` if the link ends it before the work is done.
    pub(crate) async fn unless_ended<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.ended() => None,
            done = work => Some(done),
        }
    }
}
