//! The OpenAPI document against the wire: what a server accepts and answers fits its schemas.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Value, json};
use turnstile::openapi;
use turnstile::script::Options;
use turnstile::suite::{self, Play};
use turnstile_events::observation::Observation;

use crate::library::library;

/// Scenarios that call every procedure.
const PLAYED: [&str; 3] = ["suite/legacy/", "suite/deletion/", "suite/turn/asked-meanwhile"];

/// The schemas of one procedure.
struct Operation {
    input: Option<Validator>,
    answer: Validator,
    /// The numbers of inputs and answers that were compared.
    compared: (usize, usize),
}

/// A validator for a schema in the document, whose references are read from the document.
fn validator(document: &Value, schema: &Value) -> Validator {
    let schema = json!({"components": document["components"], "allOf": [schema]});
    jsonschema::validator_for(&schema).expect("the schema is valid")
}

fn operations(document: &Value) -> BTreeMap<String, Operation> {
    let paths = document["paths"].as_object().expect("the document has paths");
    let procedures = paths.iter().filter_map(|(path, operations)| {
        let name = path.strip_prefix("/trpc/")?;
        let post = &operations["post"];
        let schema = &post["requestBody"]["content"]["application/json"]["schema"];
        let answer = &post["responses"]["200"]["content"]["application/json"]["schema"];
        let operation = Operation {
            input: (!schema.is_null()).then(|| validator(document, schema)),
            answer: validator(document, answer),
            compared: (0, 0),
        };
        Some((name.to_owned(), operation))
    });
    procedures.collect()
}

#[test]
fn inputs_and_answers_on_the_wire_fit_the_schemas() {
    let document = openapi::document();
    let mut operations = operations(&document);
    let refusal = validator(&document, &json!({"$ref": "#/components/schemas/Refusal"}));
    let library = library();
    let entries = PLAYED.iter().flat_map(|filter| library.matching(Some(filter)));
    for entry in entries {
        let options = Options::default();
        let verdict = suite::play_timed(Play { entry, options })
            .verdict
            .expect("the harness works");
        let mut asked = BTreeMap::new();
        for (_, party, observation) in verdict.trace.observations() {
            match observation {
                Observation::RequestSent {
                    exchange, path, body, ..
                } => {
                    if let Some(called) = path.strip_prefix("/trpc/") {
                        let (procedure, query) = called.split_once('?').unzip();
                        let input = query.is_none().then_some(body);
                        asked.insert((party, *exchange), (procedure.unwrap_or(called), input));
                    }
                }
                Observation::ReplyReceived {
                    exchange,
                    status,
                    body,
                } => {
                    let Some((procedure, input)) = asked.remove(&(party, *exchange)) else {
                        continue;
                    };
                    let Some(operation) = operations.get_mut(procedure) else {
                        continue;
                    };
                    let place = format!("{} calls {procedure}", entry.id);
                    if *status != 200 {
                        fits(&refusal, body, &place);
                        continue;
                    }
                    fits(&operation.answer, body, &place);
                    operation.compared.1 += 1;
                    let input = input.filter(|input| !input.is_string());
                    if let (Some(schema), Some(input)) = (&operation.input, input) {
                        fits(schema, input, &place);
                        operation.compared.0 += 1;
                    }
                }
                _ => {}
            }
        }
    }
    let unseen: Vec<&str> = operations
        .iter()
        .filter(|(_, operation)| operation.compared.1 == 0)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(unseen, [""; 0], "not seen on the wire");
}

fn fits(schema: &Validator, value: &Value, place: &str) {
    let errors: Vec<String> = schema
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{place}: {}\n{value}", errors.join("\n"));
}
