//! The file that describes a server under test, `target.toml`: its addresses, secrets, capabilities and profile.
//!
//! Secrets are not in the file, only the names of the environment variables that hold them. What a file leaves out has
//! its default; options of the command line are not known here.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use toml::Spanned;
use turnstile_profile::{Kind, Profile};
use turnstile_scenarios::Problem;

use crate::toml_file::parse_toml;

/// The largest factor by which the durations of a server are shortened.
pub const FASTEST: u32 = 100;

/// A server under test, as a file describes it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TargetFile {
    /// URL of the server without a path, such as `http://127.0.0.1:8787`.
    pub url: Option<String>,
    /// Factor by which all durations of the server are shortened, from 1 to 100.
    #[serde(deserialize_with = "speed")]
    #[schemars(range(min = 1, max = 100))]
    pub speed: Option<u32>,
    /// Shell command that kills the server and restarts it on the same data.
    pub restart_command: Option<String>,
    /// Authority of the ingest URL that the server gives to wrappers, where it is not that of the server's URL.
    pub ingest_authority: Option<String>,
    /// URL of the server's test clock without a path, such as `http://127.0.0.1:8788`.
    pub test_clock: Option<String>,
    /// Optional capabilities of the server. A restart command is one already.
    pub capabilities: BTreeSet<Declared>,
    /// Where the secrets of the server are.
    pub secrets: SecretVariables,
    /// The wrapper that the harness plays.
    pub wrapper: WrapperSettings,
    /// The callback receiver that the harness plays.
    pub receiver: ReceiverSettings,
    /// The values of the server's protocol profile that are not the defaults of the protocol.
    #[schemars(schema_with = "profile_schema")]
    pub profile: Profile,
}

/// A capability that a target can declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Declared {
    /// The server reaches the wrapper of a session below the path `/SESSION` of the wrapper's address.
    Sandboxes,
}

/// Names of the environment variables that hold the secrets of a target.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecretVariables {
    /// Variable with the secret of user tokens.
    #[schemars(with = "Option<String>")]
    pub api: Option<Spanned<String>>,
    /// Variable with the secret of stream tickets.
    #[schemars(with = "Option<String>")]
    pub ticket: Option<Spanned<String>>,
    /// Variable with the API key of internal procedures.
    #[schemars(with = "Option<String>")]
    pub internal_api_key: Option<Spanned<String>>,
}

/// The wrapper that the harness plays.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrapperSettings {
    /// Address on which it listens, as configured at the server.
    #[schemars(with = "Option<String>")]
    pub listen: Option<SocketAddr>,
    /// Version that its `/health` reports.
    pub version: Option<String>,
}

/// The callback receiver that the harness plays.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReceiverSettings {
    /// Address on which it listens.
    #[schemars(with = "Option<String>")]
    pub listen: Option<SocketAddr>,
    /// Authority at which the server reaches it, where that is not the address.
    pub reached_at: Option<String>,
}

impl TargetFile {
    /// Parses the description of a target. `file` is named in errors.
    ///
    /// # Errors
    ///
    /// The first error, with its position.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Problem> {
        parse_toml(text, file)
    }
}

/// The JSON Schema of target files, for editors.
pub fn schema() -> Value {
    schemars::schema_for!(TargetFile).to_value()
}

fn speed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let speed = u32::deserialize(deserializer)?;
    if !(1..=FASTEST).contains(&speed) {
        let text = format!("the speed is a number from 1 to {FASTEST}");
        return Err(serde::de::Error::custom(text));
    }
    Ok(Some(speed))
}

/// The schema of a profile, from its fields.
fn profile_schema(_: &mut SchemaGenerator) -> Schema {
    let of_kind = |kind: Kind| match kind {
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Number => json!({"type": "integer", "minimum": 0}),
        Kind::PositiveNumber => json!({"type": "integer", "minimum": 1}),
        Kind::Duration => json!({"type": "string"}),
        Kind::Durations | Kind::Texts => json!({"type": "array", "items": {"type": "string"}}),
    };
    let fields = Profile::fields().into_iter().map(|field| {
        let mut schema = of_kind(field.kind);
        let default = format!("{} The default is {}.", field.doc, field.default);
        schema["description"] = Value::from(if field.default.is_empty() {
            field.doc
        } else {
            default
        });
        (field.name.to_owned(), schema)
    });
    let fields: Map<String, Value> = fields.collect();
    json_schema!({"type": "object", "additionalProperties": false, "properties": fields})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<TargetFile, String> {
        TargetFile::parse(text, Path::new("target.toml")).map_err(|problem| problem.to_string())
    }

    /// The example of the documentation.
    fn example() -> &'static str {
        let page = include_str!("../../docs/target.md");
        let (_, rest) = page.split_once("```toml\n").expect("the page has an example");
        rest.split_once("```").expect("the example ends").0
    }

    #[test]
    fn the_example_of_the_documentation_is_read() {
        let target = parse(example()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(target.url.as_deref(), Some("http://127.0.0.1:8787"));
        assert_eq!(target.restart_command.as_deref(), Some("./restart-my-server.sh"));
        assert_eq!(target.capabilities, BTreeSet::from([Declared::Sandboxes]));
        let variable = target.secrets.api.expect("the example names it");
        assert_eq!(variable.as_ref(), "MY_SERVER_API_SECRET");
        assert!(!target.profile.callback_at_start);
        assert_eq!(target.profile.pending_limit, Profile::default().pending_limit);
    }

    #[test]
    fn the_example_of_the_documentation_fits_the_schema() {
        let example: Value = toml::from_str(example()).expect("it is TOML");
        let validator = jsonschema::validator_for(&schema()).expect("the schema is valid");
        let errors: Vec<String> = validator
            .iter_errors(&example)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, Vec::<String>::new());
        for wrong in [
            json!({"urls": "http://127.0.0.1:1"}),
            json!({"capabilities": ["disk"]}),
            json!({"profile": {"pending_limit": "ten"}}),
        ] {
            assert!(!validator.is_valid(&wrong), "{wrong}");
        }
    }

    #[test]
    fn errors_have_line_and_column_and_name_what_is_allowed() {
        for (text, place, said) in [
            (
                "urls = \"http://a\"\n",
                "target.toml:1:1: ",
                "unknown field `urls`, expected one of `url`, `speed`",
            ),
            (
                "\nspeed = 0\n",
                "target.toml:2:9: ",
                "the speed is a number from 1 to 100",
            ),
            (
                "capabilities = [\"disk\"]\n",
                "target.toml:1:",
                "unknown variant `disk`, expected `sandboxes`",
            ),
            (
                "[wrapper]\nlisten = \"here\"\n",
                "target.toml:2:10: ",
                "invalid socket address",
            ),
            (
                "[profile]\npending_limits = 3\n",
                "target.toml:2:1: ",
                "unknown field `pending_limits`",
            ),
            (
                "[profile]\ndrain_delay = \"9999h\"\n",
                "target.toml:2:",
                "the longest duration is 8760h",
            ),
            ("url = \n", "target.toml:1:", "string"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.starts_with(place), "{text}: {error}");
            assert!(error.contains(said), "{text}: {error}");
            assert!(error.ends_with('^'), "the line is shown: {error}");
        }
    }
}
