//! A rule of a party.

use std::time::Duration;

use turnstile_judge::oracle::{Finding, Severity};
use turnstile_judge::rules::RuleId;

/// A rule that every party of a role must satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleRule {
    /// Its name, which reports show.
    pub name: &'static str,
    /// The rule, in one sentence.
    pub rule: &'static str,
    /// The rules of the protocol that it follows from.
    pub protocol: &'static [RuleId],
}

impl RoleRule {
    /// A violation of this rule.
    pub(crate) fn finding(&self, at: Duration, text: String) -> Finding {
        Finding {
            rule: self.name.to_owned(),
            protocol: self.protocol.to_vec(),
            at,
            message: None,
            text,
            severity: Severity::Violation,
        }
    }
}

/// Defines a constant for each rule, and `RULES` with all of them.
macro_rules! role_rules {
    ($($(#[doc = $doc:literal])+ $constant:ident: $name:literal, $rule:literal, [$($id:literal),*];)*) => {
        $(
            $(#[doc = $doc])+
            pub const $constant: $crate::role::rule::RoleRule = $crate::role::rule::RoleRule {
                name: $name,
                rule: $rule,
                protocol: &[$(turnstile_judge::rules::RuleId::named($id)),*],
            };
        )*

        /// All rules.
        pub const RULES: &[$crate::role::rule::RoleRule] = &[$($constant),*];
    };
}
pub(crate) use role_rules;

#[cfg(test)]
pub(crate) fn assert_well_formed(rules: &[RoleRule]) {
    for rule in rules {
        assert!(rule.rule.ends_with('.'), "{}", rule.name);
        assert!(rule.protocol.iter().all(|id| id.is_known()), "{}", rule.name);
    }
}
