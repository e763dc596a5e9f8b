//! A session with one message that is looked at, ended by a first evidence and then met by a second one.

use turnstile_mutants::Rule;
use turnstile_reference::identity::MessageId;
use turnstile_reference::model::message::Outcome;
use turnstile_reference::session::wrapper::FailureCode;

use crate::bench::Bench;
use crate::bench::setting::Setting;
use crate::bench::words::{self, Reply};
use crate::settlement_pairs::evidence::{Evidence, WARM_ATTEMPTS};

/// How far the message is when the first evidence comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its delivery failed, and it waits to be tried again.
    Waiting,
    /// Its delivery is under way, and the wrapper is connected.
    OnItsWay,
    /// The wrapper said that it took it.
    Accepted,
}

/// What the message shares its session with. Most evidence is about whatever a run accepted: there has to be
/// something for the second one to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// Another message is at work on the same run all the while.
    Beside,
    /// The message is alone, and its batch over, before the next one comes.
    After,
}

/// All that a pair is played with.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// How far the message is.
    pub standing: Standing,
    /// What it shares its session with.
    pub company: Company,
    /// What ends it.
    pub first: Evidence,
    /// What comes then.
    pub second: Evidence,
    /// The server restarts between the two.
    pub restart: bool,
    /// The rule that the server breaks, if it is to be found out.
    pub broken: Option<Rule>,
}

/// Why the first evidence cannot be the one that ends a message that is so far.
pub fn cannot_end(standing: Standing, first: Evidence) -> Option<&'static str> {
    match (standing, first) {
        (Standing::Accepted, Evidence::Exhausted | Evidence::NotRetryable) => {
            Some("the wrapper took it: its delivery is over, and it is not delivered again")
        }
        (Standing::Accepted | Standing::OnItsWay | Standing::Waiting, Evidence::UserInterrupt)
        | (Standing::Accepted, _)
        | (Standing::OnItsWay | Standing::Waiting, Evidence::AssistantCompleted | Evidence::AssistantError)
        | (Standing::OnItsWay, Evidence::Exhausted | Evidence::NotRetryable) => None,
        (Standing::Waiting, Evidence::Exhausted | Evidence::NotRetryable) => {
            Some("nothing can be said of a delivery that is not under way")
        }
        (
            Standing::OnItsWay | Standing::Waiting,
            Evidence::InterruptedEvent
            | Evidence::FatalError
            | Evidence::GraceOver
            | Evidence::NoPong
            | Evidence::NoOutput
            | Evidence::ReconciledWithReply
            | Evidence::ReconciledWithError
            | Evidence::ReconciledWithout,
        ) => Some("it ends what a run accepted, and nobody has said that this was"),
    }
}

impl Case {
    /// Why the second evidence cannot come after the first.
    pub fn cannot_follow(&self) -> Option<&'static str> {
        if !self.second.is_of_delivery() {
            return None; // A later message makes it come about, whatever became of the run.
        }
        if self.restart {
            return Some("the server forgot the delivery, and does not deliver again what has ended");
        }
        match self.standing {
            Standing::Accepted => {
                Some("the wrapper took it: its delivery is over, and it is not delivered again")
            }
            Standing::Waiting => Some("it was not being delivered, and what has ended is not delivered"),
            Standing::OnItsWay if self.first.is_of_delivery() => {
                Some("the delivery that failed was the last: what has ended is not delivered again")
            }
            Standing::OnItsWay => None,
        }
    }
}

/// A case that is being played.
pub struct Scene {
    /// The session.
    pub bench: Bench,
    /// The message that is looked at.
    pub subject: MessageId,
    case: Case,
}

impl Scene {
    /// The message is as far as the case says, and nothing has ended it.
    pub fn new(case: Case) -> Self {
        let mut bench = Bench::new(Setting {
            callback: true,
            broken: case.broken,
            ..Setting::default()
        });
        // A turn before all: there is a run and a socket, and the session has had a ready workspace.
        let opening = bench.admit();
        bench.accept();
        bench.say(words::assistant(&opening, Reply::Completed));
        bench.say(words::root_idle());

        let mut scene = Self {
            subject: bench.draw(),
            bench,
            case,
        };
        if case.company == Company::Beside {
            scene.bring_company();
        }
        scene.bring_subject();
        scene
    }

    fn bring_subject(&mut self) {
        let Self { bench, subject, case } = self;
        *subject = bench.draw();
        case.first.foretell(bench, subject);
        bench.admit_as(subject);
        if case.standing == Standing::Accepted {
            bench.accept();
            return;
        }
        let exhausts = [case.first, case.second].contains(&Evidence::Exhausted);
        let failures = if exhausts { WARM_ATTEMPTS - 1 } else { 1 };
        for _ in 0..failures {
            bench.next_delivery();
            bench.take_up();
            bench.report(Err(FailureCode::WrapperStartFailed));
        }
        if case.standing == Standing::OnItsWay {
            bench.next_delivery();
            bench.take_up();
        }
    }

    /// Brings the first evidence about, and lets the batch come to its end if nothing else is at work.
    pub fn first(&mut self) {
        self.case.first.bring(&mut self.bench, &self.subject);
        if self.case.company == Company::After {
            self.bench.say(words::root_idle());
        }
    }

    /// The server restarts. A wrapper that may comes back.
    pub fn restart(&mut self) {
        self.bench.restart();
        self.bench.connect();
    }

    /// Brings the second evidence about, and says what it did not do to others that it should have.
    pub fn second(&mut self) -> Result<(), String> {
        let second = self.case.second;
        if second.is_of_delivery() {
            second.bring(&mut self.bench, &self.subject);
            return Ok(());
        }
        // The wrapper that the first evidence left, whether or not it is listened to any more.
        if second.names_message() {
            second.bring(&mut self.bench, &self.subject);
        }
        let target = self.bring_company();
        if second.names_message() {
            second.bring(&mut self.bench, &self.subject);
        }
        second.bring(&mut self.bench, &target);
        let outcome = self.bench.message(&target).outcome();
        if second.made(outcome) {
            Ok(())
        } else {
            Err(format!(
                "{second:?} did not come about: it made {outcome:?} of the next message"
            ))
        }
    }

    /// Another message, accepted by the current run and such that the second evidence can end it.
    fn bring_company(&mut self) -> MessageId {
        let Self { bench, case, .. } = self;
        if bench.delivery.is_some() {
            bench.report(Ok(()));
        }
        if case.second.must_be_foretold() {
            // On a socket that is listened to, which takes a message that is at work.
            bench.admit();
            bench.accept();
        }
        let message = bench.draw();
        case.second.foretell(bench, &message);
        bench.admit_as(&message);
        bench.accept();
        message
    }

    /// How the message ended, if it did.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.bench.message(&self.subject).outcome()
    }
}
