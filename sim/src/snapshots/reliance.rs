//! Who relies on a field: the contracts that name it.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The folder of the contracts, below the folder of the snapshots.
const FOLDER: &str = "contracts";

/// The contracts of a folder: the title of each, and its schema.
#[derive(Debug, Default)]
pub struct Contracts(Vec<(String, Value)>);

impl Contracts {
    /// Reads the contracts beside the snapshots. A file that cannot be read is left out.
    pub fn beside(snapshots: &Path) -> Self {
        let files = fs::read_dir(snapshots.join(FOLDER))
            .into_iter()
            .flatten()
            .flatten();
        let mut contracts: Vec<(String, Value)> = files
            .filter_map(|file| {
                let schema: Value = serde_json::from_slice(&fs::read(file.path()).ok()?).ok()?;
                let title = schema["title"].as_str()?.to_owned();
                Some((title, schema))
            })
            .collect();
        contracts.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self(contracts)
    }

    /// The titles of the contracts that name the last field of a place such as `reply.body.result.data.executionId`.
    pub fn naming(&self, place: &str) -> Vec<&str> {
        let field = place.rsplit('.').next().unwrap_or(place);
        let field = field.split('[').next().unwrap_or(field);
        let naming = self.0.iter().filter(|(_, schema)| names(schema, field));
        naming.map(|(title, _)| title.as_str()).collect()
    }
}

/// Whether a schema has a property or a required field of that name.
fn names(schema: &Value, field: &str) -> bool {
    match schema {
        Value::Object(keys) => {
            let properties = keys.get("properties");
            let required = keys.get("required").and_then(Value::as_array);
            properties.is_some_and(|properties| !properties[field].is_null())
                || required.is_some_and(|required| required.iter().any(|name| name == field))
                || keys.values().any(|value| names(value, field))
        }
        Value::Array(items) => items.iter().any(|item| names(item, field)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contract_names_its_properties_and_required_fields() {
        let schema =
            serde_json::json!({"$defs": {"sent": {"required": ["messageId"], "properties": {"status": {}}}}});
        let contracts = Contracts(vec![("a reply".to_owned(), schema)]);
        assert_eq!(contracts.naming("reply.body.messageId"), ["a reply"]);
        assert_eq!(contracts.naming("status"), ["a reply"]);
        let contracts = Contracts(vec![(
            "a reply".to_owned(),
            serde_json::json!({"properties": {"list": {"type": "array"}}}),
        )]);
        assert_eq!(contracts.naming("body.list[2]"), ["a reply"]);
        assert_eq!(contracts.naming("body.other"), [""; 0]);
    }
}
