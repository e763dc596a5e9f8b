//! Draws plans. The weights are chosen so that many actions interact.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use turnstile_reference::model::metadata::GateThreshold;

use crate::session_properties::actions::{
    Action, Claim, Fate, Frame, Index, Intent, Leftovers, OldExecution, OldPrompt, Origin, Plan, ReplyEnd,
    Report, Setting, Step,
};
use crate::session_properties::protocol::PROTOCOL;

/// The probability of faults, in percent.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// Commits that fail.
    pub commits: u32,
    /// Crashes; half of them between a commit and its effects.
    pub crashes: u32,
}

/// Plans with such faults and at most `length` steps. Each plan lacks some kinds of actions, so it gets further with
/// the others.
pub fn plans(faults: Faults, length: usize) -> impl Strategy<Value = Plan> {
    let step = (actions(), fates(faults)).prop_map(|(action, fate)| Step { action, fate });
    let kinds = (
        vec(prop::bool::weighted(0.8), COMMON_KINDS),
        vec(prop::bool::weighted(0.3), RARE_KINDS),
    );
    (settings(), fates(faults), vec(step, 1..length), kinds).prop_map(
        move |(setting, beginning, mut steps, (mut kinds, rare))| {
            kinds.extend(rare);
            steps.retain(|Step { action, .. }| {
                let crashes = matches!(action, Action::Restart { .. });
                let is_of_plan = kind(action).is_none_or(|kind| kinds[kind]);
                is_of_plan && (!crashes || faults.crashes > 0)
            });
            Plan {
                setting,
                beginning,
                steps,
            }
        },
    )
}

/// The number of kinds of actions that most plans have.
const COMMON_KINDS: usize = 15;
/// The number of kinds of actions that end most of what a plan does; few plans have them.
const RARE_KINDS: usize = 2;
/// The time from which a step is long for a wrapper and concerns the life of the session.
const LONG: Duration = Duration::from_hours(24);

/// The kind of an action. `None` if every plan has it.
fn kind(action: &Action) -> Option<usize> {
    Some(match action {
        Action::Admit { .. } | Action::NextDeadline => return None,
        Action::Repeat { .. } => 0,
        Action::Interrupt => 1,
        Action::Retarget(_) => 2,
        Action::Pass(time) | Action::Late(time) | Action::Restart { away: time } if *time > LONG => {
            COMMON_KINDS
        }
        Action::Delete => COMMON_KINDS + 1,
        Action::Pass(_) => 3,
        Action::Late(_) | Action::Wake => 4,
        Action::Stream { .. } => 5,
        Action::Prepare { .. } | Action::Report { .. } => 6,
        Action::Serve { .. } => 7,
        Action::Connect { .. } | Action::ConnectImported { .. } | Action::Close { .. } => 8,
        Action::Send { .. } => 9,
        Action::Answer { .. } => 10,
        Action::Queue { .. } => 11,
        Action::Initiate => 12,
        Action::Listen => 13,
        Action::Restart { .. } => 14,
    })
}

fn settings() -> impl Strategy<Value = Setting> {
    let flag = any::<bool>;
    (origins(), prop::bool::weighted(0.9), gates(), flag(), flag()).prop_map(
        |(origin, callback, gate, branch, kilo_session)| Setting {
            origin,
            callback,
            gate,
            branch,
            kilo_session,
        },
    )
}

fn origins() -> impl Strategy<Value = Origin> {
    let day = Duration::from_hours(24);
    let ages = vec![Duration::ZERO, day, day * 89, day * 90, day * 100];
    let prompts = prop_oneof![
        1 => Just(None),
        1 => Just(Some(OldPrompt::Named)),
        1 => Just(Some(OldPrompt::Nameless)),
    ];
    let leftovers = (
        prop::sample::select(ages),
        prompts,
        any::<bool>(),
        vec(old_executions(), 0..4),
    );
    let imported = leftovers.prop_map(|(age, prompt, prepared, executions)| Leftovers {
        age,
        prompt,
        prepared,
        executions,
    });
    prop_oneof![
        4 => Just(Origin::Started),
        1 => any::<bool>().prop_map(|initiates| Origin::Prepared { initiates }),
        3 => imported.prop_map(Origin::Imported),
    ]
}

fn old_executions() -> impl Strategy<Value = OldExecution> {
    let minutes = prop::sample::select(vec![0, 5, 59, 60, 600]);
    let over = prop::sample::select(vec!["completed", "failed", "interrupted"]);
    let status = prop_oneof![3 => Just("running"), 2 => Just("pending"), 1 => over];
    (status, minutes, any::<bool>()).prop_map(|(status, minutes, has_message)| OldExecution {
        status,
        age: Duration::from_mins(minutes),
        has_message,
    })
}

fn gates() -> impl Strategy<Value = Option<GateThreshold>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(GateThreshold::Off)),
        2 => Just(Some(GateThreshold::Warning)),
    ]
}

fn fates(faults: Faults) -> impl Strategy<Value = Fate> {
    let done = 100 - faults.commits - faults.crashes;
    (0..100_u32).prop_map(move |lot| match lot {
        lot if lot < done => Fate::Done,
        lot if lot < done + faults.commits => Fate::CommitFails,
        lot if lot % 2 == 0 => Fate::CrashAfterCommit,
        _ => Fate::CrashBefore,
    })
}

/// Mostly the most likely index, sometimes any.
fn index() -> impl Strategy<Value = Index> {
    prop_oneof![6 => Just(0), 3 => 0..4_u8, 1 => any::<u8>()]
}

fn durations() -> impl Strategy<Value = Duration> {
    prop::sample::select(vec![
        1, 500, 1_000, 2_000, 9_999, 15_000, 29_999, 45_000, 60_000, 300_000,
    ])
    .prop_map(Duration::from_millis)
}

/// Times after which a session may have expired.
fn long_times() -> impl Strategy<Value = Duration> {
    let lifetime = PROTOCOL.session_lifetime;
    let second = Duration::from_secs(1);
    prop::sample::select(vec![lifetime / 2, lifetime - second, lifetime, lifetime * 2])
}

/// Boxed, because a drawn value is as large as all alternatives together.
fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        110 => requests(),
        190 => passing(),
        110 => delivering(),
        240 => frames_and_sockets(),
        40 => (index(), any::<bool>()).prop_map(|(job, accepts)| Action::Queue { job, accepts }),
    ]
}

/// Actions of users and their clients.
fn requests() -> BoxedStrategy<Action> {
    let count = prop_oneof![8 => Just(1_u8), 1 => 2..12_u8];
    let intent = (0..4_u8, gates()).prop_map(|(variety, gate)| Intent { variety, gate });
    prop_oneof![
        12 => (count, intent).prop_map(|(count, intent)| Action::Admit { count, intent }),
        2 => (index(), any::<bool>()).prop_map(|(message, same)| Action::Repeat { message, same }),
        2 => Just(Action::Interrupt),
        2 => Just(Action::Initiate),
        2 => Just(Action::Listen),
        1 => prop::option::of(1..3_u8).prop_map(Action::Retarget),
        1 => Just(Action::Delete),
    ]
    .boxed()
}

fn passing() -> BoxedStrategy<Action> {
    prop_oneof![
        100 => Just(Action::NextDeadline),
        35 => durations().prop_map(Action::Pass),
        10 => durations().prop_map(Action::Late),
        5 => Just(Action::Wake),
        25 => (durations(), any::<bool>()).prop_map(|(time, shows)| Action::Stream { time, shows }),
        5 => durations().prop_map(|away| Action::Restart { away }),
        5 => long_times().prop_map(Action::Pass),
        3 => long_times().prop_map(Action::Late),
        3 => long_times().prop_map(|away| Action::Restart { away }),
    ]
    .boxed()
}

fn delivering() -> BoxedStrategy<Action> {
    let report = prop_oneof![
        4 => Just(Report::Taken),
        2 => Just(Report::Retryable),
        1 => Just(Report::Permanent),
    ];
    prop_oneof![
        10 => index().prop_map(|delivery| Action::Serve { delivery }),
        7 => (index(), report).prop_map(|(delivery, report)| Action::Report { delivery, report }),
        4 => index().prop_map(|delivery| Action::Prepare { delivery }),
    ]
    .boxed()
}

/// Actions on ingest sockets.
fn frames_and_sockets() -> BoxedStrategy<Action> {
    let claim = prop_oneof![
        12 => Just(Claim::True),
        1 => Just(Claim::OtherGeneration),
        1 => Just(Claim::OtherConnection),
        1 => Just(Claim::OtherRun),
    ];
    let end = prop_oneof![
        2 => Just(ReplyEnd::Open),
        8 => Just(ReplyEnd::Completed),
        1 => Just(ReplyEnd::Failed),
    ];
    prop_oneof![
        100 => (index(), frames()).prop_map(|(socket, frame)| Action::Send { socket, frame }),
        50 => (index(), index(), end, endings())
            .prop_map(|(socket, message, end, then)| Action::Answer { socket, message, end, then }),
        35 => (index(), claim).prop_map(|(run, claim)| Action::Connect { run, claim }),
        25 => index().prop_map(|execution| Action::ConnectImported { execution }),
        25 => (index(), closings()).prop_map(|(socket, closing)| Action::Close { socket, closing }),
    ]
    .boxed()
}

fn closings() -> impl Strategy<Value = Option<(u16, &'static str)>> {
    prop::sample::select(vec![None, Some((1000, "bye")), Some((1006, ""))])
}

/// The frame after the last reply: none, an idle, or `complete`.
fn endings() -> impl Strategy<Value = Option<Frame>> {
    prop_oneof![
        1 => Just(None),
        2 => Just(Some(Frame::RootIdle)),
        1 => completes().prop_map(Some),
    ]
}

fn completes() -> impl Strategy<Value = Frame> {
    let branch = prop::sample::select(vec![None, Some("side"), Some("other")]);
    let gate = prop::sample::select(vec![None, Some("pass"), Some("fail")]);
    (branch, gate).prop_map(|(branch, gate)| Frame::Complete { branch, gate })
}

fn frames() -> BoxedStrategy<Frame> {
    let end = prop_oneof![
        1 => Just(ReplyEnd::Open),
        2 => Just(ReplyEnd::Completed),
        1 => Just(ReplyEnd::Failed),
    ];
    // A turn usually has one answer.
    let assistants = || prop_oneof![3 => Just(0_u8), 1 => Just(1_u8)];
    let content = prop::sample::select(vec![Some(" hi "), Some("there"), Some("  "), None]);
    let others = vec![
        "heartbeat",
        "wrapper_resumed",
        "autocommit_started",
        "complete",
        "session.status",
        "session.error",
        "todo.updated",
    ];
    prop_oneof![
        5 => (index(), assistants(), end)
            .prop_map(|(message, assistant, end)| Frame::Reply { message, assistant, end }),
        1 => Just(Frame::ReplyToUnknown),
        1 => index().prop_map(|message| Frame::UserMessage { message }),
        3 => (index(), assistants(), 0..2_u8, content)
            .prop_map(|(message, assistant, part, content)| Frame::Part { message, assistant, part, content }),
        1 => (index(), assistants(), 0..2_u8)
            .prop_map(|(message, assistant, part)| Frame::PartRemoved { message, assistant, part }),
        1 => Just(Frame::Delta),
        4 => Just(Frame::RootIdle),
        1 => Just(Frame::ChildIdle),
        4 => completes(),
        1 => Just(Frame::Interrupted),
        2 => any::<bool>().prop_map(|fatal| Frame::Error { fatal }),
        3 => Just(Frame::Pong),
        1 => prop::sample::select(others).prop_map(Frame::Other),
    ]
    .boxed()
}
