//! Opens pages that are files in a headless Chromium.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::chromium::browser;
use crate::tool::scratch;

/// The DOM of a page after it has drawn itself.
pub struct Drawn(String);

impl Drawn {
    /// The value of a `data-` attribute of the body.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let (_, body) = self.0.split_once("<body ")?;
        let (body, _) = body.split_once('>')?;
        let (_, value) = body.split_once(&format!("data-{name}=\""))?;
        value.split('"').next()
    }

    /// The same as a number.
    pub fn count(&self, name: &str) -> usize {
        let attribute = self.attribute(name).and_then(|attribute| attribute.parse().ok());
        attribute.unwrap_or_else(|| panic!("the page has no number of {name}"))
    }

    /// Number of occurrences of a text in the drawing, without data and scripts.
    pub fn shows(&self, text: &str) -> usize {
        let (drawn, _) = self
            .0
            .split_once("id=\"data\"")
            .expect("the data follows the drawing");
        let (drawn, _) = drawn.rsplit_once('<').expect("the data has a tag");
        let (_, drawn) = drawn.split_once("<body").expect("the page has a body");
        drawn.matches(text).count()
    }
}

/// Opens a page in the browser and returns its DOM, or `None` without a browser.
pub fn drawn(name: &str, page: &str, address: &str) -> Option<Drawn> {
    let folder = scratch("timeline").join(name);
    fs::create_dir_all(&folder).expect("the folder for tests can be written to");
    let file = folder.join("page.html");
    fs::write(&file, page).expect("the folder for tests can be written to");
    opened(&file, address)
}

/// As [`drawn`], with a page that is a file.
pub fn opened(file: &Path, address: &str) -> Option<Drawn> {
    let browser = browser()?;
    let profile = tempfile::tempdir().expect("a folder can be created");
    let output = Command::new(&browser)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=1400,900",
            // Waits for data that are unpacked.
            "--virtual-time-budget=10000",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("--dump-dom")
        .arg(format!("file://{}{address}", file.display()))
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", browser.display()));
    let drawn = Drawn(String::from_utf8_lossy(&output.stdout).into_owned());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(drawn.attribute("error"), None, "a script of the page failed");
    assert_eq!(
        drawn.attribute("ready"),
        Some("yes"),
        "the page did not draw itself: {errors}"
    );
    Some(drawn)
}
