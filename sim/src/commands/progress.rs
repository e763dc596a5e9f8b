//! Progress bars.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for `length` plays.
pub(crate) fn progress_bar(length: usize) -> ProgressBar {
    bar(Some(length as u64), "{bar:30} {pos}/{len} played, {elapsed}")
}

/// A bar in the form of `template`; a spinner if the length is unknown. Hidden if standard error is not a terminal.
///
/// # Panics
///
/// If the template is invalid.
pub(crate) fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    bar.with_style(ProgressStyle::with_template(template).expect("the templates of the commands are valid"))
}
