//! Writes a scenario as a script, one line per step.
//!
//! Parsing the result gives an equal scenario. Comments and the order of keys are not preserved.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use serde_saphyr::{FlowMap, FlowSeq, FoldStr, SerializerOptions};

use crate::scenario::Scenario;

/// Width at which long sentences are folded.
const WIDTH: usize = 110;

impl Scenario {
    /// The text of a script with this content.
    ///
    /// # Panics
    ///
    /// Never: a scenario can always be serialized.
    pub fn to_yaml(&self) -> String {
        let Value::Object(mut fields) = serde_json::to_value(self).expect("a scenario is plain data") else {
            unreachable!("a scenario is a map")
        };
        let mut text = String::new();
        text += &written("scenario", &self.title);
        // Folded style, without a line break at the end.
        text += &written("about", &FoldStr(&self.about)).replacen(": >\n", ": >-\n", 1);
        for key in ["seam", "seed", "tolerant"] {
            if let Some(value) = fields.remove(key) {
                text += &written(key, &value);
            }
        }
        for key in ["rules", "api", "profile", "latency", "session", "receiver"] {
            if let Some(value) = fields.remove(key) {
                text += &written(key, &OneLine(value));
            }
        }
        for key in ["steps", "expect"] {
            if let Some(Value::Array(elements)) = fields.remove(key) {
                let lines: Vec<BTreeMap<String, OneLine>> = elements.into_iter().map(line).collect();
                text += &written(key, &lines);
            }
        }
        text
    }
}

/// Writes a step or expectation on one line.
fn line(element: Value) -> BTreeMap<String, OneLine> {
    let fields = match element {
        Value::Object(fields) => fields,
        // A step without a value is only its word.
        other => Map::from_iter([(
            other.as_str().unwrap_or_default().to_owned(),
            Value::Object(Map::new()),
        )]),
    };
    fields
        .into_iter()
        .map(|(word, said)| (word, OneLine(said)))
        .collect()
}

/// A value written on one line.
struct OneLine(Value);

impl Serialize for OneLine {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Value::Object(fields) => FlowMap(fields).serialize(serializer),
            Value::Array(elements) => FlowSeq(elements).serialize(serializer),
            scalar => scalar.serialize(serializer),
        }
    }
}

fn written(key: &str, value: &impl Serialize) -> String {
    let mut options = SerializerOptions::default();
    options.folded_wrap_chars = WIDTH;
    options.compact_list_indent = false;
    let document = BTreeMap::from([(key, value)]);
    serde_saphyr::to_string_with_options(&document, options).expect("plain data can be written as YAML")
}
