//! Cases that follow from the table of `inputs`: each field missing, of every wrong type and of every wrong
//! form, each object with a surplus field; and the mirror, each input that is right.

use serde_json::{Value, json};

use super::inputs::{Field, Input, Kind, object_of, pointer};

/// Characters a prompt has at most (protocol §2).
pub const PROMPT_LIMIT: usize = 100_000;
/// A field that nobody knows.
const SURPLUS: &str = "surplusField";

/// An input and what is special about it.
pub struct Case {
    /// In words.
    pub what: String,
    /// The input.
    pub input: Value,
    /// Words of which the refusal has to have one, if there is to be a refusal.
    pub names: Vec<String>,
}

impl Case {
    fn of(field: &Field, what: impl std::fmt::Display, input: Value) -> Self {
        let path = &field.path;
        let mut names = vec![field.name().to_owned()];
        match field.kind {
            // Which kind an object is of is not so much a field of it as the object itself.
            Kind::Tag(_) => names.push(field.parent().to_owned()),
            Kind::Headers => names.push("header".to_owned()),
            // Without it there is no form at all, and the plain one is as good a guess.
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

/// Everything that can be wrong with one field of an input.
pub fn wrong(input: &Input, session: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let whole = input.maximal(session);
    for field in &input.fields {
        if field.is_required {
            cases.push(Case::of(field, "is missing", without(&whole, field)));
            cases.push(Case::of(field, "is null", with(&whole, field, Value::Null)));
        }
        let positional = positional(input, field, session);
        let values = wrong_types(field.kind).into_iter().chain(positional);
        for value in values {
            let what = format!("is of a wrong type: {value}");
            cases.push(Case::of(field, what, with(&whole, field, value)));
        }
        for (what, value) in wrong_forms(field.kind) {
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

/// Inputs that are as they should be, although not everybody would think of them.
pub fn right(input: &Input, session: &str) -> Vec<Case> {
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
        for (what, value) in right_forms(field.kind, session) {
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

/// Each field that may be absent, as null.
pub fn nulls(input: &Input, session: &str) -> Vec<Case> {
    let whole = input.maximal(session);
    let optional = input.fields.iter().filter(|field| !field.is_required);
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
        what: format!("`{place}` has a field that nobody knows"),
        input,
        names: vec![SURPLUS.to_owned()],
    }
}

/// For an object, the list of what is in it: the same values, but not the same thing.
fn positional(input: &Input, field: &Field, session: &str) -> Option<Value> {
    matches!(field.kind, Kind::Object { .. }).then(|| {
        let inner = input.fields_in(&field.path);
        inner.map(|inner| inner.kind.sample(session)).collect()
    })
}

fn wrong_types(kind: Kind) -> Vec<Value> {
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
        // A choice between words can be written as an object in some notations.
        Kind::Gate => vec![number, flag, list, object, json!({"off": null}), json!(["off"])],
        Kind::Tag(name) => vec![number, flag, list, object, json!({name: null}), json!([name])],
        _ => vec![number, fraction, flag, list, object, json!(["text"])],
    }
}

fn wrong_forms(kind: Kind) -> Vec<(String, Value)> {
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
        Kind::Message => [
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
                .map(|headers| (format!("is no HTTP: {headers}"), headers))
                .collect();
        }
        _ => Vec::new(),
    };
    texts
        .into_iter()
        .map(|text| (format!("is of a wrong form: {text:?}"), json!(text)))
        .collect()
}

fn right_forms(kind: Kind, session: &str) -> Vec<(String, Value)> {
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
