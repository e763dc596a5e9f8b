//! Events that can happen to a session while a deadline runs.

use serde_json::json;
use turnstile_reference::identity::MessageId;
use turnstile_reference::session::Input;
use turnstile_reference::session::wrapper::Run;

use crate::bench::Bench;
use crate::bench::frames::{self, Frame, Reply, kilo};

/// A named event. It gets the message that the deadline is about.
pub struct Act {
    /// The name for failure messages.
    pub name: &'static str,
    /// Makes it happen.
    pub does: fn(&mut Bench, &MessageId),
}

macro_rules! acts {
    ($($(#[$meta:meta])* $name:ident: |$bench:ident, $message:ident| $does:expr;)*) => {
        $(
            $(#[$meta])*
            pub const $name: Act = Act {
                name: stringify!($name),
                does: |$bench: &mut Bench, $message: &MessageId| {
                    $does;
                },
            };
        )*
    };
}

acts! {
    // Ends of the message.
    ASSISTANT_COMPLETES: |bench, message| bench.send(frames::assistant(message, Reply::Completed));
    ASSISTANT_FAILS: |bench, message| bench.send(frames::assistant(message, Reply::Failed));
    WRAPPER_IS_INTERRUPTED: |bench, _message| bench.send(frames::interrupted());
    WRAPPER_FAILS: |bench, _message| bench.send(frames::fatal_error());
    USER_INTERRUPTS: |bench, _message| bench.put(Input::Interrupt);

    // Output.
    DELTA: |bench, _message| bench.send(kilo("message.part.delta", json!({"field": "text", "delta": "x"})));
    PART: |bench, message| bench.send(part(message));
    OPEN_REPLY: |bench, message| bench.send(frames::assistant(message, Reply::Open));
    STATUS: |bench, _message| bench.send(kilo("session.status", json!({"status": {"type": "busy"}})));
    AUTOCOMMIT: |bench, _message| bench.send(("autocommit_started", json!({})));
    SMALL_ERROR: |bench, _message| bench.send(("error", json!({"fatal": false, "error": "small"})));
    COMPLETE: |bench, _message| bench.send(frames::complete());

    // Frames that are not meaningful output (R7.14).
    UNASKED_PONG: |bench, _message| bench.send(frames::pong());
    HEARTBEAT: |bench, _message| bench.send(("heartbeat", json!({})));
    RESUMED: |bench, _message| bench.send(("wrapper_resumed", json!({"bufferedEvents": 0, "eventsLost": 0})));
    CHILD_IDLE: |bench, _message| bench.send(kilo("session.idle", json!({"sessionID": "ses_child"})));
    ROOT_IDLE: |bench, _message| bench.send(frames::root_idle());

    /// Answers the ping, and all later ones.
    PONG_COMES: |bench, _message| {
        bench.answers_pings = true;
        bench.send(frames::pong());
    };

    // Sockets.
    DISCONNECTS: |bench, _message| bench.disconnect();
    RECONNECTS: |bench, _message| assert!(bench.connect(), "the run is current");
    OTHERS_CONNECT: |bench, _message| {
        for stranger in strangers(bench) {
            assert!(!bench.connect_as(&stranger), "{stranger:?} is not current");
        }
    };
    CLOSED_SOCKET_SPEAKS: |bench, message| bench.send(frames::assistant(message, Reply::Completed));

    // Other messages.
    ANOTHER_IS_ADMITTED: |bench, _message| bench.admit();
    ANOTHER_IS_ON_ITS_WAY: |bench, _message| {
        bench.admit();
        bench.next_delivery();
    };
    ANOTHER_IS_ACCEPTED: |bench, _message| {
        bench.admit();
        bench.accept();
    };
    ANOTHER_IS_ANSWERED: |bench, _message| {
        let another = bench.admit();
        bench.accept();
        bench.send(frames::assistant(&another, Reply::Completed));
    };
    ANOTHER_IS_ACCEPTED_WITHOUT_A_SOCKET: |bench, _message| {
        bench.admit();
        bench.next_delivery();
        bench.prepare();
        bench.report(Ok(()));
    };
    ADMITTED_AGAIN: |bench, message| bench.admit_as(message);
}

fn part(message: &MessageId) -> Frame {
    let part = json!({"id": "p1", "messageID": format!("a-{message}"), "type": "text", "text": "x"});
    kilo("message.part.updated", json!({"part": part}))
}

/// Three variants of the current run that each differ in one id.
fn strangers(bench: &Bench) -> [Run; 3] {
    let run = bench.run.clone().expect("there is a run");
    let mut strangers = [run.clone(), run.clone(), run];
    strangers[0].fence.generation += 1;
    strangers[1].fence.connection = "00000000-0000-4000-8000-000000000001"
        .parse()
        .expect("this is a UUID");
    strangers[2].id = "wr_00000000000000000000000000000001"
        .parse()
        .expect("this is a run id");
    strangers
}
