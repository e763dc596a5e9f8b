//! The smallest plans that once broke a law, each for what it showed. Seeds draw other plans as soon as
//! there is one more thing that can happen; these stay.

use std::time::Duration;

use crate::session_properties::actions::{
    Action, Fate, Frame, Leftovers, OldExecution, Origin, Plan, ReplyEnd, Setting, Step,
};
use crate::session_properties::setting::PLAIN;
use crate::session_properties::world::{Outlook, World};
use crate::session_properties::{play, tale};

const TURN: Action = Action::Admit {
    count: 1,
    intent: PLAIN,
};
const SERVE: Action = Action::Serve { delivery: 0 };
const OLD_WRAPPER: Action = Action::ConnectImported { execution: 0 };
const CRASH: Action = Action::Restart { away: Duration::ZERO };
const DONE: Frame = Frame::Complete {
    branch: None,
    gate: None,
};

/// Whether every law holds while these things happen in a session of that origin, and for as long as
/// something is owed then.
fn holds(origin: Origin, actions: &[Action]) {
    let setting = Setting {
        origin,
        callback: true,
        gate: None,
        branch: false,
        kilo_session: true,
    };
    let steps = actions.iter().map(|action| Step {
        action: action.clone(),
        fate: Fate::Done,
    });
    let plan = Plan {
        setting,
        beginning: Fate::Done,
        steps: steps.collect(),
    };
    let outlook = Some(Outlook::Works);
    let (_, outcome) = play(World::new(&plan.setting, None), &plan, outlook);
    if let Err(violation) = outcome {
        panic!("{violation}\n\n{}", tale(&plan, outlook));
    }
}

fn imported(age: Duration, executions: Vec<OldExecution>) -> Origin {
    Origin::Imported(Leftovers {
        age,
        prompt: None,
        prepared: false,
        executions,
    })
}

fn running() -> Origin {
    let execution = OldExecution {
        status: "running",
        age: Duration::ZERO,
        has_message: false,
    };
    imported(Duration::ZERO, vec![execution])
}

fn replies(end: ReplyEnd) -> Action {
    let frame = Frame::Reply {
        message: 0,
        assistant: 0,
        end,
    };
    Action::Say { socket: 0, frame }
}

#[test]
fn an_old_session_whose_time_was_over_before_the_start_goes_a_moment_after_it() {
    holds(imported(Duration::from_hours(100 * 24), Vec::new()), &[]);
}

#[test]
fn a_callback_of_a_deleted_session_that_was_due_while_the_server_was_away_waits_for_a_moment() {
    let away = Duration::from_secs(45);
    let refuses = Action::Queue {
        job: 0,
        accepts: false,
    };
    holds(
        Origin::Started,
        &[Action::Delete, refuses, Action::Restart { away }],
    );
}

#[test]
fn a_frame_of_a_let_go_wrapper_for_a_deleted_session_is_answered_with_a_close() {
    let says = |frame| Action::Say { socket: 0, frame };
    let completes = [replies(ReplyEnd::Completed), says(DONE)];
    let start = [Action::NextDeadline, SERVE].into_iter().chain(completes);
    let actions: Vec<Action> = start.chain([TURN, Action::Delete, says(Frame::Delta)]).collect();
    holds(Origin::Started, &actions);
}

#[test]
fn a_reply_that_only_an_older_wrapper_finished_does_not_end_the_turn_of_a_run_that_has_it_open() {
    let actions = [
        TURN,
        OLD_WRAPPER,
        replies(ReplyEnd::Completed),
        Action::NextDeadline,
        SERVE,
        replies(ReplyEnd::Open),
    ];
    holds(running(), &actions);
}

#[test]
fn how_an_older_wrapper_left_is_not_told_of_how_it_went_when_it_was_back() {
    let closing = Some((1000, "bye"));
    let closes = Action::Close { socket: 0, closing };
    let actions = [OLD_WRAPPER, closes, OLD_WRAPPER, CRASH, Action::NextDeadline];
    holds(running(), &actions);
}
