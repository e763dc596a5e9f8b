//! The deadlines of a session (protocol §4, §7, §8), table-driven. Each deadline fires at its time and not before,
//! survives restarts, and is cancelled by certain events and no others.
//!
//! [`rows`] is the table, [`acts`] the events that can happen while a deadline runs, [`consequences`] the effects of
//! deadlines, and [`running`] plays a row. [`drain`] tests the schedule of the queue, [`last_word`] deadlines of a
//! run without work.

mod acts;
mod consequences;
mod drain;
mod last_word;
mod rows;
mod running;
mod times;

use std::time::Duration;

use turnstile_reference::session::Input;

use self::rows::{Row, rows};
use self::running::Running;
use self::times::{BOOT, LONG, MOMENT};
use crate::bench::setting::Setting;

/// Runs `play` for every row, and fails with all violations.
fn for_every_row(play: impl Fn(&Row, &mut Vec<String>)) {
    let mut found = Vec::new();
    for row in rows() {
        let mut wrong = Vec::new();
        play(&row, &mut wrong);
        found.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", row.name)));
    }
    report(&found);
}

/// Fails if there are violations.
fn report(found: &[String]) {
    assert!(found.is_empty(), "{} found:\n{}", found.len(), found.join("\n"));
}

/// The row's setting, without and with a callback.
fn settings(row: &Row) -> [Setting; 2] {
    [
        row.setting,
        Setting {
            callback: true,
            ..row.setting
        },
    ]
}

#[test]
fn every_deadline_fires_at_its_time_and_not_before() {
    for_every_row(|row, wrong| {
        for setting in settings(row) {
            let mut running = Running::new(row, setting);
            let due = running.since + row.after;
            let outcome = running.must_be_done(due, Duration::ZERO);
            wrong.extend(outcome.and_then(|()| running.judge_consequence()).err());
        }
    });
}

#[test]
fn a_late_wake_fires_the_deadline() {
    for_every_row(|row, wrong| {
        let mut running = Running::new(row, row.setting);
        running.bench.now = running.since + row.after + Duration::from_secs(5);
        running.bench.put(Input::Wake);
        if running.done_at().is_none() {
            wrong.push("it had no effect".to_owned());
        }
    });
}

#[test]
fn every_deadline_survives_a_restart_and_keeps_its_time_or_begins_again() {
    for_every_row(|row, wrong| {
        for setting in settings(row) {
            let mut running = Running::new(row, setting);
            running.bench.pass(row.midway);
            running.restart();
            let due = running.due_after_restart(running.since + row.after);
            let outcome = running.must_be_done(due, row.slack);
            wrong.extend(outcome.and_then(|()| running.judge_consequence()).err());
        }
    });
}

#[test]
fn a_deadline_just_after_the_start_keeps_its_time() {
    for_every_row(|row, wrong| {
        let mut running = Running::new(row, row.setting);
        let due = running.since + row.after;
        running.bench.pass_until(due - BOOT / 2);
        running.restart();
        let due = running.due_after_restart(due);
        wrong.extend(running.must_be_done(due, row.slack).err().map(|wrong| {
            format!("{wrong}. R7.28: only deadlines that have passed are due one second after the start")
        }));
    });
}

#[test]
fn every_deadline_survives_repeated_restarts() {
    const RESTARTS: u32 = 3;
    for_every_row(|row, wrong| {
        let mut running = Running::new(row, row.setting);
        running.bench.pass(row.midway);
        for _ in 0..RESTARTS {
            running.restart();
        }
        let due = running.due_after_restart(running.since + row.after);
        wrong.extend(running.must_be_done(due, row.slack * RESTARTS).err());
    });
}

#[test]
fn a_deadline_that_passed_while_the_server_was_down_fires_one_second_after_the_start() {
    for_every_row(|row, wrong| {
        for setting in settings(row) {
            let mut running = Running::new(row, setting);
            running.bench.pass(row.midway);
            running.bench.now += row.after + LONG;
            let started = running.bench.now;
            running.restart();
            let due = running.due_after_restart(started + BOOT);
            let outcome = running.must_be_done(due, row.slack);
            wrong.extend(outcome.and_then(|()| running.judge_consequence()).err());
        }
    });
}

#[test]
fn every_deadline_is_cancelled_by_its_cancelling_events() {
    for_every_row(|row, wrong| {
        for act in &row.cancelled_by {
            let mut running = Running::new(row, row.setting);
            running.bench.pass(row.midway);
            running.does(act);
            let outcome = running.must_not_be_done(running.since + row.after + MOMENT);
            wrong.extend(outcome.err().map(|wrong| format!("{}: {wrong}", act.name)));
        }
    });
}

#[test]
fn a_cancelled_deadline_stays_cancelled_after_a_restart() {
    for_every_row(|row, wrong| {
        for act in &row.cancelled_by {
            let mut running = Running::new(row, row.setting);
            running.bench.pass(row.midway);
            running.does(act);
            running.bench.restart();
            running.bench.connect();
            let outcome = running.must_not_be_done(running.since + row.after + MOMENT);
            wrong.extend(
                outcome
                    .err()
                    .map(|wrong| format!("{}, restarted: {wrong}", act.name)),
            );
        }
    });
}

#[test]
fn every_deadline_is_restarted_by_its_restarting_events() {
    for_every_row(|row, wrong| {
        for act in &row.restarted_by {
            let mut running = Running::new(row, row.setting);
            running.bench.pass(row.midway);
            running.does(act);
            let due = running.bench.now + row.after;
            let outcome = running.must_be_done(due, Duration::ZERO);
            wrong.extend(outcome.err().map(|wrong| format!("{}: {wrong}", act.name)));
        }
    });
}

#[test]
fn no_other_event_moves_a_deadline() {
    for_every_row(|row, wrong| {
        for act in &row.unaffected_by {
            let mut running = Running::new(row, row.setting);
            running.bench.pass(row.midway);
            running.does(act);
            let due = running.since + row.after;
            let outcome = running.must_be_done(due, Duration::ZERO);
            wrong.extend(outcome.err().map(|wrong| format!("{}: {wrong}", act.name)));
        }
    });
}
