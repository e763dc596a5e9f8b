//! Cases derived from the table in `inputs`: each field missing, of a wrong type or in a wrong form, and unknown
//! fields in each object; and the valid variants of each input.

use serde_json::{Value, json};

use super::inputs::{Field, Input, Kind, object_of, pointer};

/// Maximum length of a prompt in characters (protocol §2).
pub const PROMPT_LIMIT: usize = 100_000;
/// Maximum length of a variant in letters (protocol §2).
const VARIANT_LIMIT: usize = 50;
/// A field name that no input has.
const SURPLUS: &str = "surplusField";

/// An input and its deviation.
pub struct Case {
    /// Description of the deviation.
    pub what: String,
    pub input: Value,
    /// The message of a refusal must contain one of these names.
    pub names: Vec<String>,
}

impl Case {
    fn of(field: &Field, what: impl std::fmt::Display, input: Value) -> Self {
        let path = &field.path;
        let mut names = vec![field.name().to_owned()];
        match field.kind {
            // A refusal may name the variant object instead of its tag.
            Kind::Tag(_) => names.push(field.parent().to_owned()),
            Kind::Headers => names.push("header".to_owned()),
            // Without a payload the server may read the flat form.
            _ if path == "payload" => names.push("prompt".to_owned()),
            _ => {}
        }
        Self {
            what: format!("`{path}` {what}"),
            input,
            names,
        }
    }
}

/// All invalid variants of an input with one wrong field.
pub fn invalid(input: &Input, session: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let whole = input.maximal(session);
    for field in &input.fields {
        if field.is_required {
            cases.push(Case::of(field, "is missing", without(&whole, field)));
            cases.push(Case::of(field, "is null", with(&whole, field, Value::Null)));
        }
        if field.kind == Kind::FirstMessage {
            cases.push(Case::of(field, "is null", with(&whole, field, Value::Null)));
        }
        let positional = positional(input, field, session);
        let values = invalid_types(field.kind).into_iter().chain(positional);
        for value in values {
            let what = format!("is of a wrong type: {value}");
            cases.push(Case::of(field, what, with(&whole, field, value)));
        }
        for (what, value) in invalid_forms(field.kind) {
            cases.push(Case::of(field, what, with(&whole, field, value)));
        }
        if field.kind == (Kind::Object { is_strict: true }) {
            cases.push(surplus(&whole, &field.path));
        }
    }
    if input.is_strict {
        cases.push(surplus(&whole, ""));
    }
    cases
}

/// Valid but unusual variants of an input.
pub fn valid(input: &Input, session: &str) -> Vec<Case> {
    let whole = input.maximal(session);
    let case = |what: String, input| Case {
        what,
        input,
        names: Vec::new(),
    };
    let mut cases = vec![
        case("with every field".into(), whole.clone()),
        case("with no field that may be absent".into(), input.minimal(session)),
    ];
    for field in &input.fields {
        if !field.is_required {
            cases.push(Case::of(field, "is absent", without(&whole, field)));
        }
        for (what, value) in valid_forms(field.kind, session) {
            cases.push(Case::of(field, what, with(&whole, field, value)));
        }
        if field.kind == (Kind::Object { is_strict: false }) {
            cases.push(surplus(&whole, &field.path));
        }
    }
    if !input.is_strict {
        cases.push(surplus(&whole, ""));
    }
    cases
}

/// For each optional field, the input with null as its value.
pub fn nulls(input: &Input, session: &str) -> Vec<Case> {
    let whole = input.maximal(session);
    let may_be_null = |field: &&Field| !field.is_required && field.kind != Kind::FirstMessage;
    let optional = input.fields.iter().filter(may_be_null);
    optional
        .map(|field| Case::of(field, "is null", with(&whole, field, Value::Null)))
        .collect()
}

fn with(whole: &Value, field: &Field, value: Value) -> Value {
    let mut input = whole.clone();
    object_of(&mut input, field).insert(field.name().to_owned(), value);
    input
}

fn without(whole: &Value, field: &Field) -> Value {
    let mut input = whole.clone();
    object_of(&mut input, field).remove(field.name());
    input
}

fn surplus(whole: &Value, path: &str) -> Case {
    let mut input = whole.clone();
    let object = input.pointer_mut(&pointer(path));
    object.expect("the input has every object of its table")[SURPLUS] = json!(1);
    let place = if path.is_empty() { "the input" } else { path };
    Case {
        what: format!("`{place}` has an unknown field"),
        input,
        names: vec![SURPLUS.to_owned()],
    }
}

/// Replaces an object by the list of its values.
fn positional(input: &Input, field: &Field, session: &str) -> Option<Value> {
    matches!(field.kind, Kind::Object { .. }).then(|| {
        let inner = input.fields_in(&field.path);
        inner.map(|inner| inner.kind.sample(session)).collect()
    })
}

fn invalid_types(kind: Kind) -> Vec<Value> {
    let (text, number, fraction, flag) = (json!("text"), json!(7), json!(1.5), json!(true));
    let (list, object) = (json!([]), json!({}));
    match kind {
        Kind::Flag => vec![json!("true"), json!(0), json!(1), list, object],
        Kind::Images => vec![text, number, flag],
        Kind::Texts | Kind::Headers => vec![
            text,
            number,
            flag,
            list,
            json!({"KEY": 7}),
            json!({"KEY": null}),
            json!({"KEY": ["value"]}),
            json!([["KEY", "value"]]),
        ],
        Kind::List => vec![
            text,
            number,
            flag,
            object,
            json!([7]),
            json!([null]),
            json!([["make"]]),
        ],
        Kind::Object { .. } => vec![text, number, flag, list],
        // Some formats write a choice between words as an object.
        Kind::Gate => vec![number, flag, list, object, json!({"off": null}), json!(["off"])],
        Kind::Tag(name) => vec![number, flag, list, object, json!({name: null}), json!([name])],
        _ => vec![number, fraction, flag, list, object, json!(["text"])],
    }
}

#[expect(clippy::too_many_lines, reason = "a table of forms")]
fn invalid_forms(kind: Kind) -> Vec<(String, Value)> {
    let uuid = "6f1b2c3d-0000-4000-8000-00000000abcd";
    let texts: Vec<String> = match kind {
        Kind::Session => vec![
            String::new(),
            "agent_".into(),
            uuid.into(),
            "agent_6f1b2c3d000040008000000000abcd".into(),
            format!("agent_{{{uuid}}}"),
            format!("AGENT_{uuid}"),
            format!("agent_{uuid} "),
            format!("agent_{uuid}0"),
            "agent_6f1b2c3d-0000-4000-8000-00000000abcg".into(),
            format!("../agent_{uuid}"),
        ],
        Kind::Message | Kind::FirstMessage => [
            "",
            "msg_",
            "0123456789abABCDEFGHIJKLMN",
            "msg_0123456789abABCDEFGHIJKLM",
            "msg_0123456789abABCDEFGHIJKLMNO",
            "msg_0123456789ABABCDEFGHIJKLMN",
            "msg_0123456789abABCDEFGHIJKLM_",
            "msg_0123456789abABCDEFGHIJKLM\u{e9}",
            "MSG_0123456789abABCDEFGHIJKLMN",
            "msg_0123456789abABCDEFGHIJKLMN\n",
        ]
        .map(String::from)
        .into(),
        Kind::Mode => ["", "Code", "code ", "1code", "-code", "cook", "code\n"]
            .map(String::from)
            .into(),
        Kind::Model => ["", "kilo/"].map(String::from).into(),
        Kind::Command => vec![String::new()],
        Kind::Gate => ["", "OFF", "none"].map(String::from).into(),
        Kind::Tag(_) => ["", "svn", "Github"].map(String::from).into(),
        Kind::GitUrl => [
            "",
            "http://git.example/a.git",
            "ssh://git@git.example/a.git",
            "git@git.example:a.git",
            "git.example/a.git",
            "https:",
            "https://",
            "https:///a.git",
            "https://git example/a.git",
        ]
        .map(String::from)
        .into(),
        Kind::CallbackUrl => [
            "",
            "/callback",
            "receiver:9200/callback",
            "ftp://receiver/callback",
            "http:",
            "http://",
            "http:///callback",
            "http://re ceiver/",
            "http://receiver/call back",
            "http://receiver:99999/",
            "http://receiver:port/",
        ]
        .map(String::from)
        .into(),
        Kind::Prompt => {
            let long = |character: &str| json!(character.repeat(PROMPT_LIMIT + 1));
            return vec![
                ("is empty".into(), json!("")),
                ("is one character too long".into(), long("a")),
                ("is one character of two bytes too long".into(), long("\u{e9}")),
            ];
        }
        Kind::LongPrompt => return vec![("is empty".into(), json!(""))],
        Kind::Variant => vec![
            String::new(),
            "v1".into(),
            "high-er".into(),
            "two words".into(),
            "\u{fc}ber".into(),
            "high\n".into(),
            "v".repeat(VARIANT_LIMIT + 1),
        ],
        Kind::Organization => vec![
            String::new(),
            "text".into(),
            "6f1b2c3d000040008000000000abcd".into(),
            format!("{{{uuid}}}"),
            format!("{uuid} "),
        ],
        Kind::Headers => {
            let headers = [
                json!({"": "value"}),
                json!({"two words": "value"}),
                json!({"x-key:": "value"}),
                json!({"x\r\ny": "value"}),
                json!({"\u{fc}ber": "value"}),
                json!({"x-key": "line\nbreak"}),
                json!({"x-key": "line\r\nx-other: break"}),
                json!({"x-key": "\u{0}"}),
            ];
            return headers
                .into_iter()
                .map(|headers| (format!("is not valid HTTP: {headers}"), headers))
                .collect();
        }
        _ => Vec::new(),
    };
    texts
        .into_iter()
        .map(|text| (format!("is of a wrong form: {text:?}"), json!(text)))
        .collect()
}

fn valid_forms(kind: Kind, session: &str) -> Vec<(String, Value)> {
    let values = match kind {
        Kind::Prompt => {
            let longest = |character: &str| json!(character.repeat(PROMPT_LIMIT));
            return vec![
                ("is as long as may be".into(), longest("a")),
                (
                    "is as long as may be, of control characters".into(),
                    longest("\u{1}"),
                ),
            ];
        }
        Kind::LongPrompt => {
            let long = json!("a".repeat(5 * PROMPT_LIMIT));
            return vec![("is very long".into(), long)];
        }
        Kind::Variant => vec![json!("A"), json!("v".repeat(VARIANT_LIMIT))],
        Kind::Organization => vec![json!("6F1B2C3D-0000-4000-8000-00000000ABCD")],
        Kind::Session => vec![json!(format!("agent_{}", session[6..].to_uppercase()))],
        Kind::Mode => ["plan", "debug", "orchestrator", "ask", "build", "architect"]
            .map(Value::from)
            .into(),
        Kind::Model => vec![json!("fake-deterministic"), json!("kilo/kilo/fake")],
        Kind::Gate => ["off", "all", "warning", "critical"].map(Value::from).into(),
        Kind::Flag => vec![json!(true)],
        Kind::Images => vec![json!([]), json!({}), json!({"path": "p", "files": ["a.png"]})],
        Kind::Texts => vec![json!({}), json!({"A": "", "B": "line\nbreak"})],
        Kind::Headers => vec![json!({}), json!({"Authorization": "Bearer x", "X-Empty": ""})],
        Kind::List => vec![json!([]), json!(["a", "b"])],
        Kind::CallbackUrl => vec![
            json!("https://receiver.example/a?b=c"),
            json!("http://receiver"),
            json!("http://[::1]:80/"),
        ],
        Kind::GitUrl => vec![
            json!("https://user:token@git.example:8443/a/b.git"),
            json!("https://git.example"),
        ],
        _ => Vec::new(),
    };
    values
        .into_iter()
        .map(|value| (format!("is {value}"), value))
        .collect()
}
