//! Classifies pairs of payloads.

use serde_json::json;

use super::*;

/// What changed, as place and what.
fn changes(before: &Value, after: &Value) -> Vec<(String, What)> {
    let changes = classify(before, after).into_iter();
    changes.map(|Change { place, what }| (place, what)).collect()
}

fn only(before: &Value, after: &Value) -> What {
    let mut changes = changes(before, after);
    assert_eq!(changes.len(), 1, "{changes:?}");
    changes.remove(0).1
}

#[test]
fn what_a_client_does_not_know_or_had_to_expect_breaks_nothing_and_all_else_does() {
    for (before, after, what, is_breaking) in [
        (json!({}), json!({"a": 1}), What::Added(json!(1)), false),
        (json!({"a": 1}), json!({}), What::Removed(json!(1)), true),
        (
            json!({"a": 1}),
            json!({"a": null}),
            What::NewlyNull(json!(1)),
            true,
        ),
        (
            json!({"a": null}),
            json!({"a": 1}),
            What::NoLongerNull(json!(1)),
            false,
        ),
    ] {
        assert_eq!(only(&before, &after), what);
        assert_eq!(what.is_breaking(), is_breaking, "{what:?}");
    }
    let (one, text, two) = (json!(1), json!("1"), json!(2));
    let retyped = What::Retyped {
        from: one.clone(),
        to: text.clone(),
    };
    assert_eq!(only(&json!({"a": one}), &json!({"a": text})), retyped);
    let changed = What::Changed {
        from: one.clone(),
        to: two.clone(),
    };
    assert_eq!(only(&json!({"a": one}), &json!({"a": two})), changed);
    assert!(retyped.is_breaking() && changed.is_breaking());
}

#[test]
fn a_field_that_went_with_its_value_under_another_name_beside_it_is_renamed() {
    let before = json!({"data": {"messageId": "msg_1", "executionId": "msg_1", "delivery": "queued"}});
    let after = json!({"data": {"messageId": "msg_1", "runId": "msg_1", "delivery": "queued", "more": 1}});
    let renamed = What::Renamed {
        to: "data.runId".to_owned(),
        value: json!("msg_1"),
    };
    assert!(renamed.is_breaking());
    assert_eq!(
        changes(&before, &after),
        [
            ("data.executionId".to_owned(), renamed),
            ("data.more".to_owned(), What::Added(json!(1)))
        ]
    );
    // Elsewhere, or with another value, it is another field.
    let elsewhere = json!({"runId": "msg_1", "data": {"messageId": "msg_1", "delivery": "queued"}});
    let other = json!({"data": {"messageId": "msg_1", "runId": "msg_2", "delivery": "queued"}});
    for after in [elsewhere, other] {
        let changes = changes(&before, &after);
        assert!(
            changes.contains(&("data.executionId".to_owned(), What::Removed(json!("msg_1")))),
            "{changes:?}"
        );
    }
}

#[test]
fn ids_that_are_only_counted_otherwise_have_not_changed() {
    let before = json!([{"a": "msg_1", "b": "msg_2", "url": "/x?id=msg_1", "eventId": 3}, {"eventId": 4}]);
    let after = json!([{"a": "msg_2", "b": "msg_1", "url": "/x?id=msg_2", "eventId": 5}, {"eventId": 6}]);
    assert_eq!(changes(&before, &after), []);
    let mixed_up = json!([{"a": "msg_2", "b": "msg_1", "url": "/x?id=msg_1", "eventId": 5}, {"eventId": 5}]);
    let places: Vec<String> = changes(&before, &mixed_up)
        .into_iter()
        .map(|(place, _)| place)
        .collect();
    assert_eq!(places, ["[0].url", "[1].eventId"]);
    let changed = only(&json!({"a": "msg_1"}), &json!({"a": "exc_1"}));
    assert!(matches!(changed, What::Changed { .. }), "{changed:?}");
    let kept_no_more = only(&json!({"eventId": 4}), &json!({"eventId": 0}));
    assert!(kept_no_more.is_breaking());
}

#[test]
fn a_time_may_come_at_another_moment_but_not_in_another_form() {
    let time = |text: &str| json!({"at": text});
    let moved = only(&time("(time +2.1s)"), &time("(time +2.2s)"));
    assert!(!moved.is_breaking(), "{moved:?}");
    let retyped = only(&time("(time +2.1s)"), &time("(Unix ms +2.1s)"));
    assert!(matches!(retyped, What::Retyped { .. }), "{retyped:?}");
    let changed = only(&time("(time +2.1s)"), &time("soon"));
    assert!(matches!(changed, What::Changed { .. }), "{changed:?}");
}

#[test]
fn of_a_list_it_is_told_what_came_what_went_and_what_changed() {
    let event = |name: &str, data: Value| json!({"streamEventType": name, "data": data});
    let before = json!([
        event("queued", json!({"a": 1})),
        event("sent", json!({})),
        event("done", json!({}))
    ]);
    let after = json!([
        event("hint", json!({})),
        event("queued", json!({"a": 2})),
        event("done", json!({})),
        event("done", json!({}))
    ]);
    let changes = changes(&before, &after);
    let told: Vec<(&str, bool)> = changes
        .iter()
        .map(|(place, what)| (place.as_str(), what.is_breaking()))
        .collect();
    assert_eq!(
        told,
        [
            ("[0 hint]", false),
            ("[1 queued].data.a", true),
            ("[1 sent]", true),
            ("[3 done]", true)
        ]
    );
}
