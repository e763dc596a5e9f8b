//! Mutants of what a wrapper is given: turns, agents and the place of work (protocol §5).

use std::collections::BTreeMap;
use std::sync::Mutex;

use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::identity::SessionId;
use turnstile_reference::model::message::Turn;
use turnstile_reference::model::metadata::{Agent, Repository};
use turnstile_reference::session::wrapper::Delivery;
use turnstile_reference::session::{Effect, Stored};

use crate::{id_of, lock};

/// The deliveries that a decision begins.
fn deliveries<'a>(decided: &'a mut Decided<'_>) -> impl Iterator<Item = &'a mut Delivery> {
    decided.effects.iter_mut().filter_map(|effect| match effect {
        Effect::Deliver(delivery) => Some(&mut **delivery),
        _ => None,
    })
}

/// Leaves the images out when a delivery is repeated; violates R5.80.
pub struct DropsImagesOnRetry;

impl Interceptor for DropsImagesOnRetry {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        for delivery in deliveries(decided) {
            let is_repeated = delivery.message.failed_deliveries > 0;
            if let (true, Turn::Prompt { images, .. }) = (is_repeated, &mut delivery.message.turn) {
                *images = None;
            }
        }
        Memory::Stays
    }
}

/// Runs every turn with the agent of the first one; violates R5.30.
#[derive(Default)]
pub struct KeepsFirstAgent {
    first: Mutex<BTreeMap<SessionId, Agent>>,
}

impl Interceptor for KeepsFirstAgent {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut first = lock(&self.first);
        let session = id_of(decided.session).clone();
        for delivery in deliveries(decided) {
            let agent = &mut delivery.message.agent;
            let first = first.entry(session.clone()).or_insert_with(|| agent.clone());
            agent.clone_from(first);
        }
        Memory::Stays
    }
}

/// Forgets the variants of queued messages in a restart; violates R3.15.
pub struct ForgetsVariants;

impl Interceptor for ForgetsVariants {
    fn read(&self, stored: &mut Stored) {
        for message in stored.messages.iter_mut().filter(|message| message.is_queued()) {
            message.agent.variant = None;
        }
    }
}

/// Does not commit after turns that do not say themselves that they are to be committed; violates R5.30.
pub struct ForgetsCommitOfSession;

impl Interceptor for ForgetsCommitOfSession {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        for delivery in deliveries(decided) {
            if delivery.metadata.finalization.auto_commit == Some(true) {
                delivery.message.finalization.auto_commit = Some(false);
            }
        }
        Memory::Stays
    }
}

/// Does not name the branch to the wrapper; violates R5.27.
pub struct HidesBranch;

impl Interceptor for HidesBranch {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        for delivery in deliveries(decided) {
            match &mut delivery.metadata.repository {
                Some(
                    Repository::Github { branch, .. }
                    | Repository::Gitlab { branch, .. }
                    | Repository::Git { branch, .. },
                ) => *branch = None,
                None => {}
            }
        }
        Memory::Stays
    }
}
