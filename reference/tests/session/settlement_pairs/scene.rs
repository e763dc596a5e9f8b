//! A session with a message under test, which a first evidence ends and a second one follows.

use turnstile_mutants::Rule;
use turnstile_reference::identity::MessageId;
use turnstile_reference::model::message::Outcome;
use turnstile_reference::session::wrapper::FailureCode;

use crate::bench::Bench;
use crate::bench::frames::{self, Reply};
use crate::bench::setting::Setting;
use crate::settlement_pairs::evidence::{Evidence, WARM_ATTEMPTS};

/// The state of the message before the first evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Queued after a failed delivery.
    Waiting,
    /// In delivery, with a connected wrapper.
    OnItsWay,
    /// Accepted by the wrapper.
    Accepted,
}

/// The company of the message. Most evidence is about all accepted messages of a run, so the second evidence needs
/// another message to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// Another message is accepted by the same run all the time.
    Beside,
    /// The message is alone and its batch finalized before the next one is admitted.
    After,
}

/// The parameters of a pair.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The state of the message.
    pub standing: Standing,
    /// Its company.
    pub company: Company,
    /// The evidence that ends it.
    pub first: Evidence,
    /// The evidence that follows.
    pub second: Evidence,
    /// Whether the server restarts between the two.
    pub restart: bool,
    /// The mutant, if any.
    pub broken: Option<Rule>,
}

/// Why the first evidence cannot end a message in that state.
pub fn cannot_end(standing: Standing, first: Evidence) -> Option<&'static str> {
    match (standing, first) {
        (Standing::Accepted, Evidence::Exhausted | Evidence::Refused) => {
            Some("the wrapper accepted it: its delivery has ended, and it is not delivered again")
        }
        (Standing::Accepted | Standing::OnItsWay | Standing::Waiting, Evidence::UserInterrupt)
        | (Standing::Accepted, _)
        | (Standing::OnItsWay | Standing::Waiting, Evidence::AssistantCompleted | Evidence::AssistantError)
        | (Standing::OnItsWay, Evidence::Exhausted | Evidence::Refused) => None,
        (Standing::Waiting, Evidence::Exhausted | Evidence::Refused) => Some("no delivery is in progress"),
        (
            Standing::OnItsWay | Standing::Waiting,
            Evidence::InterruptedEvent
            | Evidence::FatalError
            | Evidence::GraceOver
            | Evidence::NoPong
            | Evidence::NoOutput
            | Evidence::ReconciledWithReply
            | Evidence::ReconciledWithError
            | Evidence::ReconciledWithout
            | Evidence::CompleteWithoutReply,
        ) => Some("it ends accepted messages, and this one was not accepted"),
    }
}

impl Case {
    /// Why the second evidence cannot follow the first.
    pub fn cannot_follow(&self) -> Option<&'static str> {
        if !self.second.is_of_delivery() {
            return None; // A later message makes it come about, whatever became of the run.
        }
        if self.restart {
            return Some("the restart cancelled the delivery, and ended messages are not delivered");
        }
        match self.standing {
            Standing::Accepted => {
                Some("the wrapper accepted it: its delivery has ended, and it is not delivered again")
            }
            Standing::Waiting => Some("it was not in delivery, and ended messages are not delivered"),
            Standing::OnItsWay if self.first.is_of_delivery() => {
                Some("the failed delivery was the last one: ended messages are not delivered")
            }
            Standing::OnItsWay => None,
        }
    }
}

/// A case in progress.
pub struct Scene {
    /// The session.
    pub bench: Bench,
    /// The message under test.
    pub subject: MessageId,
    case: Case,
}

impl Scene {
    /// Brings the message to the state of the case.
    pub fn new(case: Case) -> Self {
        let mut bench = Bench::new(Setting {
            callback: true,
            broken: case.broken,
            ..Setting::default()
        });
        // A first turn, so that there is a run and a socket, and the session is warm.
        let opening = bench.admit();
        bench.accept();
        bench.send(frames::assistant(&opening, Reply::Completed));
        bench.send(frames::root_idle());

        let mut scene = Self {
            subject: bench.draw(),
            bench,
            case,
        };
        if case.company == Company::Beside {
            scene.prepare_company();
        }
        scene.prepare_subject();
        scene
    }

    fn prepare_subject(&mut self) {
        let Self { bench, subject, case } = self;
        *subject = bench.draw();
        case.first.prepare(bench, subject);
        bench.admit_as(subject);
        if case.standing == Standing::Accepted {
            bench.accept();
            return;
        }
        let exhausts = [case.first, case.second].contains(&Evidence::Exhausted);
        let failures = if exhausts { WARM_ATTEMPTS - 1 } else { 1 };
        for _ in 0..failures {
            bench.next_delivery();
            bench.get_ready();
            bench.report(Err(FailureCode::WrapperStartFailed));
        }
        if case.standing == Standing::OnItsWay {
            bench.next_delivery();
            bench.get_ready();
        }
    }

    /// Causes the first evidence, and lets the batch finalize if no other message is unfinished.
    pub fn first(&mut self) {
        self.case.first.cause(&mut self.bench, &self.subject);
        if self.case.company == Company::After {
            self.bench.send(frames::root_idle());
        }
    }

    /// Restarts the server. The wrapper reconnects if its run is current.
    pub fn restart(&mut self) {
        self.bench.restart();
        self.bench.connect();
    }

    /// Causes the second evidence, and checks its effect on other messages.
    pub fn second(&mut self) -> Result<(), String> {
        let second = self.case.second;
        if second.is_of_delivery() {
            second.cause(&mut self.bench, &self.subject);
            return Ok(());
        }
        // From the wrapper of the first evidence, whether or not its run is still current.
        if second.names_message() {
            second.cause(&mut self.bench, &self.subject);
        }
        let target = self.prepare_company();
        if second.names_message() {
            second.cause(&mut self.bench, &self.subject);
        }
        second.cause(&mut self.bench, &target);
        let outcome = self.bench.message(&target).outcome();
        if second.matches(outcome) {
            Ok(())
        } else {
            Err(format!(
                "{second:?} had no effect: the outcome of the next message is {outcome:?}"
            ))
        }
    }

    /// Admits another message, accepted by the current run, that the second evidence can end.
    fn prepare_company(&mut self) -> MessageId {
        let Self { bench, case, .. } = self;
        if bench.delivery.is_some() {
            bench.report(Ok(()));
        }
        if case.second.needs_preparation() {
            // On a current socket, which requires an accepted message.
            bench.admit();
            bench.accept();
        }
        let message = bench.draw();
        case.second.prepare(bench, &message);
        bench.admit_as(&message);
        bench.accept();
        message
    }

    /// The outcome of the message, if it has ended.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.bench.message(&self.subject).outcome()
    }
}
