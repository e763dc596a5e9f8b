//! User actions of generated runs. References to messages, tags and clients are resolved when the run is laid out.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::Union;
use turnstile_scenarios::{Caller, Lapse, Moment, Ticket};

use super::swarm::{Rate, WorkloadRates};
use super::times::{between, moment};

/// The client that connects and disconnects while the other one sends.
pub(super) const VIEWER: &str = "viewer";

/// Maximum number of messages in a burst, above the queue limit (protocol §3).
const LARGEST_BURST: usize = 12;

/// Types of events that some streams are limited to.
const MESSAGE_EVENTS: [&str; 3] = [
    "cloud.message.queued",
    "cloud.message.completed",
    "cloud.message.failed",
];
const WRAPPER_EVENTS: [&str; 2] = ["kilocode", "complete"];

/// A user action.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Sends a message. The first message of a session creates it.
    Send(Sending),
    /// Sends several messages at once, so that they queue up and may exceed the limit.
    Burst {
        session: Index,
        count: usize,
    },
    /// Sends several messages while the wrapper commits the work of an earlier one.
    BurstWhileFinalizing {
        session: Index,
        count: usize,
        /// How long the commit takes.
        takes: Lapse,
    },
    /// Repeats a message id.
    Repeat {
        message: Index,
        on_other_surface: bool,
    },
    Interrupt(Index),
    Update {
        session: Index,
        target: TargetChoice,
    },
    /// Opens a client's stream, or closes it if it is open.
    Stream(Opening),
    /// Opens a stream with a ticket that does not open it.
    Knock {
        session: Index,
        ticket: Ticket,
    },
    /// Opens the viewer's stream, which it reads slowly, and has the wrapper send many events.
    FallBehind {
        session: Index,
        babble: u32,
    },
    Query {
        session: Index,
        which: Index,
    },
    /// Calls a procedure without the right to it.
    Trespass {
        session: Index,
        which: Index,
        caller: Caller,
    },
    Release(Index),
    Wait(Lapse),
    /// Waits for an event, up to a limit.
    Sync {
        message: Index,
        is: Moment,
        within: Lapse,
    },
    /// Deletes a session, possibly once more.
    Delete {
        session: Index,
        times: u32,
    },
}

/// A message, or the first message of a further session.
#[derive(Debug, Clone)]
pub(super) struct Sending {
    pub(super) session: Index,
    pub(super) saying: Saying,
    pub(super) by_viewer: bool,
    pub(super) id_by_server: bool,
    pub(super) on_other_surface: bool,
    pub(super) is_command: bool,
}

/// The parameters of a stream.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub(super) session: Index,
    pub(super) by_viewer: bool,
    pub(super) from: ResumeChoice,
    pub(super) reads_slowly: bool,
    pub(super) event_types: &'static [&'static str],
    /// Whether it shows only events of executions of an older service, if there are any.
    pub(super) of_executions: bool,
    pub(super) since: Option<Lapse>,
    pub(super) until: Option<Lapse>,
}

/// The directive of a message to the gateway.
#[derive(Debug, Clone)]
pub(super) enum Saying {
    Echo,
    Slow {
        chunks: u32,
        milliseconds: u32,
    },
    Idle,
    Hang,
    Error,
    Gate,
    /// A tool loop.
    Tools {
        calls: u32,
    },
    /// No directive.
    Plain,
}

/// The new callback target.
#[derive(Debug, Clone)]
pub(super) enum TargetChoice {
    Nowhere,
    Receiver,
    Elsewhere,
    /// A port at which nothing listens.
    OutOfReach,
    NoSuchHost,
    /// A scheme that the receiver does not speak.
    Https,
}

/// The start of a stream's replay.
#[derive(Debug, Clone)]
pub(super) enum ResumeChoice {
    Start,
    /// The last event seen, if any.
    Last,
    Live,
    /// After an event that does not exist yet.
    Future,
}

/// Generates an action of the kinds with a rate above 0.
pub(super) fn act(rates: &WorkloadRates) -> impl Strategy<Value = Act> {
    let any_index = any::<Index>;
    let kinds: [(Rate, BoxedStrategy<Act>); 15] = [
        (rates.send, send(rates).boxed()),
        (
            rates.burst,
            (any_index(), 2..=LARGEST_BURST)
                .prop_map(|(session, count)| Act::Burst { session, count })
                .boxed(),
        ),
        (
            rates.burst,
            (any_index(), 1..=4_usize, between(1_000, 8_000))
                .prop_map(|(session, count, takes)| Act::BurstWhileFinalizing {
                    session,
                    count,
                    takes,
                })
                .boxed(),
        ),
        (
            rates.repeat,
            (any_index(), rarely(rates.other_surface))
                .prop_map(|(message, on_other_surface)| Act::Repeat {
                    message,
                    on_other_surface,
                })
                .boxed(),
        ),
        (rates.interrupt, any_index().prop_map(Act::Interrupt).boxed()),
        (
            rates.update,
            (any_index(), target())
                .prop_map(|(session, target)| Act::Update { session, target })
                .boxed(),
        ),
        (rates.stream, stream().prop_map(Act::Stream).boxed()),
        (
            rates.trespass,
            (any_index(), closed_ticket())
                .prop_map(|(session, ticket)| Act::Knock { session, ticket })
                .boxed(),
        ),
        (
            rates.stream.min(1),
            (any_index(), 20..=60_u32)
                .prop_map(|(session, babble)| Act::FallBehind { session, babble })
                .boxed(),
        ),
        (
            rates.query,
            (any_index(), any_index())
                .prop_map(|(session, which)| Act::Query { session, which })
                .boxed(),
        ),
        (
            rates.trespass,
            (any_index(), any_index(), trespasser())
                .prop_map(|(session, which, caller)| Act::Trespass {
                    session,
                    which,
                    caller,
                })
                .boxed(),
        ),
        (rates.release, any_index().prop_map(Act::Release).boxed()),
        (rates.wait, moment().prop_map(Act::Wait).boxed()),
        (rates.sync, sync().boxed()),
        (
            rates.delete,
            (any_index(), 1..=2_u32)
                .prop_map(|(session, times)| Act::Delete { session, times })
                .boxed(),
        ),
    ];
    Union::new_weighted(kinds.into_iter().filter(|(rate, _)| *rate > 0).collect())
}

fn send(rates: &WorkloadRates) -> impl Strategy<Value = Act> + use<> {
    let saying = saying(rates.hang);
    let one_in_five = || prop_oneof![4 => Just(false), 1 => Just(true)];
    let flags = (
        one_in_five(),
        one_in_five(),
        rarely(rates.other_surface),
        rarely(1),
    );
    (any::<Index>(), saying, flags).prop_map(
        |(session, saying, (by_viewer, id_by_server, on_other_surface, is_command))| {
            Act::Send(Sending {
                session,
                saying,
                by_viewer,
                id_by_server,
                on_other_surface,
                is_command,
            })
        },
    )
}

/// Generates the prompt of a message.
pub(super) fn saying(hang: Rate) -> impl Strategy<Value = Saying> {
    let slow = (1..=6_u32, prop_oneof![Just(20_u32), Just(300), Just(2_500)]);
    let mut kinds = vec![
        (6, Just(Saying::Echo).boxed()),
        (
            3,
            slow.prop_map(|(chunks, milliseconds)| Saying::Slow { chunks, milliseconds })
                .boxed(),
        ),
        (4, Just(Saying::Gate).boxed()),
        (1, Just(Saying::Idle).boxed()),
        (1, Just(Saying::Error).boxed()),
        (2, (1..=3_u32).prop_map(|calls| Saying::Tools { calls }).boxed()),
        (1, Just(Saying::Plain).boxed()),
    ];
    if hang > 0 {
        kinds.push((2, Just(Saying::Hang).boxed()));
    }
    Union::new_weighted(kinds)
}

/// Generates true never at rate 0, and seldom at any other rate.
fn rarely(rate: Rate) -> impl Strategy<Value = bool> {
    (0..20_u32).prop_map(move |drawn| drawn < 2 * rate)
}

fn target() -> impl Strategy<Value = TargetChoice> {
    prop_oneof![
        1 => Just(TargetChoice::Nowhere),
        1 => Just(TargetChoice::Receiver),
        2 => Just(TargetChoice::Elsewhere),
        2 => Just(TargetChoice::OutOfReach),
        1 => Just(TargetChoice::NoSuchHost),
        2 => Just(TargetChoice::Https),
    ]
}

/// Generates the parameters of a stream.
pub(super) fn stream() -> impl Strategy<Value = Opening> {
    let from = prop_oneof![
        3 => Just(ResumeChoice::Start),
        3 => Just(ResumeChoice::Last),
        1 => Just(ResumeChoice::Live),
        1 => Just(ResumeChoice::Future),
    ];
    let reads_slowly = prop_oneof![7 => Just(false), 1 => Just(true)];
    let event_types =
        prop_oneof![7 => Just(&[][..]), 1 => Just(&MESSAGE_EVENTS[..]), 1 => Just(&WRAPPER_EVENTS[..])];
    let since_until = (time(), time()).prop_map(|(one, other)| match (one, other) {
        (Some(since), Some(until)) if since > until => (Some(until), Some(since)),
        in_order => in_order,
    });
    (
        any::<Index>(),
        any::<bool>(),
        from,
        reads_slowly,
        event_types,
        proptest::bool::weighted(0.2),
        since_until,
    )
        .prop_map(
            |(session, by_viewer, from, reads_slowly, event_types, of_executions, (since, until))| Opening {
                session,
                by_viewer,
                from,
                reads_slowly,
                event_types,
                of_executions,
                since,
                until,
            },
        )
}

/// Generates a limit of a stream's time, seldom.
fn time() -> impl Strategy<Value = Option<Lapse>> {
    proptest::option::weighted(0.1, between(500, 60_000))
}

/// Generates a caller without a right.
pub(super) fn trespasser() -> impl Strategy<Value = Caller> {
    prop_oneof![
        3 => Just(Caller::Stranger),
        1 => Just(Caller::Nobody),
        1 => Just(Caller::Latecomer),
        1 => Just(Caller::Wrapper),
        1 => Just(Caller::Viewer),
    ]
}

/// Generates a ticket that does not open a stream, or a token that does not open an ingest.
pub(super) fn closed_ticket() -> impl Strategy<Value = Ticket> {
    prop_oneof![
        Just(Ticket::Stranger),
        Just(Ticket::Expired),
        Just(Ticket::None),
        Just(Ticket::OtherSession),
        Just(Ticket::OtherKind),
    ]
}

fn sync() -> impl Strategy<Value = Act> {
    let is = prop_oneof![2 => Just(Moment::Sent), 2 => Just(Moment::Completed), 1 => Just(Moment::Failed)];
    let within = prop_oneof![
        3 => between(1_000, 6_000),
        1 => Just(Lapse::from(Duration::from_secs(60))),
    ];
    (any::<Index>(), is, within).prop_map(|(message, is, within)| Act::Sync { message, is, within })
}

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    use super::*;

    #[test]
    fn a_stream_never_ends_before_it_begins() {
        let mut runner = TestRunner::deterministic();
        let mut limited = 0;
        for _ in 0..2_000 {
            let opening = stream().new_tree(&mut runner).unwrap().current();
            if let (Some(since), Some(until)) = (opening.since, opening.until) {
                assert!(since <= until, "{opening:?}");
                limited += 1;
            }
        }
        assert!(limited > 5, "only {limited} have both limits");
    }
}
