//! From a scenario back to the text of a script, laid out as a person would have: a line a step.
//!
//! What is written can be read again and is then the same scenario. What a person wrote around it (comments, the
//! order of keys) is not kept.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use serde_saphyr::{FlowMap, FlowSeq, FoldStr, SerializerOptions};

use crate::scenario::Scenario;

/// The width at which long sentences are folded.
const WIDTH: usize = 110;

impl Scenario {
    /// The text of a script that says this.
    ///
    /// # Panics
    ///
    /// Never: a scenario is plain data, which can be written.
    pub fn to_yaml(&self) -> String {
        let Value::Object(mut fields) = serde_json::to_value(self).expect("a scenario is plain data") else {
            unreachable!("a scenario is a map")
        };
        let mut text = String::new();
        text += &written("scenario", &self.title);
        // Folded, and without the line break at its end that is not its own.
        text += &written("about", &FoldStr(&self.about)).replacen(": >\n", ": >-\n", 1);
        for key in ["seam", "tolerant"] {
            if let Some(value) = fields.remove(key) {
                text += &written(key, &value);
            }
        }
        for key in ["rules", "api", "session", "receiver"] {
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

/// A step or an expectation: a word, and behind it on the same line all that is said of it.
fn line(element: Value) -> BTreeMap<String, OneLine> {
    let fields = match element {
        Value::Object(fields) => fields,
        // A step without anything to say is its word alone.
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

/// A value that is written on one line.
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
