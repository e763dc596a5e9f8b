//! Deadlines that must not fire: on a run without work, and in situations for which there is no deadline.

use std::time::Duration;

use turnstile_reference::identity::MessageId;
use turnstile_reference::session::{Effect, ToWrapper};

use crate::bench::Bench;
use crate::bench::frames::{self, Reply};
use crate::bench::setting::{PERMANENT, Setting};
use crate::deadlines::acts::CHILD_IDLE;
use crate::deadlines::report;
use crate::deadlines::rows::{accepted, is_stop};
use crate::deadlines::times::*;

/// Less than any deadline.
const SECOND: Duration = Duration::from_secs(1);

fn with_callback() -> Setting {
    Setting {
        callback: true,
        ..Setting::default()
    }
}

fn with_gate() -> Setting {
    Setting {
        callback: true,
        gate: true,
        ..Setting::default()
    }
}

/// A message that was just answered, without an idle.
fn completed(bench: &mut Bench) -> MessageId {
    let message = accepted(bench);
    bench.send(frames::assistant(&message, Reply::Completed));
    message
}

/// A message that was answered by a wrapper that is now idle.
fn idle(bench: &mut Bench) -> MessageId {
    let message = completed(bench);
    bench.send(frames::root_idle());
    message
}

fn is_ping(effect: &Effect) -> bool {
    matches!(effect, Effect::Send(_, ToWrapper::Ping))
}

/// A period in which an effect must not occur.
struct Quiet {
    name: &'static str,
    setting: Setting,
    arm: fn(&mut Bench),
    during: Duration,
    without: fn(&Effect) -> bool,
}

impl Quiet {
    /// Returns the unexpected effect.
    fn violation(self) -> Option<String> {
        let mut bench = Bench::new(self.setting);
        (self.arm)(&mut bench);
        let seen = bench.log().len();
        bench.pass(self.during);
        let mut done = bench.log()[seen..]
            .iter()
            .filter(|(_, effect)| (self.without)(effect));
        let (at, effect) = done.next()?;
        Some(format!("{}: {effect:?} at {at}", self.name))
    }
}

#[test]
fn without_outstanding_work_no_deadline_fires() {
    let quiet = [
        Quiet {
            name: "a socket that was replaced closes, and the newer one stays",
            setting: with_callback(),
            arm: |bench| {
                accepted(bench);
                bench.connect();
            },
            during: GRACE + MOMENT,
            without: is_stop,
        },
        Quiet {
            name: "a message ends when its workspace has been ready for a minute",
            setting: with_gate(),
            arm: |bench| {
                let message = accepted(bench);
                bench.pass(READY_ONLY - SECOND);
                bench.send(frames::assistant(&message, Reply::Completed));
            },
            during: SECOND * 2,
            without: is_stop,
        },
        Quiet {
            name: "the last socket closes with nothing accepted",
            setting: with_callback(),
            arm: |bench| {
                idle(bench);
                bench.disconnect();
            },
            during: GRACE + MOMENT,
            without: is_stop,
        },
        Quiet {
            name: "the server starts with nothing accepted",
            setting: with_callback(),
            arm: |bench| {
                idle(bench);
                bench.restart();
            },
            during: GRACE + MOMENT,
            without: is_stop,
        },
        Quiet {
            name: "a wrapper has answered a message without a callback target",
            setting: Setting::default(),
            arm: |bench| {
                completed(bench);
            },
            during: PING,
            without: is_ping,
        },
        Quiet {
            name: "a wrapper is idle with nothing accepted",
            setting: with_callback(),
            arm: |bench| {
                idle(bench);
            },
            during: KEEP_WARM - MOMENT,
            without: is_ping,
        },
        Quiet {
            name: "a child session is idle",
            setting: with_callback(),
            arm: |bench| {
                let message = accepted(bench);
                (CHILD_IDLE.does)(bench, &message);
            },
            during: RECONCILIATION + MOMENT,
            without: |effect| matches!(effect, Effect::Broadcast(event) if event.stream_event_type == "cloud.message.failed"),
        },
    ];
    let found: Vec<_> = quiet.into_iter().filter_map(Quiet::violation).collect();
    report(&found);
}

#[test]
fn a_missing_gate_result_does_not_extend_keep_warm() {
    let mut bench = Bench::new(with_gate());
    let message = idle(&mut bench);
    bench.pass(KEEP_WARM - MOMENT);
    assert_eq!(bench.callbacks(&message), 0, "the gate result is awaited");
    bench.pass(MOMENT);
    assert_eq!(
        bench.callbacks(&message),
        1,
        "R7.7: the run is released 300 s after the root idle with nothing pending or accepted. R8.6: its loss ends \
         the wait for the gate result. Otherwise a wrapper that only answers pings delays the callback forever"
    );
}

#[test]
fn ready_only_does_not_run_while_a_message_is_accepted() {
    let mut bench = Bench::new(with_gate());
    let at_work = accepted(&mut bench);
    bench.disconnect();
    bench.admit();
    bench.next_delivery();
    bench.get_ready();
    let ready_at = bench.now;
    bench.report(Err(PERMANENT));
    bench.pass_until(ready_at + READY_ONLY - SECOND);
    bench.send(frames::assistant(&at_work, Reply::Completed));
    let seen = bench.log().len();
    bench.pass(SECOND);
    let stopped = bench.log()[seen..].iter().any(|(_, effect)| is_stop(effect));
    assert!(
        !stopped,
        "R7.6: a run is released after 60 s without an accepted message, not one second after the end of a message \
         that it had accepted all the time; this run still has to report a gate result"
    );
}
