//! Mutants that no oracle needs to notice: a reviewed list with reasons.
//!
//! Prefer an oracle to an entry. An entry whose mutant an oracle notices is stale, which is an error.

use turnstile_mutants::generic::Rewrite;

/// Names of mutants, in which `*` matches any text, and the reason.
const REVIEWED: &[(&str, &str)] = &[
    ("delay:reply:*", "no rule says how soon a request is answered"),
    (
        "delay:request:wrapper/health",
        "an answer within the time-out counts (R2.98), and no rule says how soon the question is asked",
    ),
    (
        "*:profile:commit_retry_delay:value",
        "the delay applies only while the store fails, and a failing store excuses lateness",
    ),
];

/// The reason for a mutant, if it was reviewed.
pub(super) fn reason_for(rewrite: &Rewrite) -> Option<&'static str> {
    let name = rewrite.to_string();
    let entry = REVIEWED.iter().find(|(pattern, _)| matches(pattern, &name));
    entry.map(|(_, reason)| *reason)
}

/// The names in the list, in which `*` matches any text.
pub(super) fn patterns() -> impl Iterator<Item = &'static str> {
    REVIEWED.iter().map(|(pattern, _)| *pattern)
}

/// Whether `text` has the form of `pattern`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    (0..=text.len()).any(|skipped| text.is_char_boundary(skipped) && matches(rest, &text[skipped..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("drop:effect:*", "drop:effect:deliver"));
        assert!(matches(
            "*:frame:*/kilocode*:data.id",
            "null:frame:live/kilocode/idle:data.id"
        ));
        assert!(!matches("drop:effect:*", "double:effect:deliver"));
        assert!(!matches("drop:effect", "drop:effect:deliver"));
    }

    #[test]
    fn reviewed_mutants_have_reasons_and_names_of_known_operations() {
        for (pattern, reason) in REVIEWED {
            assert!(reason.split_whitespace().count() > 3, "{pattern}");
            let name = pattern.replace("*:", "drop:").replace('*', "x");
            assert!(name.parse::<Rewrite>().is_ok(), "{pattern}");
        }
    }
}
