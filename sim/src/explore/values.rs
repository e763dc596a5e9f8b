//! Values of sessions and messages that vary between runs, and requests that no client may make.
//!
//! They have a separate stream of randomness, so that they change nothing else.

use proptest::prelude::*;
use serde_json::{Value, json};
use turnstile_scenarios::{Finalization, Gate, Json, MessageId, Session};

/// The values of one message that its step may set. Not all apply on every surface.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Values {
    pub(super) model: Option<String>,
    pub(super) finalization: Option<Finalization>,
    pub(super) extras: Option<Extras>,
    pub(super) id: Option<ChosenId>,
    /// The owner of a session that the message begins.
    pub(super) user: Option<&'static str>,
}

/// The order of an id that a client chooses among the other ids of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChosenId {
    /// Smaller than all earlier ids.
    Descending,
    /// Equal to the id that was chosen before, apart from the case of letters.
    OtherCase,
}

/// Values that no word for messages has, so that a call sends the message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Extras {
    pub(super) images: Option<Value>,
    pub(super) variant: Option<String>,
}

impl Values {
    /// The values that a surface supports: no gate of a single message on the legacy one.
    pub(super) fn on(&self, is_legacy: bool) -> Self {
        let mut values = self.clone();
        if let Some(finalization) = &mut values.finalization
            && is_legacy
        {
            finalization.gate = None;
        }
        values
    }
}

/// Generates the owner of a session: often the one of all others. Its id has characters that mean something in URLs.
pub(super) fn user() -> impl Strategy<Value = Option<&'static str>> {
    let user = prop_oneof![Just("team/50%"), Just("a b?c#d&e"), Just("\u{fc}/..%2F+")];
    proptest::option::weighted(0.15, user)
}

/// Generates images, which are a list or an object (R2.39), and a variant.
pub(super) fn extras() -> impl Strategy<Value = Extras> {
    let images = prop_oneof![
        1 => Just(None),
        1 => Just(Some(json!([{"url": "https://images/1.png"}, "2.png"]))),
        1 => Just(Some(json!({"path": "uploads/1", "files": ["1.png", "2.png"]}))),
    ];
    let variant = prop_oneof![
        1 => Just(None),
        2 => Just(Some("high".to_owned())),
        1 => Just(Some("X".repeat(LONGEST_VARIANT))),
    ];
    (images, variant).prop_map(|(images, variant)| Extras { images, variant })
}

/// Procedures with an input, which change something if the caller has the right.
pub(super) fn trespasses() -> Vec<(&'static str, Json)> {
    let agent = json!({"prompt": "__fake__:echo:trespass", "mode": "code", "model": MODEL});
    vec![
        (
            "send",
            Json(json!({"message": {"prompt": "__fake__:echo:trespass"}})),
        ),
        ("sendMessageV2", Json(agent)),
        ("interruptSession", Json(json!({}))),
        ("deleteSession", Json(json!({}))),
        ("updateSession", Json(json!({"callbackTarget": null}))),
        ("initiateFromKilocodeSessionV2", Json(json!({}))),
        ("getSession", Json(json!({}))),
        ("getSessionHealth", Json(json!({}))),
        ("getLatestAssistantMessage", Json(json!({}))),
    ]
}

/// Generates the settings of a session.
pub(super) fn settings() -> impl Strategy<Value = Session> {
    let callback = prop_oneof![4 => Just(true), 1 => Just(false)];
    let gate = prop_oneof![
        6 => Just(None),
        4 => Just(Some(Gate::All)),
        1 => Just(Some(Gate::Off)),
        1 => Just(Some(Gate::Warning)),
        1 => Just(Some(Gate::Critical)),
    ];
    let mode = prop_oneof![6 => Just("code"), 1 => Just("ask"), 1 => Just("plan"), 1 => Just("architect")];
    let model = prop_oneof![4 => Just(MODEL), 1 => Just(PREFIXED_MODEL)];
    let branch = prop_oneof![
        3 => (1..=999_u32).prop_map(|number| format!("work/{number}")),
        1 => Just("fix/100%_\u{fc}&b=c".to_owned()),
    ];
    let branch = proptest::option::weighted(0.4, branch);
    let variant = proptest::option::weighted(0.1, Just("high".to_owned()));
    let flag = || proptest::option::weighted(0.2, proptest::bool::ANY);
    let steps = (gate, flag(), flag());
    let agent = (mode, model, variant);
    (callback, steps, agent, branch).prop_map(
        |(callback, (gate, auto_commit, condense_on_complete), (mode, model, variant), branch)| Session {
            callback,
            gate,
            auto_commit,
            condense_on_complete,
            mode: mode.to_owned(),
            model: model.to_owned(),
            variant,
            branch,
            ..Session::default()
        },
    )
}

/// The model of the gateway, as the catalogue names it and as clients may name it (R2.43).
pub(super) const MODEL: &str = "fake-deterministic";
const PREFIXED_MODEL: &str = "kilo/fake-deterministic";
/// The number of letters of the longest variant (R2.115).
const LONGEST_VARIANT: usize = 50;
/// A model that is not in the catalogue (R11.34).
const UNKNOWN_MODEL: &str = "other-model";

impl ChosenId {
    /// The id of the message with this number.
    pub(super) fn of(self, number: usize) -> MessageId {
        let (time, tail) = match self {
            Self::Descending => (LARGEST_TIME - number, "0"),
            Self::OtherCase if number.is_multiple_of(2) => (number / 2, "a"),
            Self::OtherCase => (number / 2, "A"),
        };
        let id = format!("msg_{time:012x}{}", tail.repeat(TAIL));
        id.parse().expect("it has the form of an id")
    }
}

/// The largest time in a message id, and the length of what follows it (R1.3).
const LARGEST_TIME: usize = 0xffff_ffff_ffff;
const TAIL: usize = 14;

/// Generates the values of a message: mostly those of its session.
pub(super) fn values() -> impl Strategy<Value = Values> {
    let model = prop_oneof![
        20 => Just(None),
        2 => Just(Some(PREFIXED_MODEL)),
        2 => Just(Some(MODEL)),
        1 => Just(Some(UNKNOWN_MODEL)),
    ];
    let flag = || prop_oneof![2 => Just(None), 1 => Just(Some(true)), 1 => Just(Some(false))];
    let gate = prop_oneof![
        4 => Just(None),
        2 => Just(Some(Gate::All)),
        1 => Just(Some(Gate::Off)),
        1 => Just(Some(Gate::Warning)),
        1 => Just(Some(Gate::Critical)),
    ];
    let finalization =
        (flag(), flag(), gate).prop_map(|(auto_commit, condense_on_complete, gate)| Finalization {
            auto_commit,
            condense_on_complete,
            gate,
        });
    // Boxed, because what is drawn is moved several times, with room for what is seldom drawn.
    let finalization = proptest::option::weighted(0.2, finalization.boxed());
    let extras = proptest::option::weighted(0.15, extras().boxed());
    let id = prop_oneof![Just(ChosenId::Descending), Just(ChosenId::OtherCase)];
    let id = proptest::option::weighted(0.2, id.boxed());
    (model.boxed(), finalization, extras, id, user().boxed()).prop_map(
        |(model, finalization, extras, id, user)| Values {
            model: model.map(str::to_owned),
            finalization,
            extras,
            id,
            user,
        },
    )
}
