//! Everything that can be wrong with what a client or a wrapper asks, in one sweep: each is refused in the
//! documented form, by the name of what is wrong, and changes nothing (protocol §2, §3, §5, §9). And the
//! mirror: what is right is not refused.
//!
//! `inputs` is the table of what the procedures take, `mechanical` makes cases of it, `sweep` judges them.

mod access;
mod bodies;
mod combinations;
mod inputs;
mod mechanical;
mod sockets;
mod sweep;

use std::time::Duration;

use serde_json::Value;
use turnstile_fault::{Fault, Link};

use self::inputs::{Input, MESSAGE};
use self::sweep::{BAD_REQUEST, Sweep, prepared};
use crate::house;
use crate::wire::USER;

#[test]
fn a_field_that_is_wrong_is_named_and_nothing_is_changed() {
    let mut sweep = Sweep::begin(Vec::new());
    for input in inputs::all() {
        for case in mechanical::wrong(&input, &sweep.session) {
            for (way, asked) in sweep.ways(input.procedure, &case.input) {
                let title = format!("{} by {way}", input.title());
                sweep.refused(&title, &case.what, &asked, BAD_REQUEST, &case.names);
            }
        }
    }
    sweep.end_unchanged();
}

#[test]
fn what_is_right_is_accepted_in_every_form() {
    accept_all(mechanical::right);
}

#[test]
fn null_is_as_good_as_nothing_wherever_a_field_may_be_absent() {
    accept_all(mechanical::nulls);
}

fn accept_all(cases: fn(&Input, &str) -> Vec<mechanical::Case>) {
    let mut sweep = Sweep::begin(Vec::new());
    // What is accepted is not to be worked on.
    let link = Link::between(house::SERVER, "wrapper");
    sweep
        .house
        .world
        .apply(&Fault::cut(&link))
        .expect("both are there");
    let mut messages = 0..;
    for input in inputs::all() {
        for index in 0..cases(&input, &sweep.session).len() {
            // Each has a session of its own: what one leaves behind must not be in the next one's way.
            let session = if input.names_session() {
                prepared(&mut sweep.house, USER)
            } else {
                sweep.session.clone()
            };
            let mut case = cases(&input, &session).swap_remove(index);
            let message = format!("msg_0123456789ab{:014}", messages.next().unwrap_or_default());
            rename(&mut case.input, &message);
            for (way, asked) in sweep.ways(input.procedure, &case.input) {
                let title = format!("{} by {way}", input.title());
                sweep.accepted(&title, &case.what, &asked);
            }
        }
        sweep.house.wait(Duration::from_millis(10));
    }
    sweep.end();
}

/// Gives the message in an input another id.
fn rename(input: &mut Value, message: &str) {
    match input {
        Value::String(text) if text == MESSAGE => message.clone_into(text),
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, message)),
        Value::Object(fields) => fields.values_mut().for_each(|value| rename(value, message)),
        _ => {}
    }
}
