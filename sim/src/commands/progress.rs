//! The bar that those who wait see.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for so many plays.
pub(crate) fn progress_bar(length: usize) -> ProgressBar {
    bar(Some(length as u64), "{bar:30} {pos}/{len} played, {elapsed}")
}

/// On a terminal, a bar that looks like `template`, or something that moves if nobody knows how long it will be;
/// nothing in a pipe.
///
/// # Panics
///
/// If the template is none.
pub(crate) fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    bar.with_style(ProgressStyle::with_template(template).expect("the templates of the commands are valid"))
}
