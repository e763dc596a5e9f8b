//! Handwritten traces of callbacks that keep their times, and of callbacks that do not.

use serde_json::json;
use turnstile_events::queue::{QueueAnswer, Submission};
use turnstile_events::world::WorldEvent;
use turnstile_fault::{ClockChange, Fault, Lapse, Link, Place, QueueBehaviour};

use crate::oracle::written::Writer;
use crate::parties::{RECEIVER, SERVER};

const NOTHING: [&str; 0] = [];
const FOUND: [&str; 1] = ["callbacks-are-on-time"];

/// This oracle, if it has findings about the second request or a later one.
fn requests(writer: Writer) -> Vec<String> {
    let findings = writer.findings().into_iter();
    let mut found: Vec<String> = findings
        .filter(|finding| finding.rule == FOUND[0] && !finding.text.contains("first request"))
        .map(|finding| finding.rule)
        .collect();
    found.dedup();
    found
}

/// The queue answers a submission of the job of `m1`.
fn submits(writer: &mut Writer, answer: QueueAnswer) {
    writer.submits(Submission {
        submitted: "m1".to_owned(),
        bytes: 100,
        body: json!({"cloudAgentSessionId": "s", "messageId": "m1"}),
        answer,
    });
}

/// A message has ended, and its batch is finalized.
fn finalized() -> Writer {
    let mut writer = Writer::with_callback("m1").also_judged_by(FOUND[0]);
    writer.turn("m1");
    writer
}

/// The queue refuses the job, which is submitted again after that many seconds and then requested.
fn refused_then_submitted(seconds: u64) -> Writer {
    let mut writer = finalized();
    submits(&mut writer, QueueAnswer::Refused);
    writer.wait(seconds - 1);
    submits(&mut writer, QueueAnswer::Accepted);
    writer.called_back("m1", json!({}), 200);
    writer
}

/// The text of the only finding of this oracle.
fn text(writer: Writer) -> String {
    let findings = writer.findings().into_iter();
    let texts: Vec<String> = findings
        .filter(|finding| finding.rule == FOUND[0])
        .map(|finding| finding.text)
        .collect();
    texts.join("\n")
}

#[test]
fn a_job_is_submitted_again_after_the_delay() {
    for (seconds, part) in [(28, "too early"), (30, ""), (32, "1.949000 s too late")] {
        let text = text(refused_then_submitted(seconds));
        assert_eq!(
            text.contains("submitted again"),
            !part.is_empty(),
            "{seconds}: {text}"
        );
        assert!(text.contains(part), "{seconds}: {text}");
    }
}

#[test]
fn a_job_that_is_not_submitted_again_is_found() {
    let mut writer = finalized();
    submits(&mut writer, QueueAnswer::Refused);
    assert!(text(writer).contains("was not submitted again"));
}

#[test]
fn a_queue_that_hangs_and_a_server_that_is_down_excuse_a_late_submission() {
    let mut hangs = finalized();
    submits(&mut hangs, QueueAnswer::Refused);
    hangs.wait(20);
    hangs.world(WorldEvent::of(&Fault::Queue {
        is: QueueBehaviour::Away,
    }));
    hangs.wait(60);
    hangs.world(WorldEvent::Ended { place: Place::Queue });
    submits(&mut hangs, QueueAnswer::Accepted);
    assert!(!text(hangs).contains("submitted again"));

    for (seconds, is_late) in [(1, false), (5, true)] {
        let mut down = finalized();
        submits(&mut down, QueueAnswer::Refused);
        down.wait(20);
        down.world(WorldEvent::of(&Fault::crash(SERVER)));
        down.wait(60);
        down.world(WorldEvent::Ended {
            place: Place::host(SERVER),
        });
        down.wait(seconds - 1);
        submits(&mut down, QueueAnswer::Accepted);
        assert_eq!(text(down).contains("submitted again"), is_late, "{seconds}");
    }
}

#[test]
fn a_job_is_submitted_and_requested_at_once() {
    for (is_submitted, to_queue, to_receiver, part) in [
        (true, 0, 0, ""),
        (
            true,
            3,
            0,
            "its job was submitted at 13.000000 s, 2.949000 s too late",
        ),
        (
            true,
            0,
            3,
            "its first request came at 13.000000 s, 2.949000 s too late",
        ),
        (false, 0, 0, ""),
        (
            false,
            0,
            3,
            "its first request came at 13.000000 s, 2.949000 s too late",
        ),
    ] {
        let mut writer = Writer::with_callback("m1").also_judged_by(FOUND[0]);
        writer.queued("m1");
        writer.delivered("m1");
        writer.sent("m1");
        writer.completed("m1");
        writer.at_once(|writer| {
            writer.idle();
            writer.wait(to_queue);
            if is_submitted {
                submits(writer, QueueAnswer::Accepted);
            }
            writer.wait(to_receiver);
            writer.called_back("m1", json!({}), 200);
        });
        let text = text(writer);
        assert_eq!(text.is_empty(), part.is_empty(), "{text}");
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_failed_request_is_followed_by_the_next_one_after_its_delay() {
    for (delays, last, rules) in [
        (&[60, 120][..], 200, &NOTHING[..]),
        (&[58, 120], 200, &FOUND),
        (&[62, 120], 200, &FOUND),
        (&[60, 118], 200, &FOUND),
        (&[60, 122], 200, &FOUND),
        (&[60, 120, 240, 480], 500, &NOTHING),
        (&[60, 120, 240, 480, 960], 200, &FOUND),
        (&[60], 503, &FOUND),
        (&[60], 404, &NOTHING),
    ] {
        let mut writer = finalized();
        writer.at_once(|writer| {
            writer.called_back("m1", json!({}), 500);
            for (place, delay) in delays.iter().enumerate() {
                writer.wait(*delay);
                let is_last = place + 1 == delays.len();
                writer.called_back("m1", json!({}), if is_last { last } else { 429 });
            }
        });
        assert_eq!(requests(writer), rules, "{delays:?}");
    }
}

#[test]
fn a_fault_of_the_way_to_the_receiver_excuses_what_follows() {
    let mut writer = finalized();
    writer.called_back("m1", json!({}), 500);
    writer.wait(30);
    let link = Link::between(SERVER, RECEIVER);
    writer.world(WorldEvent::of(&Fault::cut(&link)));
    writer.wait(60);
    writer.world(WorldEvent::Ended {
        place: Place::EveryLink,
    });
    writer.called_back("m1", json!({}), 200);
    assert_eq!(requests(writer), NOTHING);

    let mut early = finalized();
    early.at_once(|writer| {
        writer.called_back("m1", json!({}), 500);
        writer.wait(58);
        writer.called_back("m1", json!({}), 200);
    });
    early.world(WorldEvent::of(&Fault::cut(&link)));
    assert_eq!(requests(early), FOUND);
}

#[test]
fn a_retry_that_a_clock_made_due_in_an_earlier_process_may_come_at_once() {
    for (is_set, is_found) in [(true, false), (false, true)] {
        let mut writer = finalized();
        submits(&mut writer, QueueAnswer::Refused);
        writer.wait(2);
        if is_set {
            writer.clock_is_set(ClockChange::Forward(Lapse::from_secs(60)));
        }
        // The next submission gets no answer before the server stops.
        writer.wait(5);
        writer.world(WorldEvent::of(&Fault::crash(SERVER)));
        writer.wait(30);
        writer.world(WorldEvent::Ended {
            place: Place::host(SERVER),
        });
        writer.is_at_the_moment(|writer| submits(writer, QueueAnswer::Accepted));
        writer.called_back("m1", json!({}), 200);
        let text = text(writer);
        assert_eq!(text.contains("at once"), is_found, "{text}");
    }
}

#[test]
fn a_retry_that_became_due_while_the_server_was_down_waits_after_its_start() {
    // The retry is due 30 s after the refusal.
    for (down_after, down_for, waits, is_found) in [
        (5, 40, 0, true),
        (5, 40, 1, false),
        (5, 10, 0, false),
        (29, 10, 0, true),
        (31, 10, 0, false),
    ] {
        let mut writer = finalized();
        submits(&mut writer, QueueAnswer::Refused);
        writer.wait(down_after);
        writer.world(WorldEvent::of(&Fault::crash(SERVER)));
        writer.wait(down_for);
        writer.world(WorldEvent::Ended {
            place: Place::host(SERVER),
        });
        writer.wait(waits);
        writer.is_at_the_moment(|writer| submits(writer, QueueAnswer::Accepted));
        writer.called_back("m1", json!({}), 200);
        let text = text(writer);
        assert_eq!(
            text.contains("at once"),
            is_found,
            "{down_after} {down_for} {waits}: {text}"
        );
    }
}
