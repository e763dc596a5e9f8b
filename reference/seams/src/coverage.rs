//! Coverage marks: an enumerated list of what a party can do, and events that report which of it happened.
//!
//! Code that implements a rule sets its mark. Marks are `tracing` events, so without a subscriber they cost one
//! comparison. Collecting and reporting them is not the subject of this module.

/// The `tracing` target of marks.
pub const TARGET: &str = "turnstile::coverage";
/// The event field with the name of the mark's list.
pub const LIST: &str = "list";
/// The event field with the index of the mark in its list.
pub const MARK: &str = "mark";

/// The description of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// The section of PROTOCOL.md that it belongs to.
    pub section: u8,
    /// A description in a few words.
    pub text: &'static str,
}

#[doc(hidden)]
pub use tracing::trace;

/// Defines a list of marks: an enum whose variants are set with `hit`.
///
/// ```
/// turnstile_seams::marks! {
///     /// What a door can do.
///     pub enum Door in "door" {
///         Opened: 1, "it opens";
///         Shut: 1, "it shuts";
///     }
/// }
/// Door::Opened.hit();
/// assert_eq!(Door::ALL[1].text, "it shuts");
/// ```
#[macro_export]
macro_rules! marks {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident in $list:literal {
            $($mark:ident: $section:literal, $text:literal;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $visibility enum $name {
            $(#[doc = $text] $mark,)*
        }

        impl $name {
            /// The name of the list.
            pub const LIST: &'static str = $list;
            /// The descriptions of all marks, by index.
            pub const ALL: &'static [$crate::coverage::Described] = &[
                $($crate::coverage::Described { section: $section, text: $text },)*
            ];

            /// Reports that this happened.
            $visibility fn hit(self) {
                $crate::coverage::trace!(target: $crate::coverage::TARGET, list = Self::LIST, mark = self as u64);
            }
        }
    };
}
