//! Invalid requests of clients and wrappers. Each must be refused in the documented form, name the invalid field, and
//! change nothing (protocol §2, §3, §5, §9). Valid requests must be accepted.
//!
//! `inputs` lists the inputs of the procedures, `mechanical` derives cases from it, `sweep` checks the answers.

mod access;
mod bodies;
mod combinations;
pub mod inputs;
mod mechanical;
mod sockets;
pub mod sweep;

use std::time::Duration;

use serde_json::Value;
use turnstile_fault::{Fault, Link};

use self::inputs::{Input, MESSAGE};
use self::sweep::{BAD_REQUEST, Sweep, prepared};
use crate::test_bed;
use crate::wire::USER;

#[test]
fn an_invalid_field_is_named_and_nothing_changes() {
    let mut sweep = Sweep::begin(Vec::new());
    for input in inputs::all() {
        for case in mechanical::invalid(&input, &sweep.session) {
            for (way, asked) in sweep.ways(input.procedure, &case.input) {
                let title = format!("{} by {way}", input.title());
                sweep.refused(&title, &case.what, &asked, BAD_REQUEST, &case.names);
            }
        }
    }
    sweep.end_unchanged();
}

#[test]
fn valid_inputs_are_accepted_in_every_form() {
    accept_all(mechanical::valid);
}

#[test]
fn null_is_accepted_for_every_optional_field() {
    accept_all(mechanical::nulls);
}

fn accept_all(cases: fn(&Input, &str) -> Vec<mechanical::Case>) {
    let mut sweep = Sweep::begin(Vec::new());
    // Cut the link so that accepted messages are not delivered.
    let link = Link::between(test_bed::SERVER, "wrapper");
    sweep
        .test_bed
        .world
        .apply(&Fault::cut(&link))
        .expect("both are there");
    let mut messages = 0..;
    for input in inputs::all() {
        for index in 0..cases(&input, &sweep.session).len() {
            // A new session for each case, so that cases do not affect each other.
            let session = if input.names_session() {
                prepared(&mut sweep.test_bed, USER)
            } else {
                sweep.session.clone()
            };
            let mut case = cases(&input, &session).swap_remove(index);
            let message = format!("msg_0123456789ab{:014}", messages.next().unwrap_or_default());
            set_message_id(&mut case.input, &message);
            for (way, asked) in sweep.ways(input.procedure, &case.input) {
                let title = format!("{} by {way}", input.title());
                sweep.accepted(&title, &case.what, &asked);
            }
        }
        sweep.test_bed.wait(Duration::from_millis(10));
    }
    sweep.end();
}

/// Replaces the message id of an input.
fn set_message_id(input: &mut Value, message: &str) {
    match input {
        Value::String(text) if text == MESSAGE => message.clone_into(text),
        Value::Array(values) => values.iter_mut().for_each(|value| set_message_id(value, message)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|value| set_message_id(value, message)),
        _ => {}
    }
}
