//! How things look on a terminal, the same in every report.

use anstyle::{AnsiColor, Style};

/// What is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What is not.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What need not be read.
pub const QUIET: Style = Style::new().dimmed();
