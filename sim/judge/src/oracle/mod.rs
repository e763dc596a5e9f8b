//! The rules that every run must satisfy, checked on its trace alone.
//!
//! An oracle knows the protocol and the wire. It knows neither the server's types nor the script. Each oracle is one
//! file; all read the trace through [`history`]. `admissions`, `asked`, `batches`, `completions`, `fences`, `frames`,
//! `gate_wait`, `runs` and `transcript` derive what oracles need. Where the wire leaves open what happened, every possible
//! outcome is accepted: an oracle reports a finding only if no possible outcome satisfies its rule.

mod acked_survives;
mod admissions;
mod all_end;
mod allocations;
mod asked;
mod attempts;
mod batches;
mod callback_arrives;
mod callback_content;
mod callback_repeats;
mod callback_target;
mod callback_times;
mod complete_settles;
mod completions;
mod deleted;
mod delivery_times;
mod doors;
mod entity_rows;
mod error_texts;
mod event_ids;
mod evidence;
mod execution_id;
mod execution_time;
mod exhaustion;
mod fences;
mod fifo;
mod frames;
mod gate_wait;
mod gateway_is_empty;
mod given;
mod grace;
pub mod history;
mod inputs;
mod internal_errors;
mod interrupts;
mod interrupts_settle;
mod job_size;
mod keep_warm;
mod message_states;
pub mod no_secret_leaves;
mod one_callback;
mod overdue;
mod own_names;
mod pending_limit;
mod pings;
mod preparing;
mod queue_moves;
mod reconciliation;
mod refusals;
mod relay;
mod replay;
mod replies;
mod runs;
mod same_badges;
mod shapes;
mod snapshot;
mod snapshot_request;
mod stale_fence;
mod status_follows;
mod stops;
mod stream_shape;
mod terminal_once;
mod transcript;
mod unhealthy;
mod wrapper_promises;

#[cfg(test)]
mod written;

use std::time::Duration;

use history::{History, SessionHistory};

use crate::rules::RuleId;

/// How serious a finding is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Severity {
    /// The rule is violated.
    #[default]
    Violation,
    /// In real time, something happened a little later than the rule allows. A busy machine may be the cause.
    Warning,
}

/// A violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule: an oracle's name, or the place in the script whose expectation failed.
    pub rule: String,
    /// The rules of the protocol that are violated; empty if the script names none.
    pub protocol: Vec<RuleId>,
    /// When the violation happened or was detected, since the beginning of the run.
    pub at: Duration,
    /// The id of the message that the finding is about.
    pub message: Option<String>,
    /// What happened instead, in one sentence.
    pub text: String,
    /// How serious it is.
    pub severity: Severity,
}

/// Something that did not happen in time.
#[derive(Debug, Clone, Copy)]
struct Late {
    /// The latest time that the rule allows, with the tolerance.
    limit: Duration,
    /// When it happened; `None` if it never did.
    at: Option<Duration>,
}

/// An oracle: one rule that every run must satisfy, with the function that checks it.
pub struct Oracle {
    /// Its name, which reports show.
    pub name: &'static str,
    /// The rule, in one sentence.
    pub rule: &'static str,
    /// Why the rule exists.
    pub why: &'static str,
    /// Which moments of a run the rule is about.
    pub moment: Moment,
    /// The rules of the protocol that it checks.
    pub protocol: &'static [RuleId],
    check: Check,
}

/// Which moments of a run a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The rule holds at every moment.
    Always,
    /// The rule holds at the end of the run, when all faults are healed and time has passed.
    AtEnd,
}

/// The input of an oracle.
enum Check {
    /// Each session alone.
    Sessions(fn(&SessionHistory) -> Vec<Finding>),
    /// The run as a whole.
    Run(fn(&History) -> Vec<Finding>),
}

impl Oracle {
    /// A violation of these rules of the protocol, about a message if one is given.
    fn finding(
        &self,
        violated: &[RuleId],
        at: Duration,
        message: Option<&str>,
        text: impl Into<String>,
    ) -> Finding {
        debug_assert!(
            !violated.is_empty() && violated.iter().all(|id| self.protocol.contains(id)),
            "{} does not check {violated:?}",
            self.name
        );
        Finding {
            rule: self.name.to_owned(),
            protocol: violated.to_vec(),
            at,
            message: message.map(str::to_owned),
            text: text.into(),
            severity: Severity::Violation,
        }
    }

    /// Something that happened at `late.at` instead of by `late.limit` at the latest, or never. In real time a small
    /// excess is a warning, and so is one that is not larger than the machine was late meanwhile.
    fn finding_late(
        &self,
        run: &History,
        violated: &[RuleId],
        late: Late,
        message: Option<&str>,
        text: &str,
    ) -> Finding {
        let Late { limit, at } = late;
        let excess = at.map(|at| at.saturating_sub(limit));
        let stalled = at.map_or(Duration::ZERO, |at| run.stalls.before_and_in(limit, at));
        let ending = excess.map_or_else(String::new, |excess| format!(", {} too late", secs(excess)));
        let cause = match stalled.is_zero() {
            true => String::new(),
            false => format!("; the machine was {} late meanwhile", secs(stalled)),
        };
        let is_small = excess.is_some_and(|excess| excess <= run.warned_lateness() + stalled);
        Finding {
            severity: if is_small {
                Severity::Warning
            } else {
                Severity::Violation
            },
            ..self.finding(
                violated,
                limit.min(run.end),
                message,
                format!("{text}{ending}{cause}"),
            )
        }
    }

    /// A violation of these rules of the protocol, about a message.
    fn finding_about(
        &self,
        violated: &[RuleId],
        at: Duration,
        message: &str,
        text: impl Into<String>,
    ) -> Finding {
        self.finding(violated, at, Some(message), text)
    }

    /// All violations of its rule in a run.
    fn check(&self, history: &History, sessions: &[SessionHistory]) -> Vec<Finding> {
        let mut findings = self.check_run(history);
        findings.extend(sessions.iter().flat_map(|session| self.check_session(session)));
        findings
    }

    /// Those of a rule that concerns the run as a whole.
    fn check_run(&self, history: &History) -> Vec<Finding> {
        match self.check {
            Check::Run(check) => check(history),
            Check::Sessions(_) => Vec::new(),
        }
    }

    /// Those of a rule that concerns each session alone.
    fn check_session(&self, session: &SessionHistory) -> Vec<Finding> {
        match self.check {
            Check::Run(_) => Vec::new(),
            Check::Sessions(check) => check(session),
        }
    }
}

/// All oracles: first those for every moment, then those for the end of the run.
pub static ORACLES: [Oracle; 56] = [
    terminal_once::ORACLE,
    message_states::ORACLE,
    fifo::ORACLE,
    pending_limit::ORACLE,
    exhaustion::ORACLE,
    delivery_times::ORACLE,
    queue_moves::ORACLE,
    given::ORACLE,
    allocations::ORACLE,
    stops::ORACLE,
    interrupts::ORACLE,
    interrupts_settle::ORACLE,
    complete_settles::ORACLE,
    reconciliation::ORACLE,
    evidence::ORACLE,
    error_texts::ORACLE,
    overdue::ORACLE,
    grace::ORACLE,
    unhealthy::ORACLE,
    pings::ORACLE,
    keep_warm::ORACLE,
    stale_fence::ORACLE,
    event_ids::ORACLE,
    entity_rows::ORACLE,
    replay::ORACLE,
    snapshot::ORACLE,
    stream_shape::ORACLE,
    snapshot_request::ORACLE,
    preparing::ORACLE,
    relay::ORACLE,
    own_names::ORACLE,
    status_follows::ORACLE,
    shapes::events::ORACLE,
    shapes::requests::ORACLE,
    shapes::replies::ORACLE,
    replies::ORACLE,
    refusals::ORACLE,
    inputs::ORACLE,
    doors::ORACLE,
    internal_errors::ORACLE,
    wrapper_promises::ORACLE,
    execution_id::ORACLE,
    execution_time::ORACLE,
    no_secret_leaves::ORACLE,
    one_callback::ORACLE,
    callback_content::ORACLE,
    callback_repeats::ORACLE,
    callback_target::ORACLE,
    callback_times::ORACLE,
    job_size::ORACLE,
    acked_survives::ORACLE,
    all_end::ORACLE,
    callback_arrives::ORACLE,
    deleted::ORACLE,
    same_badges::ORACLE,
    gateway_is_empty::ORACLE,
];

/// The oracle with a name.
pub fn named(name: &str) -> Option<&'static Oracle> {
    ORACLES.iter().find(|oracle| oracle.name == name)
}

/// All violations of the rules in a run, in order of time. A session that was removed is judged up to its removal if the
/// history has its beginning ([`History::with_beginnings`]).
pub fn judge(history: &History) -> Vec<Finding> {
    judge_by(history, |_| true)
}

/// As [`judge`], for a run that ended before everything had its time: only by rules that hold at every moment, and without
/// findings about what may be explained by something that was still on its way to the observer.
pub fn judge_unfinished(history: &History) -> Vec<Finding> {
    let Some(until) = history.end.checked_sub(history.max_order_time()) else {
        return Vec::new();
    };
    let of_run = always().flat_map(|oracle| oracle.check_run(history));
    let of_run = of_run.filter(|finding| finding.at <= until);
    let sessions = history.sessions();
    let of_sessions = sessions.iter().filter_map(|session| {
        let until = history.seen_until(session.id, history.end)?;
        Some(in_beginning(session, until, |_| true))
    });
    let mut findings: Vec<Finding> = of_run.chain(of_sessions.flatten()).collect();
    findings.sort_by_key(|finding| finding.at);
    findings
}

/// The oracles of rules that hold at every moment.
fn always() -> impl Iterator<Item = &'static Oracle> {
    ORACLES.iter().filter(|oracle| oracle.moment == Moment::Always)
}

/// The violations in a session that the observer saw up to that time, and that goes on. What explains the last events may not
/// have arrived.
fn in_beginning(
    session: &SessionHistory,
    seen_until: Duration,
    is_judged: impl Fn(&Oracle) -> bool,
) -> Vec<Finding> {
    let Some(until) = seen_until.checked_sub(session.run.max_order_time()) else {
        return Vec::new();
    };
    let judged = always().filter(|oracle| is_judged(oracle));
    let found = judged.flat_map(|oracle| oracle.check_session(session));
    found.filter(|finding| finding.at <= until).collect()
}

/// The violations of the rules whose oracles have a name for which `is_judged`, in order of time.
pub fn judge_by(history: &History, is_judged: impl Fn(&str) -> bool) -> Vec<Finding> {
    judge_with(history, |oracle| is_judged(oracle.name))
}

fn judge_with(history: &History, is_judged: impl Fn(&Oracle) -> bool) -> Vec<Finding> {
    let sessions = history.sessions();
    let mut findings: Vec<Finding> = ORACLES
        .iter()
        .filter(|oracle| is_judged(oracle))
        .flat_map(|oracle| oracle.check(history, &sessions))
        .collect();
    history.for_each_beginning(|session| {
        for finding in in_beginning(session, session.run.end, &is_judged) {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    });
    findings.sort_by_key(|finding| finding.at);
    findings
}

/// Findings that are violations, and those that are warnings.
pub fn by_severity(findings: Vec<Finding>) -> (Vec<Finding>, Vec<Finding>) {
    let is_violation = |finding: &Finding| finding.severity == Severity::Violation;
    findings.into_iter().partition(is_violation)
}

/// Whether an acknowledged message has not ended yet, or a callback has not arrived yet.
pub fn is_anything_pending(history: &History) -> bool {
    let sessions = history.sessions();
    let pending = [all_end::ORACLE, callback_arrives::ORACLE];
    pending
        .iter()
        .any(|oracle| !oracle.check(history, &sessions).is_empty())
        || sessions.iter().any(one_callback::is_awaited)
}

/// A time of the run, as findings show it.
fn secs(at: Duration) -> String {
    format!("{} s", crate::trace::render::seconds(at))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn oracles_name_rules_of_the_protocol() {
        for oracle in &ORACLES {
            assert!(!oracle.protocol.is_empty(), "{}", oracle.name);
            for id in oracle.protocol {
                assert!(id.is_known(), "{} names {id}", oracle.name);
            }
        }
    }

    #[test]
    fn a_small_excess_is_a_warning_in_real_time_only() {
        let tolerance = Duration::from_millis(150);
        for (in_real_time, excess, severity) in [
            (true, 1, Severity::Warning),
            (true, 1800, Severity::Warning),
            (true, 1801, Severity::Violation),
            (false, 1, Severity::Violation),
        ] {
            let mut run = History::default();
            run.context.in_real_time = in_real_time;
            run.context.timing_tolerance = tolerance;
            let limit = Duration::from_secs(1);
            let at = limit + Duration::from_millis(excess);
            let oracle = &callback_times::ORACLE;
            let late = Late { limit, at: Some(at) };
            let finding = oracle.finding_late(&run, oracle.protocol, late, None, "it came");
            assert_eq!(finding.severity, severity, "{in_real_time} {excess}");
            assert!(finding.text.ends_with(" s too late"), "{}", finding.text);
        }
        let oracle = &callback_times::ORACLE;
        for (stalled, severity) in [(4200, Severity::Warning), (4100, Severity::Violation)] {
            let mut run = History::default();
            run.context.in_real_time = true;
            run.context.timing_tolerance = tolerance;
            run.stalls
                .take(Duration::from_secs(6), Duration::from_millis(stalled));
            run.stalls.take(Duration::from_secs(90), Duration::from_secs(10));
            let late = Late {
                limit: Duration::from_secs(3),
                at: Some(Duration::from_secs(9)),
            };
            let finding = oracle.finding_late(&run, oracle.protocol, late, None, "it came");
            assert_eq!(finding.severity, severity, "{stalled}");
            assert!(finding.text.contains("; the machine was 4."), "{}", finding.text);
        }
        let never = Late {
            limit: Duration::ZERO,
            at: None,
        };
        let finding = oracle.finding_late(&History::default(), oracle.protocol, never, None, "it never came");
        assert_eq!(finding.severity, Severity::Violation);
    }

    #[test]
    fn oracles_have_different_names_and_complete_sentences() {
        let names: BTreeSet<&str> = ORACLES.iter().map(|oracle| oracle.name).collect();
        assert_eq!(names.len(), ORACLES.len());
        for oracle in &ORACLES {
            assert!(
                oracle.rule.ends_with('.') && oracle.why.ends_with('.'),
                "{}",
                oracle.name
            );
        }
    }

    #[test]
    fn oracles_of_the_end_follow_those_of_every_moment() {
        let at_end = |oracle: &Oracle| oracle.moment == Moment::AtEnd;
        assert!(ORACLES.iter().is_sorted_by_key(at_end));
    }
}
