//! Marks: what a party can come by, listed, so that somebody can ask which of it was ever reached.
//!
//! A party sets a mark where the thing happens. Marks travel as events of `tracing`: as long as nobody
//! listens for them they cost a comparison. Who collects them, and what is made of that, is not known here.

/// The target under which marks are told.
pub const TARGET: &str = "turnstile::coverage";
/// The field with the name of the mark's list.
pub const LIST: &str = "list";
/// The field with the mark's place in its list.
pub const MARK: &str = "mark";

/// A mark as those know it who collect them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// The section of the protocol that it belongs to.
    pub section: u8,
    /// What it says.
    pub text: &'static str,
}

#[doc(hidden)]
pub use tracing::trace;

/// Makes a list of marks: an enum whose variants are set with `reach`.
///
/// ```
/// turnstile_seams::marks! {
///     /// What a door can do.
///     pub enum Door in "door" {
///         Opened: 1, "it opens";
///         Shut: 1, "it shuts";
///     }
/// }
/// Door::Opened.reach();
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
            /// The list's name.
            pub const LIST: &'static str = $list;
            /// All marks of the list, each at its place.
            pub const ALL: &'static [$crate::coverage::Described] = &[
                $($crate::coverage::Described { section: $section, text: $text },)*
            ];

            /// Notes that this was come by.
            $visibility fn reach(self) {
                $crate::coverage::trace!(target: $crate::coverage::TARGET, list = Self::LIST, mark = self as u64);
            }
        }
    };
}
