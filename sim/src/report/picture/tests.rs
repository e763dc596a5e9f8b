//! Tests that a drawing agrees with its trace.

use std::time::Duration;

use serde_json::{Value, json};
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::Observation;
use turnstile_events::world::WorldEvent;
use turnstile_fault::{
    DiskBehaviour, Fault, FaultKind, Link, Place as Healed, QueueBehaviour, WrapperBehaviour,
};
use turnstile_judge::trace::{Trace, WORLD};
use turnstile_scenarios::Moment;

use super::*;
use crate::report::played::{entry, played};
use crate::stage::epoch;

/// A trace with one record a second.
fn trace(records: Vec<(&str, What)>) -> Trace {
    let mut trace = Trace::new(epoch());
    for (second, (party, what)) in (0..).zip(records) {
        let at = Duration::from_secs(second);
        let party = party.into();
        trace.push(Record { at, party, what });
    }
    trace
}

fn asks(exchange: u64, to: &str, path: &str) -> What {
    What::Observation(Observation::RequestSent {
        exchange,
        to: to.to_owned(),
        method: "POST".to_owned(),
        path: path.to_owned(),
        credentials: Credentials::Own,
        body: Value::Null,
    })
}

fn is_asked(exchange: u64, path: &str) -> What {
    What::Observation(Observation::RequestReceived {
        exchange,
        method: "POST".to_owned(),
        path: path.to_owned(),
        headers: Value::Null,
        body: Value::Null,
    })
}

fn answers(exchange: u64, status: u16) -> What {
    let body = Value::Null;
    What::Observation(Observation::ReplySent {
        exchange,
        status,
        body,
    })
}

fn is_answered(exchange: u64, status: u16) -> What {
    let body = Value::Null;
    What::Observation(Observation::ReplyReceived {
        exchange,
        status,
        body,
    })
}

/// Each arrow as text: sender, receiver, record of arrival, fate.
fn arrows(trace: &Trace) -> Vec<String> {
    let lanes = Lanes::of(trace);
    let name = |lane: usize| &lanes.names()[lane];
    let told = arrows::of(trace, &lanes).into_iter().map(|arrow| match arrow {
        None => "-".to_owned(),
        Some(Arrow {
            from,
            to,
            fate,
            arrives,
            ..
        }) => {
            let arrives = arrives.map(|record| format!(" {record}")).unwrap_or_default();
            format!("{} → {}{arrives} {fate:?}", name(from), name(to))
        }
    });
    told.collect()
}

/// Each fault as text: label, place, records of start and end or time of end.
fn faults(trace: &Trace) -> Vec<String> {
    let lanes = Lanes::of(trace);
    let name = |lane: usize| &lanes.names()[lane];
    let told = faults::of(trace, &lanes).into_iter().map(|fault| {
        let place = match fault.place {
            Place::At { lane } => name(lane).clone(),
            Place::Between {
                from,
                to,
                one_way: true,
            } => format!("{} → {}", name(from), name(to)),
            Place::Between { from, to, .. } => format!("{} ↔ {}", name(from), name(to)),
        };
        let end = match (fault.ends, fault.ends_at_us) {
            (Some(record), _) => format!("{record}"),
            (None, Some(at)) => format!("{at} us"),
            (None, None) => "ever".to_owned(),
        };
        format!("{} {place} {}..{end}", fault.text, fault.begins)
    });
    told.collect()
}

#[test]
fn records_of_both_parties_of_an_exchange_are_one_arrow_each_way() {
    let trace = trace(vec![
        ("wrapper", asks(3, "gateway", "/a")),
        ("wrapper", asks(4, "gateway", "/b")),
        ("gateway", is_asked(1, "/b")),
        ("gateway", is_asked(2, "/a")),
        ("gateway", answers(2, 200)),
        ("gateway", answers(1, 402)),
        ("wrapper", is_answered(4, 402)),
        ("wrapper", is_answered(3, 200)),
    ]);
    assert_eq!(
        arrows(&trace),
        [
            "wrapper → gateway 3 Arrived",
            "wrapper → gateway 2 Arrived",
            "-",
            "-",
            "gateway → wrapper 7 Arrived",
            "gateway → wrapper 6 Refused",
            "-",
            "-",
        ]
    );
}

#[test]
fn traffic_of_the_server_is_drawn_from_the_record_of_its_peer() {
    let opened = What::Observation(Observation::SocketOpened {
        socket: 1,
        to: "server".to_owned(),
        path: "/stream?a=b".to_owned(),
        credentials: Credentials::Own,
    });
    let frame = json!({"streamEventType": "connected"});
    let received = What::Observation(Observation::FrameReceived {
        socket: 1,
        frame: frame.into(),
    });
    let trace = trace(vec![
        ("client", asks(1, "server", "/trpc/start")),
        ("receiver", is_asked(1, "/callback")),
        ("receiver", answers(1, 503)),
        ("client", is_answered(1, 200)),
        ("observer", opened),
        ("observer", received),
        ("observer", asks(1, "gateway", "/test/waiters")),
        ("observer", is_answered(1, 200)),
    ]);
    assert_eq!(
        arrows(&trace),
        [
            "client → server Arrived",
            "server → receiver Arrived",
            "receiver → server Refused",
            "server → client Arrived",
            "observer → server Arrived",
            "server → observer Arrived",
            "observer → gateway Arrived",
            "gateway → observer Arrived",
        ]
    );
}

#[test]
fn requests_that_do_not_arrive_are_lost_and_a_repetition_is_not_matched_with_an_abandoned_one() {
    let no_answer = What::Observation(Observation::NoReply {
        exchange: 3,
        error: "late".to_owned(),
    });
    let trace = trace(vec![
        ("wrapper", asks(3, "gateway", "/a")),
        ("wrapper", no_answer),
        ("wrapper", asks(4, "gateway", "/a")),
        ("gateway", is_asked(1, "/a")),
        ("gateway", answers(1, 200)),
    ]);
    assert_eq!(
        arrows(&trace),
        [
            "wrapper → gateway Lost",
            "-",
            "wrapper → gateway 3 Arrived",
            "-",
            "gateway → wrapper Lost",
        ]
    );
}

#[test]
fn a_fault_lasts_until_its_end_and_healing_one_direction_leaves_the_other() {
    let link = || Link::between("wrapper", "server");
    let began = |fault: Fault| WorldEvent::of(&fault);
    let ended = |place| WorldEvent::Ended { place };
    let trace = trace(
        vec![
            began(Fault::cut(&link())),
            began(Fault::delay(&link(), Duration::from_millis(300))),
            ended(Healed::Link(Link::one_way("server", "wrapper"))),
            began(Fault::power_loss("server")),
            began(Fault::disk("server", DiskBehaviour::Full)),
            began(Fault::black_hole(&link())),
            ended(Healed::host("server")),
            ended(Healed::EveryLink),
            ended(Healed::disk("server")),
            began(Fault::cut(&Link::one_way("server", "receiver"))),
        ]
        .into_iter()
        .map(|event| (WORLD, What::World(event)))
        .collect(),
    );
    assert_eq!(
        faults(&trace),
        [
            "cut wrapper ↔ server 0..2",
            "delay 300ms wrapper ↔ server 1..2",
            "cut wrapper → server 2..5",
            "delay 300ms wrapper → server 2..7",
            "no power server 3..6",
            "disk full server 4..8",
            "black hole wrapper ↔ server 5..7",
            "cut server → receiver 9..ever",
        ]
    );
}

#[test]
fn a_behaviour_of_the_queue_or_the_wrapper_lasts_until_the_next_one_or_its_end() {
    let queue = |is| (WORLD, What::World(WorldEvent::of(&Fault::Queue { is })));
    let wrapper = |deaf| {
        let behaviour = WrapperBehaviour {
            deaf,
            ..WrapperBehaviour::default()
        };
        let fault = Fault::Wrapper(Box::new(behaviour));
        (WORLD, What::World(WorldEvent::of(&fault)))
    };
    let nothing = || ("client", asks(1, "server", "/trpc/health"));
    let trace = trace(vec![
        queue(QueueBehaviour::LosesAck),
        ("wrapper", asks(1, "server", "/")),
        nothing(),
        queue(QueueBehaviour::Refuses),
        wrapper(true),
        queue(QueueBehaviour::Works),
        wrapper(false),
        queue(QueueBehaviour::Away),
    ]);
    assert_eq!(
        faults(&trace),
        [
            "queue loses ack server 0..3",
            "queue refuses server 3..5",
            "deaf wrapper 4..6",
            "queue away server 7..ever",
        ]
    );
}

#[test]
fn a_played_run_is_drawn_with_its_messages_and_without_false_losses() {
    let entry = entry(
        "- start: { as: first, say: gate:hold }\n- await: { gate: hold }\n- send: { as: second, say: hang }\n\
         - cut: { between: [wrapper, server], for: 2s }\n- release: hold\n- await: { message: first, is: completed }\n\
         - await: { message: second, is: sent }\n- interrupt: {}\n- await: { message: second, is: interrupted }",
        "",
    );
    let verdict = played(&entry, 0).verdict.expect("the harness works");
    let picture = Picture::of(&verdict);
    assert_eq!(
        picture.lanes.names(),
        ["client", "receiver", "observer", "server", "wrapper", "gateway"]
    );
    let moments: Vec<(&str, Vec<Moment>)> = picture
        .messages
        .iter()
        .map(|message| {
            (
                message.label.as_str(),
                message.moments.iter().map(|(moment, _)| *moment).collect(),
            )
        })
        .collect();
    let (queued, sent) = (Moment::Queued, Moment::Sent);
    assert_eq!(
        moments,
        [
            ("first", vec![queued, sent, Moment::Completed]),
            ("second", vec![queued, sent, Moment::Interrupted]),
        ]
    );
    assert!(matches!(
        &picture.faults[..],
        [FaultSpan {
            kind: FaultKind::Cut,
            ..
        }]
    ));
    let is_lost = |event: &&Event| event.arrow.as_ref().is_some_and(|arrow| arrow.fate == Fate::Lost);
    let lost: Vec<&str> = picture
        .events
        .iter()
        .filter(is_lost)
        .map(|event| event.headline.as_str())
        .collect();
    assert_eq!(
        lost,
        ["200"],
        "only the answer to the turn that was interrupted reached nobody"
    );
    let is_chunk = |event: &&Event| event.headline == "chunk";
    let chunk = picture
        .events
        .iter()
        .find(is_chunk)
        .expect("the answer is streamed");
    let nobody: &[usize] = &[];
    assert_eq!(chunk.messages, nobody, "the gateway is not told whom it answers");
    let answer = picture
        .events
        .iter()
        .find(|event| event.headline == "message.part.delta");
    assert_eq!(answer.expect("it is answered").messages, [0]);
}
