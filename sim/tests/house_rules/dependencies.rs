//! Licences and versions of the dependencies, as `deny.toml` allows them.
//!
//! `cargo deny check licenses bans` reads the same file and checks more; this test needs no further tool.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cargo_metadata::{Metadata, MetadataCommand};
use serde::Deserialize;
use spdx::Expression;

use super::top;

/// The parts of `deny.toml` that are checked here.
#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    skip: Vec<Named>,
    deny: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn deny() -> Deny {
    let text = fs::read_to_string(top().join("deny.toml")).expect("deny.toml can be read");
    toml::from_str(&text).expect("deny.toml has the parts that are checked")
}

/// The packages of the lock file for the platform of this machine.
pub(super) fn packages() -> Metadata {
    MetadataCommand::new()
        .manifest_path(top().join("Cargo.toml"))
        .other_options(["--locked".to_owned(), "--filter-platform".to_owned(), platform()])
        .exec()
        .expect("cargo describes the workspace")
}

fn platform() -> String {
    let version = std::process::Command::new("rustc").arg("-vV").output();
    let text = String::from_utf8(version.expect("rustc runs").stdout).expect("rustc prints UTF-8");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

/// Names of the packages that are used, with each version of theirs.
fn versions(metadata: &Metadata) -> BTreeMap<&str, BTreeSet<String>> {
    let resolve = metadata.resolve.as_ref().expect("the dependencies are resolved");
    let used: BTreeSet<_> = resolve.nodes.iter().map(|node| &node.id).collect();
    let mut versions = BTreeMap::<&str, BTreeSet<String>>::new();
    for package in metadata
        .packages
        .iter()
        .filter(|package| used.contains(&package.id))
    {
        versions
            .entry(package.name.as_str())
            .or_default()
            .insert(package.version.to_string());
    }
    versions
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let allowed = deny().licenses.allow;
    for package in &packages().packages {
        let text = package.license.as_deref().unwrap_or_default();
        // `MIT/Apache-2.0` is an older way to write `OR`.
        let text = text.replace('/', " OR ");
        let licence = Expression::parse(&text)
            .unwrap_or_else(|error| panic!("{} has the licence `{text}`: {error}", package.name));
        let is_allowed = licence.evaluate(|requirement| {
            requirement.addition.is_none() && allowed.contains(&requirement.license.to_string())
        });
        assert!(
            is_allowed,
            "{} has the licence `{text}`, which deny.toml does not allow",
            package.name
        );
    }
}

#[test]
fn only_listed_dependencies_exist_in_several_versions() {
    let metadata = packages();
    let listed: BTreeSet<String> = deny().bans.skip.into_iter().map(|named| named.name).collect();
    let several: BTreeSet<String> = versions(&metadata)
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(
        several, listed,
        "left: in several versions; right: `skip` in deny.toml"
    );
}

#[test]
fn banned_dependencies_are_absent() {
    let metadata = packages();
    let versions = versions(&metadata);
    for Named { name } in deny().bans.deny {
        assert!(
            !versions.contains_key(name.as_str()),
            "{name} is banned in deny.toml"
        );
    }
}
