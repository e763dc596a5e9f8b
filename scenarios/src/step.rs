//! The steps of a script. Their contents have files of their subjects.
//!
//! All faults are one variant here, but each kind is a word in scripts. So the derived deserializer reads the
//! other steps, and a wrapper handles the words of faults.

use std::fmt;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{EnumAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, EnumAccess, VariantAccess as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use turnstile_fault::{Fault, FaultKind, Lapse};

use crate::call::Call;
use crate::client::{Close, Interrupt, Open};
use crate::ingest::Ingest;
use crate::injection::{Injection, OfKind, schema_of};
use crate::legacy::{Delete, Initiate, Prepare, Update};
use crate::machine::{Machine, Restarted, read_restarted};
use crate::message::{SendMessage, Start};
use crate::name::Tag;
use crate::network::Heal;
use crate::place::At;
use crate::shorthand::WordOr;
use crate::wait::{Await, Pause, read_pause};

/// A step of a script. A step begins when the previous one is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "kebab-case")]
#[schemars(transform = spread_fault_steps)]
pub enum Step {
    /// Creates the session with its first message.
    Start(Start),
    /// Sends a further message.
    Send(SendMessage),
    /// Creates the session and stores its first message, on the legacy surface.
    Prepare(Prepare),
    /// Queues the message that was stored with the session.
    Initiate(Initiate),
    /// Changes the callback target of the session.
    Update(Update),
    /// Deletes the session.
    Delete(Delete),
    /// Interrupts the session.
    Interrupt(Interrupt),
    /// Calls any procedure.
    Call(Call),
    /// Opens a client's stream.
    Open(Open),
    /// Closes a client's stream.
    Close(Close),
    /// Waits for a condition.
    Await(Await),
    /// Releases the requests that wait at a tag of the gateway.
    Release(At<Tag>),
    /// Ends the faults of a link.
    Heal(Heal),
    /// Restarts a crashed party.
    #[serde(deserialize_with = "read_restarted")]
    #[schemars(with = "WordOr<Machine, Restarted>")]
    Restart(At<Machine>),
    /// Injects a fault. Each kind of fault is a word of the language.
    #[serde(deserialize_with = "no_word")]
    #[schemars(schema_with = "fault_steps")]
    Fault(Injection),
    /// Connects to the server's ingest like a wrapper.
    Ingest(Ingest),
    /// Lets time pass.
    #[serde(deserialize_with = "read_pause")]
    #[schemars(with = "WordOr<Lapse, Pause>")]
    Wait(Lapse),
}

/// Words of steps before those of faults.
const FIRST_WORDS: [&str; 12] = [
    "start",
    "send",
    "prepare",
    "initiate",
    "update",
    "delete",
    "interrupt",
    "call",
    "open",
    "close",
    "await",
    "release",
];
const HEAL: &str = "heal";
const RESTART: &str = "restart";
/// Words of steps after those of faults.
const LAST_WORDS: [&str; 2] = ["ingest", "wait"];

/// Words of all steps, in the order of error messages: `heal` and `restart` follow the faults that they end.
static WORDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut words = FIRST_WORDS.to_vec();
    for kind in FaultKind::ALL {
        if kind.is_of_connections() && !words.contains(&HEAL) {
            words.push(HEAL);
        }
        words.push(kind.name());
        if *kind == FaultKind::Crash {
            words.push(RESTART);
        }
    }
    words.extend(LAST_WORDS);
    words
});

impl Step {
    /// A step that injects `fault` for `lasts`, or until another step ends it.
    pub fn fault(fault: Fault, lasts: Option<Lapse>) -> Self {
        Self::Fault(Injection::new(fault, lasts))
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fault(injection) => {
                let word = injection.fault.kind().name();
                serializer.serialize_newtype_variant("Step", 0, word, injection)
            }
            // The derived serializer.
            other => Self::serialize(other, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum("Step", &WORDS, StepReader)
    }
}

struct StepReader;

impl<'de> Visitor<'de> for StepReader {
    type Value = Step;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a step")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, step: A) -> Result<Step, A::Error> {
        let (word, said) = step.variant_seed(Word)?;
        match FaultKind::ALL.iter().find(|kind| kind.name() == word) {
            Some(kind) => said.newtype_variant_seed(OfKind(*kind)).map(Step::Fault),
            None => Step::deserialize(EnumAccessDeserializer::new(Known { word, said })),
        }
    }
}

/// Parses the word of a step.
struct Word;

impl<'de> DeserializeSeed<'de> for Word {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Word {
    type Value = &'static str;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the word of a step")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<&'static str, E> {
        let known = WORDS.iter().find(|word| **word == text);
        known.copied().ok_or_else(|| E::unknown_variant(text, &WORDS))
    }
}

/// A step whose word is parsed already.
struct Known<V> {
    word: &'static str,
    said: V,
}

impl<'de, V: serde::de::VariantAccess<'de>> EnumAccess<'de> for Known<V> {
    type Error = V::Error;
    type Variant = V;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, V), V::Error> {
        let word = seed.deserialize(StrDeserializer::new(self.word))?;
        Ok((word, self.said))
    }
}

/// Never called: the derived deserializer does not see fault steps.
fn no_word<'de, D: Deserializer<'de>>(_: D) -> Result<Injection, D::Error> {
    Err(serde::de::Error::unknown_variant("fault", &WORDS))
}

/// The schemas of all fault steps.
fn fault_steps(generator: &mut SchemaGenerator) -> Schema {
    let steps: Vec<Value> = FaultKind::ALL
        .iter()
        .map(|kind| {
            let (word, value) = (kind.name(), schema_of(*kind, generator));
            let step = json_schema!({
                "description": kind.about(),
                "type": "object",
                "properties": { word: value },
                "required": [word],
                "additionalProperties": false,
            });
            step.to_value()
        })
        .collect();
    json_schema!({ "oneOf": steps })
}

/// Makes each fault step an alternative beside the other steps.
fn spread_fault_steps(schema: &mut Schema) {
    let Some(Value::Array(steps)) = schema.get_mut("oneOf") else {
        return;
    };
    let spread = std::mem::take(steps).into_iter().flat_map(|mut step| {
        match step.pointer_mut("/properties/fault/oneOf").map(Value::take) {
            Some(Value::Array(of_faults)) => of_faults,
            _ => vec![step],
        }
    });
    *steps = spread.collect();
}
