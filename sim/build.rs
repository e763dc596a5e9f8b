//! Passes the commit to the program, for `turnstile --version`, and embeds scripts and pages.
//!
//! Debug builds get neither, because every commit and every changed script would then compile the package again: they read
//! the files of the checkout. There is no commit either outside of a clone of the project. `TURNSTILE_EMBED=1` embeds in
//! debug builds too.

mod embedding;

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=embedding.rs");
    println!("cargo:rerun-if-env-changed=PROFILE");
    println!("cargo:rerun-if-env-changed=TURNSTILE_EMBED");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let is_debug = env::var("PROFILE").as_deref() == Ok("debug");
    let commit = if is_debug { None } else { commit() };
    let version = match commit {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    println!("cargo:rustc-env=TURNSTILE_VERSION={version}");
    let (scripts, pages) = match is_debug && env::var_os("TURNSTILE_EMBED").is_none() {
        true => ("None".to_owned(), "None".to_owned()),
        false => embedded()?,
    };
    let text = format!(
        "/// Scripts: the path below `scenarios`, and the text.\n\
         static SCRIPTS: Option<&[(&str, &str)]> = {scripts};\n\
         /// Pages: the name, and the text.\n\
         static PAGES: Option<&[(&str, &str)]> = {pages};\n"
    );
    fs::write(Path::new(&env::var("OUT_DIR")?).join("embedded.rs"), text)?;
    Ok(())
}

/// The scripts and the pages, as expressions.
fn embedded() -> Result<(String, String), Box<dyn Error>> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    for folder in ["scenarios/suite", "scenarios/regressions", "sim/docs"] {
        println!("cargo:rerun-if-changed={}", project.join(folder).display());
    }
    let (scripts, pages) = (embedding::scripts(&project)?, embedding::pages(&project)?);
    Ok((
        format!("Some({})", literal(&scripts)),
        format!("Some({})", literal(&pages)),
    ))
}

/// A slice literal of names and texts.
fn literal(texts: &[(String, PathBuf)]) -> String {
    let entry = |(name, path): &(String, PathBuf)| format!("({name:?}, include_str!({path:?})),\n");
    let entries: String = texts.iter().map(entry).collect();
    format!("&[\n{entries}]")
}

/// The abbreviated id and the date of the commit; `None` if git is missing or the project is not a clone.
fn commit() -> Option<String> {
    let root = git(&["rev-parse", "--show-toplevel"])?;
    let project = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()?
        .canonicalize()
        .ok()?;
    if Path::new(&root).canonicalize().ok()? != project {
        return None;
    }
    // `logs/HEAD` changes with every commit and checkout, even if refs are packed.
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--path-format=absolute", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["show", "--no-patch", "--format=%h %cs", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
