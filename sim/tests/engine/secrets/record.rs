//! Session records and inputs with a secret in every field that can have one.

use serde_json::{Value, json};

use super::planted::{Audience, Planted};

/// The id of an imported session.
pub const OLD: &str = "agent_6f1b2c3d-0000-4000-8000-00000000abcd";

/// A callback target with secrets. `place` is an absolute URL without a query.
pub fn target(planted: &mut Planted, tag: &str, place: &str) -> Value {
    let query = planted.text(&format!("{tag}: query of the callback's URL"), Audience::Receiver);
    let header = planted.text(&format!("{tag}: header of the callback"), Audience::Receiver);
    let bearer = planted.text(
        &format!("{tag}: authorization of the callback"),
        Audience::Receiver,
    );
    json!({
        "url": format!("{place}?token={query}"),
        "headers": {"x-key": header, "Authorization": format!("Bearer {bearer}")},
    })
}

/// A git URL with secrets in every part that can have one.
pub fn git_url(planted: &mut Planted, tag: &str) -> String {
    let userinfo = planted.text(&format!("{tag}: userinfo of the git URL"), Audience::Wrapper);
    let query = planted.text(&format!("{tag}: query of the git URL"), Audience::Wrapper);
    format!("https://user:{userinfo}@git.example/a.git?private_token={query}")
}

/// Sandbox settings with secrets.
pub fn profile(planted: &mut Planted, tag: &str) -> Value {
    let value = planted.text(&format!("{tag}: value of the environment"), Audience::Wrapper);
    let command = planted.text(&format!("{tag}: setup command"), Audience::Wrapper);
    json!({
        "envVars": {"KEY": value},
        "setupCommands": [format!("export TOKEN={command}")],
    })
}

/// The flat record of a prepared session, which is also an input of `prepareSession`.
pub fn flat(planted: &mut Planted, tag: &str, callback: &str) -> Value {
    let mut record = profile(planted, tag);
    let fields = json!({
        "version": 1_767_225_600_000_i64,
        "timestamp": 1_767_225_600_000_i64,
        "sessionId": OLD,
        "userId": crate::wire::USER,
        "kilocodeToken": planted.text(&format!("{tag}: kilo token"), Audience::None),
        "githubToken": planted.text(&format!("{tag}: GitHub token"), Audience::None),
        "gitToken": planted.text(&format!("{tag}: git token"), Audience::Wrapper),
        "gitUrl": git_url(planted, tag),
        "callbackTarget": target(planted, tag, callback),
        "prompt": "__fake__:echo:hello",
        "mode": "code",
        "model": "fake-deterministic",
        "preparedAt": 1_767_225_600_000_i64,
    });
    for (key, value) in fields.as_object().expect("fields") {
        record[key] = value.clone();
    }
    record
}
