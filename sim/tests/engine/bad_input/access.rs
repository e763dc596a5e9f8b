//! Missing, invalid and insufficient credentials.

use http::Method;
use jwt_compact::alg::{Hs384, Hs384Key};
use serde_json::{Value, json};

use super::inputs::{self, Access, DELETE, GET_SESSION, INTERRUPT, Input};
use super::sweep::{NOT_FOUND, OTHER_USER, Sweep, UNAUTHORIZED, UNKNOWN};
use crate::test_bed::{API_SECRET, INTERNAL_API_KEY, TICKET_SECRET};
use crate::wire::{RequestSpec, USER, sign, sign_as, ticket, user_claims, user_token};

/// Values of `Authorization` that must be refused, each with a description.
fn unproven(session: &str, now: jiff::Timestamp) -> Vec<(&'static str, Vec<u8>)> {
    let right = user_token(USER, now);
    let with = |key: &str, value: Value| {
        let mut claims = user_claims(USER, now);
        claims[key] = value;
        sign(&claims, API_SECRET)
    };
    let without = |key: &str| {
        let mut claims = user_claims(USER, now);
        claims.as_object_mut().expect("claims are an object").remove(key);
        sign(&claims, API_SECRET)
    };
    let mut tampered = right.split('.').map(str::to_owned).collect::<Vec<_>>();
    let other = user_token(OTHER_USER, now);
    tampered[1] = other
        .split('.')
        .nth(1)
        .expect("a token has three parts")
        .to_owned();
    let worker = json!({
        "type": "worker", "kiloUserId": USER, "cloudAgentSessionId": session,
        "exp": user_claims(USER, now)["exp"],
    });
    // {"alg":"none","typ":"JWT"}
    let unsigned = format!(
        "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.",
        right.split('.').nth(1).expect("a token has three parts")
    );
    let tokens = [
        ("of no form", "token".to_owned()),
        ("of three parts of rubbish", "a.b.c".to_owned()),
        ("nothing", String::new()),
        (
            "signed with another secret",
            sign(&user_claims(USER, now), "another"),
        ),
        ("signed with no secret", sign(&user_claims(USER, now), "")),
        (
            "signed as a ticket is",
            sign(&user_claims(USER, now), TICKET_SECRET),
        ),
        ("with another's claims", tampered.join(".")),
        (
            "without its signature",
            right.rsplit_once('.').expect("three parts").0.to_owned(),
        ),
        ("not signed at all", unsigned),
        (
            "signed in another way",
            sign_as(&Hs384, &Hs384Key::new(API_SECRET), &user_claims(USER, now)),
        ),
        ("of version 2", with("version", json!(2))),
        ("of version 4", with("version", json!(4))),
        ("of a version in words", with("version", json!("3"))),
        ("of no version", without("version")),
        ("expired", with("exp", json!(now.as_second() - 1))),
        ("expiring now", with("exp", json!(now.as_second()))),
        ("expired before all time", with("exp", json!(-1))),
        ("that never expires", without("exp")),
        ("with an expiry in words", with("exp", json!("2030-01-01"))),
        ("of no user", without("kiloUserId")),
        ("of a user without a name", with("kiloUserId", json!(""))),
        ("of a user with a number", with("kiloUserId", json!(7))),
        ("that is a stream ticket", ticket(USER, session, now)),
        ("that is a wrapper's", sign(&worker, API_SECRET)),
    ];
    let mut values: Vec<(&str, Vec<u8>)> = tokens
        .into_iter()
        .map(|(what, token)| (what, format!("Bearer {token}").into_bytes()))
        .collect();
    values.extend([
        ("without a scheme", right.clone().into_bytes()),
        ("of another scheme", format!("Basic {right}").into_bytes()),
        ("of a scheme only", b"Bearer".to_vec()),
        ("that is not text", b"Bearer \xff\xfe".to_vec()),
        ("that is empty", Vec::new()),
    ]);
    values
}

/// The first form of each procedure's input.
fn forms() -> Vec<Input> {
    let mut forms = inputs::all();
    forms.dedup_by_key(|input| input.procedure.name);
    forms
}

#[test]
fn invalid_credentials_are_refused() {
    let mut sweep = Sweep::begin(Vec::new());
    for form in forms() {
        let input = form.maximal(&sweep.session);
        let name = form.procedure.name;
        let call = || {
            let request = RequestSpec::call(name, &input);
            match form.procedure.access {
                Access::Internal => request.internally(),
                _ => request,
            }
        };
        sweep.refused(name, "no credentials", &call(), UNAUTHORIZED, &[]);
        for (what, value) in unproven(&sweep.session, sweep.test_bed.now()) {
            let what = format!("an authorization {what}");
            sweep.refused(
                name,
                &what,
                &call().with("authorization", value),
                UNAUTHORIZED,
                &[],
            );
        }
    }
    let path = format!("/trpc/{}?input=%7B", GET_SESSION.name);
    let request = RequestSpec::bare(Method::GET, &path);
    sweep.refused(
        GET_SESSION.name,
        "GET without credentials",
        &request,
        UNAUTHORIZED,
        &[],
    );
    sweep.end_unchanged();
}

#[test]
fn a_wrong_internal_key_is_refused() {
    let mut sweep = Sweep::begin(Vec::new());
    let keys = [
        String::new(),
        "wrong".to_owned(),
        INTERNAL_API_KEY[1..].to_owned(),
        INTERNAL_API_KEY[..INTERNAL_API_KEY.len() - 1].to_owned(),
        format!("{INTERNAL_API_KEY}0"),
        INTERNAL_API_KEY.to_lowercase(),
        format!("Bearer {INTERNAL_API_KEY}"),
    ];
    for form in forms() {
        if form.procedure.access != Access::Internal {
            continue;
        }
        let name = form.procedure.name;
        let token = user_token(USER, sweep.test_bed.now());
        let call = RequestSpec::call(name, &form.maximal(&sweep.session)).by(&token);
        sweep.refused(name, "no key", &call, UNAUTHORIZED, &[]);
        for key in &keys {
            let request = call.clone().with("x-internal-api-key", key.as_bytes());
            sweep.refused(name, &format!("the key {key:?}"), &request, UNAUTHORIZED, &[]);
        }
        let request = call.with("x-internal-api-key", b"\xff".to_vec());
        sweep.refused(name, "a key that is not text", &request, UNAUTHORIZED, &[]);
    }
    sweep.end_unchanged();
}

#[test]
fn the_internal_key_does_not_replace_a_user_token() {
    let mut sweep = Sweep::begin(Vec::new());
    for form in forms() {
        let input = form.maximal(&sweep.session);
        let name = form.procedure.name;
        let request = RequestSpec::call(name, &input).internally();
        sweep.refused(name, "a key and no token", &request, UNAUTHORIZED, &[]);
        let request = RequestSpec::call(name, &input).by(INTERNAL_API_KEY).internally();
        sweep.refused(name, "the key as a token", &request, UNAUTHORIZED, &[]);
    }
    sweep.end_unchanged();
}

#[test]
fn another_users_session_is_answered_like_an_unknown_one() {
    let mut sweep = Sweep::begin(Vec::new());
    for form in inputs::all() {
        if !form.names_session() {
            continue;
        }
        let title = form.title();
        let answers_anyway = [INTERRUPT.name, DELETE.name].contains(&form.procedure.name);
        let mut request = Vec::new();
        for (what, session) in [
            ("unknown", UNKNOWN.to_owned()),
            ("another user's", sweep.foreign.clone()),
        ] {
            for (way, call) in sweep.ways(form.procedure, &form.maximal(&session)) {
                let what = format!("{what} session by {way}");
                if answers_anyway {
                    sweep.accepted(&title, &what, &call);
                } else {
                    sweep.refused(&title, &what, &call, NOT_FOUND, &[]);
                }
                request.push(call);
            }
        }
        let (unknown, foreign) = request.split_at(request.len() / 2);
        for (unknown, foreign) in unknown.iter().zip(foreign) {
            sweep.same(&title, "another user's session", unknown, foreign);
        }
    }
    sweep.end_unchanged();
}
