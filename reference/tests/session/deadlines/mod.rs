//! Deadlines of a session (protocol §4, §7, §8), by a table of them: each is met at its time and not a
//! moment before, survives a restart of the server, and is called off by what calls it off and nothing else.
//!
//! [`rows`] is the table, [`acts`] what can happen meanwhile, [`consequences`] what must come of a deadline,
//! [`running`] how a row is played, [`drain`] the schedule of the queue, and
//! [`last_word`] what is due once nothing is at work. Here is what must hold of every row.

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

/// Plays something with every row, and fails with all that was found.
fn for_every_row(play: impl Fn(&Row, &mut Vec<String>)) {
    let mut found = Vec::new();
    for row in rows() {
        let mut wrong = Vec::new();
        play(&row, &mut wrong);
        found.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", row.name)));
    }
    report(&found);
}

/// Fails with all that was found, if anything was.
fn report(found: &[String]) {
    assert!(found.is_empty(), "{} found:\n{}", found.len(), found.join("\n"));
}

/// The row's setting, and the same with a callback.
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
fn every_deadline_is_met_at_its_time_and_not_a_moment_before() {
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
fn a_deadline_that_the_host_is_late_for_is_met_with_the_next_wake() {
    for_every_row(|row, wrong| {
        let mut running = Running::new(row, row.setting);
        running.bench.now = running.since + row.after + Duration::from_secs(5);
        running.bench.put(Input::Wake);
        if running.done_at().is_none() {
            wrong.push("nothing came of it".to_owned());
        }
    });
}

#[test]
fn every_deadline_survives_a_restart_and_is_met_at_its_own_time() {
    for_every_row(|row, wrong| {
        for setting in settings(row) {
            let mut running = Running::new(row, setting);
            running.bench.pass(row.midway);
            running.restart();
            let due = running.since + row.after;
            let outcome = running.must_be_done(due, row.slack);
            wrong.extend(outcome.and_then(|()| running.judge_consequence()).err());
        }
    });
}

#[test]
fn a_deadline_that_has_not_passed_at_the_start_keeps_its_time_however_near_it_is() {
    for_every_row(|row, wrong| {
        let mut running = Running::new(row, row.setting);
        let due = running.since + row.after;
        running.bench.pass_until(due - BOOT / 2);
        running.restart();
        wrong.extend(
            running.must_be_done(due, row.slack).err().map(|wrong| {
                format!("{wrong}. Protocol §7: only those past are due a second after the start")
            }),
        );
    });
}

#[test]
fn every_deadline_survives_one_restart_after_another() {
    const RESTARTS: u32 = 3;
    for_every_row(|row, wrong| {
        let mut running = Running::new(row, row.setting);
        running.bench.pass(row.midway);
        for _ in 0..RESTARTS {
            running.restart();
        }
        let due = running.since + row.after;
        wrong.extend(running.must_be_done(due, row.slack * RESTARTS).err());
    });
}

#[test]
fn every_deadline_that_passed_while_the_server_was_down_is_met_a_second_after_its_start() {
    for_every_row(|row, wrong| {
        for setting in settings(row) {
            let mut running = Running::new(row, setting);
            running.bench.pass(row.midway);
            running.bench.now += row.after + LONG;
            let started = running.bench.now;
            running.restart();
            let outcome = running.must_be_done(started + BOOT, row.slack);
            wrong.extend(outcome.and_then(|()| running.judge_consequence()).err());
        }
    });
}

#[test]
fn every_deadline_is_called_off_by_what_calls_it_off() {
    for_every_row(|row, wrong| {
        for act in &row.dropped_by {
            let mut running = Running::new(row, row.setting);
            running.bench.pass(row.midway);
            running.does(act);
            let outcome = running.must_not_be_done(running.since + row.after + MOMENT);
            wrong.extend(outcome.err().map(|wrong| format!("{}: {wrong}", act.name)));
        }
    });
}

#[test]
fn what_has_called_a_deadline_off_has_done_so_for_a_server_that_starts_too() {
    for_every_row(|row, wrong| {
        for act in &row.dropped_by {
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
fn every_deadline_begins_anew_with_what_it_runs_from() {
    for_every_row(|row, wrong| {
        for act in &row.begun_anew_by {
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
fn no_deadline_heeds_what_is_not_about_it() {
    for_every_row(|row, wrong| {
        for act in &row.unmoved_by {
            let mut running = Running::new(row, row.setting);
            running.bench.pass(row.midway);
            running.does(act);
            let due = running.since + row.after;
            let outcome = running.must_be_done(due, Duration::ZERO);
            wrong.extend(outcome.err().map(|wrong| format!("{}: {wrong}", act.name)));
        }
    });
}
