//! Invalid requests that contain secrets. A refusal names the field, but does not repeat its value.

use http::Method;
use serde_json::{Value, json};

use super::hunt::Hunt;
use super::planted::Audience;
use crate::wire::{RequestSpec, USER, sign, user_claims};

/// Sends every invalid request once.
pub fn make_all(hunt: &mut Hunt, session: &str) {
    targets(hunt, session);
    starts(hunt);
    preparations(hunt);
    credentials(hunt, session);
    let text = hunt.planted.text("a token in broken JSON", Audience::None);
    for body in [
        format!("{{\"gitToken\": \"{text}\""),
        format!("{{\"gitToken\": {text}}}"),
        format!("gitToken={text}"),
        format!("\"{text}\""),
        format!("[\"{text}\"]"),
    ] {
        let mut asked = RequestSpec::call("prepareSession", &Value::Null);
        asked.body = body.into_bytes();
        let asked = asked.by(&hunt.token()).internally();
        hunt.ask("broken JSON", &asked);
    }
}

/// Plants a secret without a recipient.
fn text(hunt: &mut Hunt, place: &str) -> String {
    hunt.planted.text(place, Audience::None)
}

fn refused(hunt: &mut Hunt, procedure: &str, input: &Value) {
    let reply = hunt.call(procedure, input);
    assert_eq!(
        reply["error"]["data"]["httpStatus"], 400,
        "{procedure}: {input}: {reply}"
    );
}

fn targets(hunt: &mut Hunt, session: &str) {
    let url = "http://receiver:9200/";
    let targets = [
        json!({"url": format!("ht!tp://receiver/?k={}", text(hunt, "query of a malformed URL"))}),
        json!({"url": format!("/callback?k={}", text(hunt, "query of a relative URL"))}),
        json!({"url": format!("ftp://u:{}@receiver/", text(hunt, "userinfo of a URL of another scheme"))}),
        json!({"url": [text(hunt, "URL in a list")]}),
        json!({"url": {"href": text(hunt, "URL in an object")}}),
        json!({"url": hunt.planted.number("URL as a number")}),
        json!({"url": url, "headers": {"x-key": format!("line\n{}", text(hunt, "header value in two lines"))}}),
        json!({"url": url, "headers": {"x key": text(hunt, "value of a malformed header")}}),
        json!({"url": url, "headers": {format!("x-key: {}", text(hunt, "header line for a name")): ""}}),
        json!({"url": url, "headers": {"x-key": [text(hunt, "header value in a list")]}}),
        json!({"url": url, "headers": {"x-key": hunt.planted.number("header value as a number")}}),
        json!({"url": url, "headers": format!("x-key: {}", text(hunt, "headers as one text"))}),
        json!({"url": url, "headers": [text(hunt, "headers as a list")]}),
        json!(format!("{url}?k={}", text(hunt, "target as one text"))),
        json!([text(hunt, "target as a list")]),
        json!(hunt.planted.number("target as a number")),
    ];
    for target in targets {
        let update = json!({"cloudAgentSessionId": session, "callbackTarget": target});
        refused(hunt, "updateSession", &update);
        let mut start = start();
        start["options"] = json!({"callbackTarget": target});
        refused(hunt, "start", &start);
        let mut prepare = prepare();
        prepare["callbackTarget"] = target;
        refused(hunt, "prepareSession", &prepare);
    }
    let surplus = text(hunt, "value of an unknown field");
    let update = json!({"cloudAgentSessionId": session, "gitToken": surplus});
    refused(hunt, "updateSession", &update);
}

fn start() -> Value {
    json!({
        "message": {"prompt": "x"}, "agent": {"mode": "code", "model": "m"},
        "repository": {"type": "git", "url": "https://git.example/a.git"},
    })
}

fn prepare() -> Value {
    json!({"prompt": "x", "mode": "code", "model": "m", "gitUrl": "https://git.example/a.git"})
}

/// Invalid sandbox settings, for either procedure.
fn setups(hunt: &mut Hunt) -> Vec<(&'static str, Value)> {
    vec![
        ("envVars", json!(text(hunt, "environment as one text"))),
        ("envVars", json!([text(hunt, "environment as a list")])),
        ("envVars", json!(hunt.planted.number("environment as a number"))),
        (
            "envVars",
            json!({"KEY": hunt.planted.number("value as a number")}),
        ),
        ("envVars", json!({"KEY": [text(hunt, "value in a list")]})),
        ("setupCommands", json!(text(hunt, "setup commands as one text"))),
        (
            "setupCommands",
            json!({"first": text(hunt, "setup commands as an object")}),
        ),
        (
            "setupCommands",
            json!([hunt.planted.number("setup command as a number")]),
        ),
        ("setupCommands", json!([[text(hunt, "setup command in a list")]])),
    ]
}

fn starts(hunt: &mut Hunt) {
    let url = "https://git.example/a.git";
    let git = |token: Value| json!({"type": "git", "url": url, "token": token});
    let at = |url: Value| json!({"type": "git", "url": url});
    let repositories = [
        git(json!([text(hunt, "git token in a list")])),
        git(json!({"value": text(hunt, "git token in an object")})),
        git(json!(hunt.planted.number("git token as a number"))),
        at(json!(format!(
            "http://u:{}@git.example/",
            text(hunt, "userinfo of a git URL without TLS")
        ))),
        at(json!(format!(
            "u:{}@git.example:a.git",
            text(hunt, "userinfo of a git place")
        ))),
        at(json!([text(hunt, "git URL in a list")])),
        at(json!(hunt.planted.number("git URL as a number"))),
        json!(format!(
            "https://u:{}@git.example/",
            text(hunt, "repository as one text")
        )),
        json!(["git", hunt.planted.number("repository as a list")]),
    ];
    for repository in repositories {
        let mut input = start();
        input["repository"] = repository;
        refused(hunt, "start", &input);
    }
    for (field, value) in setups(hunt) {
        let mut input = start();
        input["profile"] = json!({field: value});
        refused(hunt, "start", &input);
    }
    let mut input = start();
    input["profile"] = json!(text(hunt, "profile as one text"));
    refused(hunt, "start", &input);
    let mut input = start();
    input["options"] = json!({"gitToken": text(hunt, "value of an unknown option")});
    refused(hunt, "start", &input);
}

fn preparations(hunt: &mut Hunt) {
    let userinfo = text(hunt, "userinfo of a gitUrl without TLS");
    let mut values = setups(hunt);
    values.extend([
        ("gitToken", json!([text(hunt, "gitToken in a list")])),
        ("gitToken", json!({"value": text(hunt, "gitToken in an object")})),
        ("gitToken", json!(hunt.planted.number("gitToken as a number"))),
        ("gitUrl", json!(format!("http://u:{userinfo}@git.example/"))),
        ("gitUrl", json!([text(hunt, "gitUrl in a list")])),
        ("gitUrl", json!(hunt.planted.number("gitUrl as a number"))),
    ]);
    for (field, value) in values {
        let mut input = prepare();
        input[field] = value;
        refused(hunt, "prepareSession", &input);
    }
    // Two repositories are as invalid as none.
    let userinfo = text(hunt, "userinfo of one repository of two");
    let mut input = prepare();
    input["gitUrl"] = json!(format!("https://u:{userinfo}@git.example/"));
    input["githubRepo"] = json!("o/r");
    refused(hunt, "prepareSession", &input);
}

fn credentials(hunt: &mut Hunt, session: &str) {
    let input = json!({"cloudAgentSessionId": session});
    let call = || RequestSpec::call("getSession", &input);
    let (bad_token, bad_key) = (
        text(hunt, "a token of no form"),
        text(hunt, "a wrong internal key"),
    );
    let mut expired = user_claims(USER, hunt.test_bed.now());
    expired["exp"] = json!(1);
    let expired = sign(&expired, crate::test_bed::API_SECRET);
    hunt.planted.token("an expired token", &expired, Audience::None);
    let token = hunt.token();
    for (what, asked) in [
        ("a token of no form", call().by(&bad_token)),
        (
            "a token without a scheme",
            call().with("authorization", bad_token.clone()),
        ),
        (
            "a token of another scheme",
            call().with("authorization", format!("Basic {token}")),
        ),
        ("an expired token", call().by(&expired)),
    ] {
        hunt.ask(what, &asked);
    }
    let update = RequestSpec::call("updateSession", &input).by(&token);
    hunt.ask(
        "a wrong internal key",
        &update.with("x-internal-api-key", bad_key),
    );
    let ingest = format!("/sessions/{USER}/{session}/ingest");
    let query = format!(
        "wrapperRunId=wr_{}&kiloSessionId=ses_1&sessionId={session}&wrapperGeneration=1\
         &wrapperConnectionId=6f1b2c3d-0000-4000-8000-00000000cccc",
        "0".repeat(32)
    );
    for (what, path) in [
        (
            "a stream with a user's token",
            format!("/stream?cloudAgentSessionId={session}&ticket={token}"),
        ),
        (
            "a stream with a ticket of no form",
            format!("/stream?cloudAgentSessionId={session}&ticket={bad_token}"),
        ),
        ("a stream of no session", format!("/stream?ticket={token}")),
        ("an ingest of a stale run", format!("{ingest}?{query}")),
        ("an ingest of nothing", ingest.clone()),
        (
            "an ingest of no execution",
            format!("{ingest}?executionId=exc_never"),
        ),
    ] {
        let bearing = |token: &str| RequestSpec::bare(Method::GET, &path).by(token).upgrading();
        let asked = [bearing(&token), bearing(&bad_token), bearing(&expired)];
        for asked in asked {
            hunt.ask(what, &asked);
        }
    }
}
