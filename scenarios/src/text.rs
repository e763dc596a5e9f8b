//! Text of error messages, and the limit of generated texts.

/// Maximum length of a text that a script gives by its length, in characters: above every limit of a request's body.
pub(crate) const LONGEST_TEXT: usize = 16 << 20;

/// Joins names for display: `a, b`, or `none`.
pub(crate) fn listed<T: std::fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}
