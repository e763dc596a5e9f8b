//! Mutants of the reference server: each violates one rule of the protocol, to test that the harness detects it.
//!
//! The server's code contains no mutant. A mutant changes the profile, intercepts what a session takes in, decides
//! or reads from the store ([`Interceptor`]), or wraps an edge (the callback queue, the HTTP router). Each module
//! covers one part of the protocol. Which oracle must detect a mutant is not stated here.
//!
//! The mutants of a [`Rule`] are written by hand. Those in [`generic`] follow from what a server does.

mod callbacks;
mod causes;
mod clock;
mod core_row;
mod deletion;
mod doors;
mod endless_loop;
mod forms;
pub mod generic;
mod handover;
mod historic;
mod incoming;
mod late;
mod orders;
mod queue;
mod replies;
mod rule;
mod settlement;
mod stream;
mod stream_content;
mod stream_filters;
mod stream_status;
mod wrapper;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use turnstile_fault::WrapperBehaviour;
use turnstile_reference::host::interception::{Decided, Interceptor};
use turnstile_reference::identity::SessionId;
use turnstile_reference::server::{Config, Hooks};
use turnstile_reference::session::events::Event;
use turnstile_reference::session::{Effect, Session};
use turnstile_seams::Seams;

use self::historic::{delivery, grace, settlement as settling};

pub use self::endless_loop::EndlessLoop;
pub use self::rule::Rule;

impl Rule {
    /// Configures a server so that it violates this rule. State of the mutant is reset at each server start.
    pub fn install(self, config: &mut Config, hooks: &mut Hooks, seams: &mut Seams) {
        match self {
            Self::LastSlotExhausts => queue::exhaust_one_attempt_early(Arc::make_mut(&mut config.profile)),
            Self::QueueLimitIsExact => Arc::make_mut(&mut config.profile).pending_limit += 1,
            Self::CallbackNamesItsExecution => callbacks::omit("executionId", hooks),
            Self::CallbackNamesKiloSession => callbacks::omit("kiloSessionId", hooks),
            Self::PromptLimitIsExact => Arc::make_mut(&mut config.profile).prompt_limit += 1,
            Self::ReplayIsWhole => stream::skip_first_replayed(hooks),
            Self::CallbackTargetIsSecret => stream::show_callback_target(hooks),
            Self::LatestAnswerIsCalledBack => historic::callbacks::call_back_first_answer(hooks),
            Self::JobFitsTheQueue => historic::callbacks::submit_over_limit(hooks),
            Self::UnknownFieldsAreIgnored => historic::store::lock_out_stored_sessions(hooks),
            Self::FutureCursorIsAnswered => historic::stream::ignore_future_cursors(hooks),
            Self::AckNamesItsStream => forms::omit_stream(hooks),
            Self::InterruptSaysWhat => forms::omit_text_of_interrupt(hooks),
            Self::DeletionKeepsCallbacks => {
                Arc::make_mut(&mut config.profile).delete_keeps_callbacks = false;
            }
            Self::FiltersApplyToAll => Arc::make_mut(&mut config.profile).filters_hide_snapshot = false,
            Self::ExecutionsAreFiltered => stream_filters::ignore_executions(hooks),
            Self::TimesAreFiltered => stream_filters::ignore_times(hooks),
            Self::FilteredStreamIsWhole => stream_filters::let_first_type_pass(hooks),
            Self::RequestsAreAnswered => replies::ignore_missing_sessions(hooks),
            Self::RefusedStreamHasItsStatus => doors::refuse_other_sessions_as_unauthorized(hooks),
            Self::HealthReportsWork => replies::report_idle(hooks),
            Self::PendingIsNotRunning => replies::report_pending_as_running(hooks),
            Self::SessionShowsItsMode => replies::report_default_mode(hooks),
            Self::SessionShowsItsBranch => replies::omit_branch(hooks),
            Self::InterruptReportsNothing => replies::report_success(hooks),
            Self::LatestMessageIsWhole => replies::omit_last_part(hooks),
            Self::RefusalHasOneStatus => replies::refuse_with_other_status(hooks),
            Self::RefusalNamesItsPath => replies::refuse_with_other_path(hooks),
            Self::QueriesNeedRights => doors::answer_everyone(hooks),
            Self::StreamNeedsTicket => doors::open_stream_with_any_ticket(hooks),
            Self::IngestNeedsToken => doors::open_ingest_with_any_token(hooks),
            Self::ReservedNamesAreRefused => incoming::relay_reserved_names(hooks, seams),
            _ => {
                if !late::mistime(self, Arc::make_mut(&mut config.profile)) {
                    hooks.interceptor = self.interceptor();
                }
            }
        }
    }

    /// Makes the wrapper violate the rule, if it is a rule for wrappers. A script's behaviour stays otherwise as it is.
    pub fn misguide(self, behaviour: &mut WrapperBehaviour) {
        if let (Self::FinalizingWrapperQueues, Some(finalizing)) = (self, &mut behaviour.finalize) {
            finalizing.loses_prompts = true;
        }
    }

    /// Returns the interceptor that violates the rule, or `None` if the mutant uses the profile, an edge or the
    /// wrapper.
    pub fn interceptor(self) -> Option<Arc<dyn Interceptor>> {
        Some(match self {
            Self::EnqueueIsAwaited => Arc::new(callbacks::CountsEnqueueAtOnce),
            Self::CallbackRetryIsDurable => Arc::new(callbacks::ForgetsRetry),
            Self::LastOfBatchIsRepresentative => Arc::new(callbacks::CallsBackForFirst),
            Self::GateWaitIsOfItsRun => Arc::new(callbacks::AnyRunReleasesGate),
            Self::QueuedIsPending => Arc::<queue::LosesPending>::default(),
            Self::PendingIsQueued => Arc::<queue::KeepsEndedPending>::default(),
            Self::TerminalBeforeRemoval => Arc::<queue::DropsExhausted>::default(),
            Self::RepeatIsAdmittedOnce => Arc::<queue::AdmitsRepeats>::default(),
            Self::RebindForgetsAbort => Arc::<wrapper::KeepsAbort>::default(),
            Self::ReconnectCancelsGrace => Arc::new(wrapper::LetsGraceRunOn),
            Self::StaleFenceIsRefused => Arc::<wrapper::AcceptsStaleFence>::default(),
            Self::TerminalOnce => Arc::<settlement::EndsAgain>::default(),
            Self::SnapshotTellsOfFailed => Arc::new(stream::HidesFailed),
            Self::CompleteSettles => Arc::new(settling::CompleteSettlesNothing),
            Self::OutputKeepsReconciliation => Arc::new(settling::OutputCancelsReconciliation),
            Self::GraceSuspendsDeadlines => Arc::<grace::DeadlinesFireInGrace>::default(),
            Self::ReconnectForgetsPing => Arc::new(grace::LostPingOutlivesReconnect),
            Self::SupersededIsLeftOut => Arc::new(historic::stream::SnapshotKeepsSuperseded),
            Self::DelayFollowsFailure => Arc::<delivery::DelaysFromAttempt>::default(),
            Self::CutShortIsNoAttempt => Arc::<delivery::CountsCutShort>::default(),
            Self::DeadlinesSurviveCrash => Arc::new(grace::ForgetsDeadlinesOnBoot),
            Self::ExhaustionIsOneCommit => Arc::<delivery::ExhaustsInTwoCommits>::default(),
            Self::QueueOutlivesRun => Arc::new(settling::QueueDiesWithRun),
            Self::InterruptEndsAccepted => Arc::new(settling::InterruptLeavesAccepted),
            Self::HeartbeatIsNoOutput => Arc::new(settling::HeartbeatPostpones::NO_OUTPUT),
            Self::HeartbeatKeepsPing => Arc::new(settling::HeartbeatPostpones::PING),
            Self::InterruptSilencesRun => Arc::<settling::RelaysAfterInterrupt>::default(),
            Self::DeltasReachEveryClient => Arc::<stream_content::DropsDeltas>::default(),
            Self::FramesKeepTheirOrder => Arc::<stream_content::DelaysDeltas>::default(),
            Self::FramesAreShownOnce => Arc::new(stream_content::RepeatsResumed),
            Self::FramesAreUnchanged => Arc::new(stream_content::ShortensDeltas),
            Self::SessionUpdatesAreKept => Arc::new(stream_content::ForgetsUpdates),
            Self::VersionsShareARow => Arc::new(stream_content::KeepsEveryVersion),
            Self::ConnectedShowsReady => Arc::new(stream_status::HidesStatus::READY),
            Self::ConnectedShowsPreparing => Arc::new(stream_status::HidesStatus::PREPARING),
            Self::CatalogueIsTheLatest => Arc::new(stream_status::HidesCatalogue),
            Self::OnlyACommitFinalizes => Arc::new(stream_status::CommitsWhenIdle),
            Self::OnlyFatalErrorsAreShown => Arc::new(stream_status::ShowsWarnings),
            Self::RemovedPartGetsANewRow => Arc::new(stream_content::RevivesRows),
            Self::RetryKeepsImages => Arc::new(handover::DropsImagesOnRetry),
            Self::TurnHasItsAgent => Arc::<handover::KeepsFirstAgent>::default(),
            Self::VariantSurvivesCrash => Arc::new(handover::ForgetsVariants),
            Self::BranchReachesWrapper => Arc::new(handover::HidesBranch),
            Self::SessionCommits => Arc::new(handover::ForgetsCommitOfSession),
            Self::BusyCancelsReconciliation => Arc::new(causes::LeavesDeadline::RECONCILIATION),
            Self::PongAnswersPing => Arc::new(causes::LeavesDeadline::PONG),
            Self::OutputMovesNoOutput => Arc::new(causes::LeavesDeadline::NO_OUTPUT),
            Self::LossIsNoError => Arc::new(causes::BlamesLoss::ON_AN_ERROR),
            Self::LossIsNoInterrupt => Arc::new(causes::BlamesLoss::ON_AN_INTERRUPT),
            Self::FailureSaysWhy => Arc::new(forms::OmitsField::ERROR),
            Self::StatusHasItsStep => Arc::new(forms::OmitsField::STEP),
            Self::FailedRunIsReleased => Arc::new(orders::KeepsFailedRun),
            Self::ConnectionIsNew => Arc::<orders::KeepsConnection>::default(),
            Self::ReleaseKills => Arc::new(orders::SendsNoKill),
            Self::AbortNamesItsRun => Arc::<orders::AbortsEarlierRun>::default(),
            Self::SnapshotIsRequested => Arc::new(orders::AsksForNoSnapshot),
            Self::EveryClientGetsSnapshot => Arc::<orders::AsksOncePerRun>::default(),
            Self::RepeatReportsDelivery => replies::acknowledge_as_queued(),
            Self::JobIsSubmittedOnce => Arc::new(callbacks::SubmitsTwice),
            Self::AcceptedJobIsDone => Arc::<callbacks::SubmitsAgain>::default(),
            Self::DeletionTellsEnds => Arc::new(deletion::DeletesInSilence),
            Self::CommitEndIsShown => Arc::new(stream_status::HidesStatusAfter::COMMIT),
            Self::AcceptanceIsShown => Arc::new(stream_status::HidesStatusAfter::ACCEPTANCE),
            Self::FatalErrorIsShown => Arc::new(stream_status::HidesStatusAfter::ERROR),
            Self::EndIsShown => Arc::new(stream_status::HidesReadyAgain),
            Self::FatalErrorKeepsItsText => Arc::new(settlement::LosesTextOfError),
            Self::ClockPutsNothingOff => Arc::new(clock::WaitsForTheClock),
            Self::ClockKeepsTheOrder => Arc::new(clock::OrdersByTheClock),
            _ => return None,
        })
    }
}

/// The id of a session.
fn id_of(session: &Session) -> &SessionId {
    &session.metadata().identity.session_id
}

/// Changes every event that a decision stores or sends to clients.
fn change_events(decided: &mut Decided<'_>, mut change: impl FnMut(&mut Event)) {
    for row in decided.commit.events.to_mut() {
        change(&mut row.event);
    }
    for effect in &mut decided.effects {
        if let Effect::Broadcast(event) = effect {
            change(event);
        }
    }
}

/// Locks the state of a mutant, also after a panic in another thread.
fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
