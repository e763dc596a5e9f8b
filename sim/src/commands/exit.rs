//! How the program ends, and how it says that it cannot do what it was asked to.

use std::io;

use turnstile::report::Summary;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All held.
    Held = 0,
    /// Something did not hold.
    Broke = 1,
    /// The call was wrong, a script is wrong, or nothing matched.
    Usage = 2,
    /// The harness itself failed: nothing is said about the server.
    Harness = 3,
}

pub(crate) fn exit_of(summary: &Summary) -> Exit {
    match (summary.failed, summary.broken) {
        (0, 0) => Exit::Held,
        (0, _) => Exit::Broke,
        _ => Exit::Harness,
    }
}

/// What became of telling somebody something: whoever reads from a pipe may stop when it has seen enough, and how the
/// program ends does not depend on that.
pub(crate) fn heard(told: io::Result<()>) -> io::Result<()> {
    told.or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

/// Says on standard error what was wrong.
pub(crate) fn complain(text: &str) {
    let style = anstyle::AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{style}error:{style:#} {text}");
}
