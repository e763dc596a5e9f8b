//! Parses a script's text into a draft, and into a scenario if it has no error.
//!
//! A deserializer stops at its first error, but authors need all errors at once. So an unreadable part is
//! recorded and the text is parsed again without it, until no new error appears. An unreadable step stays in
//! the draft as raw words, so that the checker does not report names that the step may have introduced.
//! Whether the steps fit together is checked in `check`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DuplicateKeyPolicy, Error, MessageFormatter, UserMessageFormatter};

use crate::check::check;
use crate::draft::{Draft, EXPECT, Element, STEPS};
use crate::place::{At, Spot};
use crate::problem::{Report, ScriptErrors};
use crate::scenario::Scenario;
use crate::session::Session;
use crate::surface::Surfaces;
use crate::text::listed;

/// The key of the protocol's rules.
const RULES: &str = "rules";
/// Key of the surfaces.
const API: &str = "api";
/// Key of the seed.
const SEED: &str = "seed";
/// Key of tolerance.
const TOLERANT: &str = "tolerant";
/// Key of the protocol profile.
const PROFILE: &str = "profile";
/// Key of the agents' latency.
const LATENCY: &str = "latency";
/// Key of the session's settings.
const SESSION: &str = "session";
/// All keys of a script.
const KEYS: &[&str] = &[
    "scenario", "about", "seam", RULES, API, SEED, TOLERANT, PROFILE, LATENCY, SESSION, "receiver", STEPS,
    EXPECT,
];
/// Required keys.
const REQUIRED: &[&str] = &["scenario", "about", "seam", STEPS];

/// The largest number of unreadable parts that are reported together. For each, the text is parsed once more.
const MOST_UNREADABLE: usize = 20;
/// The largest depth of lists and maps in a script.
const DEEPEST: usize = 64;
/// The largest number of values in a script, counted again for each alias.
const MOST_VALUES: usize = 250_000;

/// Error for a step or expectation that is not a map.
const ONE_KEY: &str = "expected a map with one key, such as `wait: 4s` or `interrupt: {}`";

impl Scenario {
    /// Parses and checks a script. `file` is the path in error messages.
    ///
    /// # Errors
    ///
    /// All errors of the script, in order of position. If one step has several syntax errors, only the first
    /// is reported, and if very many steps cannot be read, only the first of them.
    pub fn parse(source: &str, file: &Path) -> Result<Self, ScriptErrors> {
        let mut report = Report::new(source, file);
        let draft = read(&mut report);
        if let Some(draft) = &draft {
            check(draft, &mut report);
        }
        let scenario = draft.and_then(Draft::finish);
        report.conclude(scenario)
    }
}

/// Parses as much of the script as possible, and reports the rest.
///
/// Returns `None` if the text is not valid YAML or not a map.
fn read(report: &mut Report<'_>) -> Option<Draft> {
    let mut unreadable: BTreeMap<Place, (Spot, String)> = BTreeMap::new();
    let mut duplicate_keys = DuplicateKeyPolicy::Error;
    let draft = loop {
        let mut place = None;
        let reader = Reader {
            unreadable: &unreadable,
            place: &mut place,
        };
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_depth: DEEPEST, max_nodes: MOST_VALUES },
            duplicate_keys: duplicate_keys,
        };
        let attempt = serde_saphyr::with_deserializer_from_str_with_options(report.source, options, |yaml| {
            yaml.deserialize_map(reader)
        });
        let error = match attempt {
            Ok(draft) => break Some(draft),
            Err(error) => error,
        };
        let spot = error.location().map_or(Spot::START, Spot::from);
        let duplicate = matches!(error.without_snippet(), Error::DuplicateMappingKey { .. });
        if duplicate && matches!(duplicate_keys, DuplicateKeyPolicy::Error) {
            // Leaving out the surrounding map would lose more than continuing with one of the two values.
            report.add(spot, rephrased(&error));
            duplicate_keys = DuplicateKeyPolicy::LastWins;
            continue;
        }
        match place {
            Some(_) if unreadable.len() >= MOST_UNREADABLE => {
                report.add(
                    spot,
                    format_args!(
                        "more than {MOST_UNREADABLE} parts of this script cannot be read: correct the ones above first"
                    ),
                );
                break None;
            }
            Some(place) if !unreadable.contains_key(&place) && !is_known(&unreadable, spot, &error) => {
                unreadable.insert(place, (spot, rephrased(&error).into_owned()));
            }
            // The part cannot be skipped either, because the YAML itself is invalid there.
            _ => {
                if !unreadable.values().any(|(known, _)| *known == spot) {
                    report.add(spot, rephrased(&error));
                }
                break None;
            }
        }
    };
    if let Some(draft) = &draft {
        for key in REQUIRED.iter().filter(|key| !draft.present.contains_key(**key)) {
            let required = listed(REQUIRED);
            report.add(
                Spot::START,
                format_args!("missing key `{key}`; required: {required}"),
            );
        }
        relocate(draft, &mut unreadable);
    }
    for (spot, message) in unreadable.into_values() {
        report.add(spot, message);
    }
    draft
}

/// Whether a smaller part has the same error, so that this part only surrounds it.
fn is_known(unreadable: &BTreeMap<Place, (Spot, String)>, spot: Spot, error: &Error) -> bool {
    let text = rephrased(error);
    unreadable
        .values()
        .any(|(known, message)| *known == spot && *message == *text)
}

/// Corrects the position of errors about elements that are not maps; the deserializer reports the
/// position of the next token.
fn relocate(draft: &Draft, unreadable: &mut BTreeMap<Place, (Spot, String)>) {
    fn bare<T>((index, element): (usize, &Element<T>)) -> Option<(usize, Spot)> {
        match element {
            Element::Unreadable(At { value, spot }) if !value.is_object() => Some((index, *spot)),
            _ => None,
        }
    }
    let steps = draft.steps.iter().flatten().enumerate().filter_map(bare);
    let expect = draft.expect.iter().enumerate().filter_map(bare);
    let places = steps.map(|(index, spot)| (Place::Element(STEPS, index), spot));
    for (place, spot) in places.chain(expect.map(|(index, spot)| (Place::Element(EXPECT, index), spot))) {
        unreadable.insert(place, (spot, ONE_KEY.to_owned()));
    }
}

/// A part of a script that can be left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Key(String),
    Element(&'static str, usize),
}

/// Parses a script, except for the parts in `unreadable`.
struct Reader<'a> {
    unreadable: &'a BTreeMap<Place, (Spot, String)>,
    /// The part being parsed, which is the one that failed if parsing fails.
    place: &'a mut Option<Place>,
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Draft;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a script")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Draft, A::Error> {
        let mut draft = Draft {
            api: Some(Surfaces::default()),
            session: Some(Session::default()),
            ..Draft::default()
        };
        while let Some(At { value: key, spot }) = map.next_key::<At<String>>()? {
            let place = Place::Key(key.clone());
            draft.present.insert(key.clone(), spot);
            if self.unreadable.contains_key(&place) {
                match key.as_str() {
                    API => draft.api = None,
                    PROFILE => draft.profile = map.next_value()?,
                    SESSION => draft.session = None,
                    _ => {}
                }
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            *self.place = Some(place);
            match key.as_str() {
                "scenario" => draft.title = Some(map.next_value()?),
                "about" => draft.about = Some(map.next_value()?),
                "seam" => draft.seam = Some(map.next_value()?),
                RULES => draft.rules = map.next_value()?,
                API => draft.api = Some(map.next_value()?),
                SEED => draft.seed = Some(map.next_value()?),
                TOLERANT => draft.tolerant = map.next_value()?,
                LATENCY => draft.latency = Some(map.next_value()?),
                PROFILE => draft.profile = map.next_value()?,
                SESSION => draft.session = Some(map.next_value()?),
                "receiver" => draft.receiver = map.next_value()?,
                STEPS => draft.steps = Some(map.next_value_seed(self.elements(STEPS))?),
                EXPECT => draft.expect = map.next_value_seed(self.elements(EXPECT))?,
                unknown => return Err(A::Error::unknown_field(unknown, KEYS)),
            }
            *self.place = None;
        }
        Ok(draft)
    }
}

impl Reader<'_> {
    fn elements<T>(&mut self, key: &'static str) -> Elements<'_, T> {
        Elements {
            unreadable: self.unreadable,
            place: self.place,
            key,
            element: PhantomData,
        }
    }
}

/// Parses a list, except for the elements in `unreadable`.
struct Elements<'a, T> {
    unreadable: &'a BTreeMap<Place, (Spot, String)>,
    place: &'a mut Option<Place>,
    key: &'static str,
    element: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Elements<'_, T> {
    type Value = Vec<Element<T>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<'_, T> {
    type Value = Vec<Element<T>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the list of `{}`", self.key)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        loop {
            let place = Place::Element(self.key, elements.len());
            let next = if self.unreadable.contains_key(&place) {
                list.next_element()?.map(Element::Unreadable)
            } else {
                *self.place = Some(place);
                list.next_element()?.map(Element::Read)
            };
            match next {
                Some(element) => elements.push(element),
                None => return Ok(elements),
            }
        }
    }
}

fn too_deep() -> Cow<'static, str> {
    format!("lists and maps are nested too deeply: the maximum is {DEEPEST} levels").into()
}

/// A limit of YAML that a script exceeds.
fn beyond(breach: &BudgetBreach) -> Cow<'static, str> {
    match breach {
        BudgetBreach::Depth { .. } => too_deep(),
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
            format!("the script has more than {MOST_VALUES} values, counted again for each alias").into()
        }
        BudgetBreach::Aliases { .. } | BudgetBreach::AliasAnchorRatio { .. } => {
            "the script has too many aliases: write the values out".into()
        }
        _ => "the script is too large: split it into several".into(),
    }
}

/// Rephrases an error of the deserializer in the terms of scripts.
fn rephrased(error: &Error) -> Cow<'_, str> {
    let allowed = |word: &str, expected: &[&str]| {
        Cow::Owned(format!("unknown word `{word}`; allowed: {}", listed(expected)))
    };
    match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => rephrased(error),
        Error::SerdeUnknownField { field, expected, .. } => allowed(field, expected),
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => allowed(variant, expected),
        Error::SerdeMissingField { field, .. } => Cow::Owned(format!("`{field}` is missing")),
        Error::DuplicateMappingKey { key: Some(key), .. } => Cow::Owned(format!("duplicate key `{key}`")),
        Error::Unexpected { expected, .. } => match *expected {
            "mapping start" => "expected a map, such as { key: value }".into(),
            "sequence start" => "expected a list, such as [one, two]".into(),
            "string scalar" => "expected a string".into(),
            _ => UserMessageFormatter.format_message(error),
        },
        Error::ExternallyTaggedEnumExpectedScalarOrMapping { .. }
        | Error::ExpectedStringKeyForExternallyTaggedEnum { .. } => ONE_KEY.into(),
        Error::NonFiniteFloat { value, .. } => {
            format!("`{value}` is not allowed: a number must be finite").into()
        }
        Error::Budget { breach, .. } => beyond(breach),
        // The scanner has a limit too, and no type for this error.
        Error::Message { msg, .. } | Error::ExternalMessage { msg, .. }
            if msg.contains("recursion limit") =>
        {
            too_deep()
        }
        Error::InvalidScalar { ty: "boolean", .. } => "expected true or false".into(),
        Error::InvalidScalar { ty, .. } if ty.starts_with('u') => {
            "expected a whole number, 0 or above".into()
        }
        Error::SerdeInvalidValue { expected, .. } if expected.contains("nonzero") => {
            "expected a number above 0".into()
        }
        Error::ExpectedMappingEndAfterEnumVariantValue { .. } => {
            "an element has one key: begin the next element with `-`".into()
        }
        _ => UserMessageFormatter.format_message(error),
    }
}
