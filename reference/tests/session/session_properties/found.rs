//! Minimal plans that once violated a law. They are kept here because seeds draw other plans as soon as an action is
//! added.

use std::time::Duration;

use crate::session_properties::actions::{
    Action, Fate, Frame, Leftovers, OldExecution, Origin, Plan, ReplyEnd, Setting, Step,
};
use crate::session_properties::setting::PLAIN;
use crate::session_properties::world::{Outlook, World};
use crate::session_properties::{describe, play};

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

/// Checks all laws while these actions happen in a session of that origin, and until nothing is pending.
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
        panic!("{violation}\n\n{}", describe(&plan, outlook));
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
    Action::Send { socket: 0, frame }
}

#[test]
fn an_imported_session_that_expired_before_the_start_is_removed_after_it() {
    holds(imported(Duration::from_hours(100 * 24), Vec::new()), &[]);
}

#[test]
fn a_retry_that_passed_while_the_server_was_down_is_due_after_its_start() {
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
fn a_frame_of_a_released_run_of_a_deleted_session_is_answered_with_a_close() {
    let says = |frame| Action::Send { socket: 0, frame };
    let completes = [replies(ReplyEnd::Completed), says(DONE)];
    let start = [Action::NextDeadline, SERVE].into_iter().chain(completes);
    let actions: Vec<Action> = start.chain([TURN, Action::Delete, says(Frame::Delta)]).collect();
    holds(Origin::Started, &actions);
}

#[test]
fn a_reply_finished_by_an_earlier_run_does_not_end_a_turn_of_the_current_run() {
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
fn the_close_of_an_earlier_socket_is_not_reported_for_a_later_one() {
    let closing = Some((1000, "bye"));
    let closes = Action::Close { socket: 0, closing };
    let actions = [OLD_WRAPPER, closes, OLD_WRAPPER, CRASH, Action::NextDeadline];
    holds(running(), &actions);
}
