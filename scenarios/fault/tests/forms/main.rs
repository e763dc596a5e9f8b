//! Tests of the texts and JSON forms of faults, and of their properties.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use turnstile_fault::{
    Answer, Bandwidth, Capability, ClockChange, ConnectionEnd, CrashPoint, DiskBehaviour, Failure, Fault,
    FaultKind, JobCode, Lapse, LateAnswer, Link, LinkEffect, QueueBehaviour, Status, WireAnswer,
    WrapperBehaviour,
};

/// One fault of each kind.
fn faults() -> Vec<Fault> {
    let link = Link::between("server", "wrapper");
    vec![
        Fault::cut(&link),
        Fault::black_hole(&Link::one_way("server", "wrapper")),
        Fault::delay(&link, Duration::from_secs(2)),
        Fault::on(
            &link,
            LinkEffect::Throttle {
                rate: "10KB/s".parse().expect("it is a rate"),
            },
        ),
        Fault::on(&link, LinkEffect::Stall),
        Fault::end_of("server", "wrapper", ConnectionEnd::Reset),
        Fault::end_of("server", "wrapper", ConnectionEnd::Silence),
        Fault::end_of("server", "wrapper", ConnectionEnd::Finish),
        Fault::power_loss("wrapper"),
        Fault::Wrapper(Box::new(WrapperBehaviour {
            deaf: true,
            no_reply: true,
            ..WrapperBehaviour::default()
        })),
        Fault::Receiver {
            answers: vec![Answer::Stall],
        },
        Fault::Queue {
            is: QueueBehaviour::LosesAck,
        },
        Fault::disk("server", DiskBehaviour::Full),
        Fault::Clock {
            host: "server".to_owned(),
            set: ClockChange::Back(Lapse::from_secs(60)),
        },
    ]
}

#[test]
fn there_is_a_fault_of_every_kind_and_each_kind_has_a_word_of_its_own() {
    let kinds: Vec<FaultKind> = faults().iter().map(Fault::kind).collect();
    assert_eq!(kinds, FaultKind::ALL);
    let words: BTreeSet<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(words.len(), FaultKind::ALL.len());
}

#[test]
fn a_fault_that_is_written_as_json_is_the_same_when_it_is_read_again() {
    for fault in faults() {
        let written = serde_json::to_string(&fault).unwrap();
        assert_eq!(
            serde_json::from_str::<Fault>(&written).unwrap(),
            fault,
            "{written}"
        );
    }
}

#[test]
fn a_fault_is_named_with_its_place() {
    let texts: Vec<String> = faults().iter().map(ToString::to_string).collect();
    let expected = [
        "cut server ↔ wrapper",
        "black hole server → wrapper",
        "delay server ↔ wrapper by 2s",
        "throttle server ↔ wrapper rate 10KB/s",
        "stall server ↔ wrapper",
        "reset server ↔ wrapper",
        "silence server ↔ wrapper",
        "FIN server → wrapper",
        "wrapper loses its power",
        "deaf, no reply",
        "receiver",
        "queue loses ack",
        "server: disk full",
        "server: clock 1m back",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn a_later_blockade_replaces_an_earlier_one_and_no_delay() {
    let delay = LinkEffect::Delay {
        by: Duration::from_secs(1).into(),
    };
    assert!(LinkEffect::Cut.replaces(LinkEffect::BlackHole));
    assert!(delay.replaces(delay));
    assert!(!delay.replaces(LinkEffect::Cut));
    assert!(!LinkEffect::Cut.replaces(delay));
}

#[test]
fn a_crash_needs_more_the_longer_and_the_deeper_it_is() {
    use Capability::{Crash, CrashPoint as Point, Downtime, PowerLoss};
    let soon = Some(Duration::from_secs(2));
    let at_point = Fault::Host {
        host: "server".to_owned(),
        power_loss: true,
        at: Some(CrashPoint::AfterCommit),
    };
    assert_eq!(Fault::crash("server").needs(soon), [Crash].into());
    assert_eq!(Fault::crash("server").needs(None), [Crash, Downtime].into());
    assert_eq!(Fault::crash("wrapper").needs(None), [].into());
    assert_eq!(at_point.needs(soon), [Crash, Point, PowerLoss].into());
    let of_kind: BTreeSet<Capability> = FaultKind::Crash.needs().iter().copied().collect();
    assert!(of_kind.is_superset(&at_point.needs(None)));
}

#[test]
fn a_kind_of_fault_lists_the_needs_of_its_faults() {
    for fault in faults() {
        let of_kind: BTreeSet<Capability> = fault.kind().needs().iter().copied().collect();
        assert!(of_kind.is_superset(&fault.needs(None)), "{fault}");
    }
}

#[test]
fn an_answer_of_the_receiver_has_a_form_on_the_wire() {
    let status = Status::try_from(503).unwrap();
    let late = LateAnswer {
        delay: Duration::from_millis(1_500).into(),
        status,
    };
    for (answer, wire) in [
        (Answer::Status(status), json!({"status": 503})),
        (Answer::Late(late), json!({"status": 503, "delayMs": 1500})),
        (Answer::Stall, json!({"stall": true})),
        (Answer::Drop, json!({"drop": true})),
        (Answer::Twice, json!({"twice": true})),
    ] {
        assert_eq!(json!(WireAnswer::from(answer)), wire);
        let read: WireAnswer = serde_json::from_value(wire).unwrap();
        assert_eq!(Answer::try_from(read).unwrap(), answer);
    }
}

#[test]
fn a_failure_counts_down_to_none() {
    let mut twice = Some(Failure {
        code: JobCode::SendError,
        times: 2.try_into().ok(),
    });
    let taken = [(); 3].map(|()| Failure::take_next(&mut twice));
    assert_eq!(taken, [Some(JobCode::SendError), Some(JobCode::SendError), None]);
    let mut always = Some(Failure {
        code: JobCode::SendError,
        times: None,
    });
    assert!([(); 3].iter().all(|()| Failure::take_next(&mut always).is_some()));
}

#[test]
fn a_bandwidth_is_written_in_the_largest_unit_that_fits() {
    for (text, written) in [
        ("500B/s", "500B/s"),
        ("10KB/s", "10KB/s"),
        ("1500KB/s", "1500KB/s"),
        ("2000B/s", "2KB/s"),
        ("3MB/s", "3MB/s"),
    ] {
        assert_eq!(text.parse::<Bandwidth>().unwrap().to_string(), written);
    }
    for text in [
        "",
        "10",
        "0B/s",
        "10 KB/s",
        "10kb/s",
        "-1B/s",
        "1.5MB/s",
        "99999999999999MB/s",
    ] {
        assert!(text.parse::<Bandwidth>().is_err(), "{text}");
    }
    let narrow: Bandwidth = "10KB/s".parse().expect("it is a rate");
    assert_eq!(narrow.time_for(25_000), Duration::from_millis(2_500));
}
