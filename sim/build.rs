//! Passes the commit to the program, for `turnstile --version`.
//!
//! Debug builds do not get it, because every commit would then compile the package again. There is no commit either
//! outside of a clone of the project.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=PROFILE");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let commit = match env::var("PROFILE").as_deref() {
        Ok("debug") => None,
        _ => commit(),
    };
    let version = match commit {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    println!("cargo:rustc-env=TURNSTILE_VERSION={version}");
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
