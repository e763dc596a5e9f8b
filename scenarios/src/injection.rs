//! Steps that inject a fault. The step's name is the kind of fault; its value says where, how and for how
//! long.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeSeed;
use serde::ser::{SerializeMap as _, SerializeStruct as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use turnstile_fault::{
    Answer, ClockChange, ConnectionEnd, CrashPoint, Fault, FaultKind, Lapse, Link, LinkEffect,
    QueueBehaviour, WrapperBehaviour, is_default,
};

use crate::disk::DiskStep;
use crate::lasting::Lasting;
use crate::machine::Machine;
use crate::network::{Ends, NetworkArguments, NetworkStep, write_ends};
use crate::place::{At, Spot};
use crate::shorthand::{MapForm, WordOr};

/// A fault that a step injects.
#[derive(Debug, Clone, PartialEq)]
pub struct Injection {
    /// The fault.
    pub fault: Fault,
    /// Duration; `None` if the fault lasts until another step ends it.
    pub lasts: Option<Lapse>,
    /// Where the script names the ends of a link, or the party and the point of a crash.
    pub(crate) spots: [At<()>; 2],
}

impl Injection {
    /// Injects `fault` for `lasts`, or until another step ends it.
    pub fn new(fault: Fault, lasts: Option<Lapse>) -> Self {
        Self::read(fault, lasts, [Spot::default(); 2])
    }

    fn read(fault: Fault, lasts: Option<Lapse>, spots: [Spot; 2]) -> Self {
        Self {
            fault,
            lasts,
            spots: spots.map(Spot::nothing),
        }
    }
}

/// Deserializes the value of a fault step of this kind.
pub(crate) struct OfKind(pub FaultKind);

impl<'de> DeserializeSeed<'de> for OfKind {
    type Value = Injection;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Injection, D::Error> {
        let Self(kind) = self;
        Ok(match kind {
            FaultKind::Crash => match WordOr::deserialize(deserializer)? {
                WordOr::Word(party) => Crash::of(party).into(),
                WordOr::Map(crash) => Crash::into(crash),
            },
            FaultKind::Wrapper => {
                let behaviour = WrapperBehaviour::deserialize(deserializer)?;
                Injection::new(Fault::Wrapper(Box::new(behaviour)), None)
            }
            FaultKind::Receiver => {
                let Receiver { answers } = Receiver::deserialize(deserializer)?;
                Injection::new(Fault::Receiver { answers }, None)
            }
            FaultKind::Queue => {
                let Lasting { is, lasts } = Lasting::<QueueBehaviour>::deserialize(deserializer)?;
                Injection::new(Fault::Queue { is }, lasts)
            }
            FaultKind::Disk => {
                let DiskStep { is, at, r#for } = DiskStep::deserialize(deserializer)?;
                let host = Machine::Server.name().to_owned();
                Injection::new(Fault::Disk { host, is, at }, r#for)
            }
            FaultKind::Clock => {
                let set = ClockChange::deserialize(deserializer)?;
                let host = Machine::Server.name().to_owned();
                Injection::new(Fault::Clock { host, set }, None)
            }
            network => {
                let arguments = NetworkStep(Some(network)).deserialize(deserializer)?;
                in_network(network, arguments)
            }
        })
    }
}

fn in_network(kind: FaultKind, arguments: NetworkArguments) -> Injection {
    let NetworkArguments {
        ends: Ends { link, spots },
        effect,
        lasts,
    } = arguments;
    let fault = match (effect, ConnectionEnd::of(kind)) {
        (Some(effect), _) => Fault::on(&link, effect),
        (None, Some(end)) => Fault::end_of(&link.from, &link.to, end),
        (None, None) => unreachable!("a fault of the network affects a link or connections"),
    };
    Injection::read(fault, lasts, spots)
}

impl Serialize for Injection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.fault {
            Fault::Link { link, effect } => write_link_fault(serializer, link, *effect, self.lasts),
            Fault::Connections { from, to, end } => {
                let mut map = serializer.serialize_map(None)?;
                let link = match end.kind() {
                    FaultKind::Fin => Link::one_way(from, to),
                    _ => Link::between(from, to),
                };
                write_ends(&mut map, &link)?;
                map.end()
            }
            Fault::Host { host, power_loss, at } => {
                let mut crash = serializer.serialize_struct("Crash", 4)?;
                crash.serialize_field("party", host)?;
                if *power_loss {
                    crash.serialize_field("power-loss", power_loss)?;
                }
                if let Some(at) = at {
                    crash.serialize_field("at", at)?;
                }
                if let Some(lasts) = self.lasts {
                    crash.serialize_field("restart-after", &lasts)?;
                }
                crash.end()
            }
            Fault::Disk { is, at, .. } => DiskStep {
                is: *is,
                at: *at,
                r#for: self.lasts,
            }
            .serialize(serializer),
            Fault::Clock { set, .. } => set.serialize(serializer),
            Fault::Queue { is } => Lasting {
                is: *is,
                lasts: self.lasts,
            }
            .serialize(serializer),
            Fault::Receiver { answers } => Receiver {
                answers: answers.clone(),
            }
            .serialize(serializer),
            Fault::Wrapper(behaviour) => behaviour.serialize(serializer),
        }
    }
}

fn write_link_fault<S: Serializer>(
    serializer: S,
    link: &Link,
    effect: LinkEffect,
    lasts: Option<Lapse>,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    write_ends(&mut map, link)?;
    if let Some((key, value)) = effect.parameter() {
        map.serialize_entry(key, &value)?;
    }
    if let Some(lasts) = lasts {
        map.serialize_entry("for", &lasts)?;
    }
    map.end()
}

/// The schema of the value of a fault step of this kind.
pub(crate) fn schema_of(kind: FaultKind, generator: &mut SchemaGenerator) -> Schema {
    match kind {
        FaultKind::Crash => generator.subschema_for::<WordOr<Machine, Crash>>(),
        FaultKind::Wrapper => generator.subschema_for::<WrapperBehaviour>(),
        FaultKind::Receiver => generator.subschema_for::<Receiver>(),
        FaultKind::Queue => generator.subschema_for::<Lasting<QueueBehaviour>>(),
        FaultKind::Disk => generator.subschema_for::<DiskStep>(),
        FaultKind::Clock => generator.subschema_for::<ClockChange>(),
        network => NetworkStep(Some(network)).schema(generator),
    }
}

/// Crashes a party. Its memory is lost, its disk loses unsynced data, and its peers see closed connections.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Crash {
    /// The party.
    party: At<Machine>,
    /// Whether the machine loses power, so that peers get no sign that the connections ended.
    #[serde(default, skip_serializing_if = "is_default")]
    power_loss: bool,
    /// Arms the crash instead: it happens when the server next passes this point. The following steps run
    /// without waiting for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<At<CrashPoint>>,
    /// Restarts the party after this time, counted from the crash; by default it stays down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restart_after: Option<Lapse>,
}

impl MapForm for Crash {
    const EXAMPLE: &'static str = "{ party: server }";
}

impl Crash {
    /// A crash at once, without restart.
    fn of(party: At<Machine>) -> Self {
        Self {
            party,
            power_loss: false,
            at: None,
            restart_after: None,
        }
    }
}

impl From<Crash> for Injection {
    fn from(crash: Crash) -> Self {
        let point_spot = crash.at.as_ref().map(|at| at.spot).unwrap_or_default();
        let fault = Fault::Host {
            host: crash.party.name().to_owned(),
            power_loss: crash.power_loss,
            at: crash.at.map(|at| at.value),
        };
        Self::read(fault, crash.restart_after, [crash.party.spot, point_spot])
    }
}

/// Queues answers of the receiver for the next requests, one each; afterwards it answers 200. Replaces unused
/// answers of earlier steps.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Receiver {
    /// The answers, in order.
    answers: Vec<Answer>,
}
