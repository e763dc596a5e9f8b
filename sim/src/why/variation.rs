//! Variations of what follows a moment: other steps, often one more fault, and but for the probes other timings of the network.
//!
//! Each moment is followed by the same few courses of events, the probes, which end what is under way in different ways, and by
//! others that are drawn. A step that waits at the moment waits no longer.

use std::time::Duration;

use serde_json::Value;
use turnstile_scenarios::{
    At, CallbackTarget, Interrupt, Label, Lapse, Scenario, SessionName, Step, SuccessReply, Update,
};
use turnstile_seams::Randomness;
use turnstile_world::{Reporting, Streams};

use super::moments::{Instant, Phase};
use crate::explore::{self, playable};
use crate::script::{Options, Reseed, Silence, SweepFault, TimedFault};
use crate::sweep::{AFTER, tolerant};

/// The latest times of an additional fault after the moment. One of them is drawn first, so that short times are as likely
/// as long ones.
const FAULT_WITHIN: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
];
/// How often to draw steps that the script makes no sense without.
const TRIES: u32 = 8;
/// The most steps of another scenario that follow a moment.
const MOST_FOREIGN: u64 = 8;

/// A play that is the same up to a moment.
#[derive(Debug)]
pub(super) struct Variation {
    /// The script.
    pub(super) scenario: Scenario,
    reseed: Option<Reseed>,
    fault: Option<TimedFault>,
    silence: Option<Silence>,
    /// Whether everything is healed before, as in the play.
    is_late: bool,
}

/// What happens after a moment. No course deletes the session: what happened in it would not be judged any more, and a
/// failure would seem to be avoidable after it has happened.
#[derive(Debug, Clone, Copy)]
enum Course {
    /// Nothing reaches the server any more. What has begun ends when it would, and the network stays as it is.
    Silence(Reporting),
    /// The steps of the script.
    Same,
    /// Nothing more.
    Nothing,
    /// Nothing more, and a fault at once.
    Fault(&'static SweepFault),
    /// The user interrupts the session, and the rest of the script follows.
    Interrupt,
    /// The user wants no callbacks any more, and the rest of the script follows.
    NoCallbacks,
    /// Half of the steps, and often a fault.
    Thinned,
    /// Steps of another scenario, and often a fault.
    Foreign,
}

/// The weights of the first variations, whose courses show where a cause is. In silence the server decides nothing new except by
/// its timers. So silence decides wherever it begins to fail: that is a larger rise than if all others begin to, even if all of
/// them stop failing there. The others decide if silence fails always or never.
///
/// Oracles accuse less if they know that something was lost. So there is a second silence of which they do not know. Then they
/// also accuse a server that did not get what they believe it got, so it decides only where the first one does not.
pub(super) const PROBES: [u32; 6] = [27, 9, 1, 1, 1, 1];
/// The probes that keep all input from the server.
pub(super) const REPORTED_SILENCE: usize = 0;
pub(super) const UNREPORTED_SILENCE: usize = 1;
/// The probe without further steps.
const NO_STEPS: usize = 2;
/// The first probe with a fault, an outage of the server.
pub(super) const FIRST_FAULT: usize = 3;
const _: () = assert!(
    PROBES.len() == FIRST_FAULT + SweepFault::ENDING.len(),
    "each kind of fault that ends what is under way is a probe"
);

impl Course {
    /// The course of a variation: first each of those that are not drawn, and of these the probes first.
    fn numbered(number: usize) -> Self {
        const FIXED: [Course; 3] = [Course::Same, Course::Interrupt, Course::NoCallbacks];
        match number {
            REPORTED_SILENCE => Self::Silence(Reporting::Reported),
            UNREPORTED_SILENCE => Self::Silence(Reporting::Unreported),
            NO_STEPS => Self::Nothing,
            number if number < PROBES.len() => Self::Fault(&SweepFault::ENDING[number - FIRST_FAULT]),
            number => match FIXED.get(number - PROBES.len()) {
                Some(course) => *course,
                None if number.is_multiple_of(2) => Self::Thinned,
                None => Self::Foreign,
            },
        }
    }
}

impl Variation {
    /// The variation of a play with a number. Draws those after the probes with `seed`: the same number gives the same one.
    /// In silence everything is healed at `healed_at` at the earliest, as in the play.
    pub(super) fn numbered(
        (scenario, seed): (&Scenario, u64),
        (moment, instant): (usize, &Instant),
        healed_at: Duration,
        number: usize,
    ) -> Self {
        let stream = Streams::new(seed).stream(&format!("why:{moment}:{number}"));
        let randomness = Randomness::new(stream);
        let at = instant.at + AFTER;
        let course = Course::numbered(number);
        let is_drawn = number >= PROBES.len();
        let reseed = is_drawn.then(|| Reseed {
            at,
            seed: u64::from_le_bytes(randomness.bytes()),
        });
        let fault = match course {
            Course::Fault(kind) => Some(TimedFault { at, kind }),
            Course::Thinned | Course::Foreign => drawn_fault(instant, &randomness),
            _ => None,
        };
        let (scenario, is_late) = continued(scenario, instant, course, &randomness);
        Self {
            scenario,
            reseed,
            fault,
            silence: match course {
                Course::Silence(reporting) => Some(Silence {
                    at,
                    healed_at,
                    reporting,
                }),
                _ => None,
            },
            is_late,
        }
    }

    /// The options of its play.
    pub(super) fn options(&self, options: Options) -> Options {
        Options {
            reseed: self.reseed,
            faults: [self.fault, None],
            silence: self.silence,
            are_faults_late: self.is_late,
            ..options
        }
    }
}

/// In half of the cases a fault, at once or later.
fn drawn_fault(instant: &Instant, randomness: &Randomness) -> Option<TimedFault> {
    if randomness.below(2) == 0 {
        return None;
    }
    let kinds = SweepFault::ALL;
    let kind = &kinds[index(randomness, kinds.len())];
    let later = match randomness.below(2) {
        0 => 0,
        _ => {
            let within = FAULT_WITHIN[index(randomness, FAULT_WITHIN.len())];
            randomness.below(u64::try_from(within.as_micros()).unwrap_or(u64::MAX))
        }
    };
    Some(TimedFault {
        at: instant.at + AFTER + Duration::from_micros(later),
        kind,
    })
}

/// An index below `count`.
fn index(randomness: &Randomness, count: usize) -> usize {
    usize::try_from(randomness.below(count as u64)).unwrap_or(0)
}

/// The steps up to a moment, and those of a course, without those that make no sense without others. Also returns whether
/// these are all steps of the script, and it had ended by then.
fn continued(
    scenario: &Scenario,
    instant: &Instant,
    course: Course,
    randomness: &Randomness,
) -> (Scenario, bool) {
    let tolerant = tolerant(scenario);
    let (begun, later) = tolerant.steps.split_at(instant.steps.min(tolerant.steps.len()));
    let mut kept = begun.to_vec();
    if instant.phase == Phase::Healed {
        // A further step would come before the faults are healed.
        return (tolerant, true);
    }
    let is_over = instant.phase == Phase::Rest;
    wait_until(&mut kept, instant.since_step + AFTER, later.is_empty());
    for _ in 0..TRIES {
        let following = following(scenario, later, course, randomness);
        if following.is_empty() && is_over {
            return (tolerant, true);
        }
        let mut candidate = tolerant.clone();
        candidate.steps = kept.iter().cloned().chain(following).collect();
        // Wrappers of other sessions are there from the beginning, so other ones would change what was before the moment.
        let playable = playable(candidate).filter(|candidate| {
            candidate.steps.starts_with(&kept) && candidate.other_sessions() == scenario.other_sessions()
        });
        if let Some(playable) = playable {
            return (playable, false);
        }
    }
    (tolerant, is_over)
}

/// Lets the next step begin `after` the last one began, but not before that one has ended. `is_last` says whether the script has
/// no further step, so that the last one may have ended already.
fn wait_until(kept: &mut Vec<At<Step>>, after: Duration, is_last: bool) {
    let rest = match kept.last_mut().map(|last| &mut last.value) {
        Some(Step::Wait(lapse)) => {
            let waited = (**lapse).min(after);
            *lapse = Lapse::from(waited);
            after - waited
        }
        Some(Step::Await(waiting)) if !is_last => {
            waiting.within = Lapse::from((*waiting.within).min(after));
            Duration::ZERO
        }
        // How long it took is not known.
        _ => after,
    };
    if !rest.is_zero() {
        kept.push(At::from(Step::Wait(Lapse::from(rest))));
    }
}

/// The steps of a course. `later` are those of the script.
fn following(
    scenario: &Scenario,
    later: &[At<Step>],
    course: Course,
    randomness: &Randomness,
) -> Vec<At<Step>> {
    let session = || {
        let mut names: Vec<SessionName> = scenario.other_sessions().into_iter().cloned().collect();
        names.push(SessionName::default());
        At::from(names.swap_remove(index(randomness, names.len())))
    };
    let then = |step: Step| {
        [At::from(step)]
            .into_iter()
            .chain(later.iter().cloned())
            .collect()
    };
    match course {
        Course::Same => later.to_vec(),
        Course::Silence(_) | Course::Nothing | Course::Fault(_) => Vec::new(),
        Course::Interrupt => then(Step::Interrupt(Interrupt {
            session: session(),
            ..Interrupt::default()
        })),
        Course::NoCallbacks => then(Step::Update(Update {
            callback: CallbackTarget::None,
            session: session(),
            client: At::default(),
            reply: SuccessReply::default(),
        })),
        Course::Thinned => {
            let kept = later.iter().filter(|_| randomness.below(2) == 0);
            kept.cloned().collect()
        }
        Course::Foreign => foreign(randomness),
    }
}

/// Some steps of the scenario of another seed, with other names of messages.
fn foreign(randomness: &Randomness) -> Vec<At<Step>> {
    let other = explore::scenario(u64::from_le_bytes(randomness.bytes()));
    let first = index(randomness, other.steps.len());
    let count = 1 + index(randomness, usize::try_from(MOST_FOREIGN).unwrap_or(1));
    let some = other.steps.iter().skip(first).take(count);
    some.filter_map(|step| {
        let mut written = serde_json::to_value(&step.value).ok()?;
        rename(&mut written);
        serde_json::from_value::<Step>(written).ok().map(At::from)
    })
    .collect()
}

/// Renames the messages of a generated step, such as `m3`.
fn rename(written: &mut Value) {
    match written {
        Value::String(text) => {
            let number = text.strip_prefix('m').filter(|rest| rest.parse::<u32>().is_ok());
            let renamed = number.map(|number| format!("other-{number}"));
            if let Some(renamed) = renamed.filter(|renamed| renamed.parse::<Label>().is_ok()) {
                *text = renamed;
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(rename),
        Value::Object(fields) => fields.values_mut().for_each(rename),
        _ => {}
    }
}
