//! Finds a Chromium for tests of pages.
//!
//! Without one, tests of pages print a note and pass, unless `TURNSTILE_REQUIRE_CHROMIUM` is set.

use std::env;
use std::path::PathBuf;

/// Program names of the browser.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// Makes a missing browser a failure.
const REQUIRE_VARIABLE: &str = "TURNSTILE_REQUIRE_CHROMIUM";

/// The browser in `CHROMIUM`, or a Chromium on the path. Without one, a note is printed.
pub fn browser() -> Option<PathBuf> {
    let found = find();
    if found.is_none() {
        assert!(
            env::var_os(REQUIRE_VARIABLE).is_none(),
            "{REQUIRE_VARIABLE} is set, but no Chromium was found"
        );
        eprintln!("skipped: no Chromium found; set CHROMIUM to its path");
    }
    found
}

fn find() -> Option<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    let mut places = PROGRAMS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.find(|place| place.is_file())
}
