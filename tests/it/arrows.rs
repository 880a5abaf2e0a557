//! Who may depend on whom: the picture in the README, held against Cargo's own metadata.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// Each shared crate may use only those before it.
const SHARED: [&str; 13] = [
    "proto",
    "types",
    "error",
    "list",
    "rest",
    "privacy",
    "auth",
    "persistence",
    "storage",
    "jobs",
    "server",
    "rows",
    "testing",
];
const SERVICES: [&str; 5] = ["identity", "catalog", "query", "transfer", "gateway"];

/// Crates that decide and never touch the world, and what would let them. It may be behind what
/// they use (tokio is behind DataFusion, tonic behind `error`); a crate can only call what it names.
const PURE: [&str; 4] = ["types", "list", "rest", "privacy"];
const WORLD: [&str; 12] = [
    "axum",
    "diesel",
    "diesel-async",
    "hyper",
    "hyper-util",
    "object_store",
    "reqwest",
    "tokio",
    "tokio-postgres",
    "tokio-stream",
    "tonic",
    "tower",
];

#[test]
fn shared_crates_use_only_those_above_them() {
    let workspace = Workspace::read();
    for (position, name) in SHARED.iter().enumerate() {
        let above: BTreeSet<_> = SHARED[..position].iter().copied().collect();
        let below: Vec<_> = workspace
            .ours(name)
            .into_iter()
            .filter(|it| !above.contains(it.as_str()))
            .collect();
        assert!(
            below.is_empty(),
            "shared/{name} uses {below:?}, which stand beside or below it"
        );
    }
}

#[test]
fn services_never_use_each_other() {
    let workspace = Workspace::read();
    let shared: BTreeSet<_> = SHARED.into_iter().filter(|name| *name != "testing").collect();
    for name in SERVICES {
        let others: Vec<_> = workspace
            .ours(name)
            .into_iter()
            .filter(|it| !shared.contains(it.as_str()))
            .collect();
        assert!(
            others.is_empty(),
            "services/{name} uses {others:?}; call it over gRPC"
        );
    }
}

/// Not in their tests either, nor does anything shared know a service.
#[test]
fn no_test_or_build_script_knows_a_service_but_its_own() {
    let workspace = Workspace::read();
    for name in SERVICES.iter().chain(&SHARED) {
        let found: Vec<_> = workspace
            .of(name, &[DependencyKind::Development, DependencyKind::Build])
            .into_iter()
            .filter(|it| SERVICES.contains(&short(it)) || it == "datacovey")
            .collect();
        assert!(found.is_empty(), "{name} uses {found:?} in its tests");
    }
}

#[test]
fn what_decides_does_no_io() {
    let workspace = Workspace::read();
    for name in PURE {
        let found: Vec<_> = workspace
            .all(name)
            .into_iter()
            .filter(|it| WORLD.contains(&it.as_str()))
            .collect();
        assert!(
            found.is_empty(),
            "shared/{name} is pure, yet depends on {found:?}"
        );
    }
}

#[test]
fn testing_is_for_tests_alone() {
    let workspace = Workspace::read();
    for name in workspace.packages.keys() {
        assert!(
            !workspace.ours(name).contains("testing"),
            "{name} needs `testing` outside its tests"
        );
    }
}

#[test]
fn every_crate_is_in_the_picture() {
    let drawn: BTreeSet<_> = SHARED
        .iter()
        .chain(&SERVICES)
        .chain(&["datacovey", "tests"])
        .copied()
        .collect();
    let there = Workspace::read().packages.into_keys().collect::<BTreeSet<_>>();
    assert_eq!(there.iter().map(String::as_str).collect::<BTreeSet<_>>(), drawn);
}

struct Workspace {
    packages: BTreeMap<String, Package>,
}

impl Workspace {
    fn read() -> Self {
        let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
        let packages = metadata
            .packages
            .into_iter()
            .map(|package| (short(&package.name).to_owned(), package));
        Self {
            packages: packages.collect(),
        }
    }

    /// What the crate itself, not its tests, depends on.
    fn all(&self, name: &str) -> BTreeSet<String> {
        self.of(name, &[DependencyKind::Normal])
    }

    fn of(&self, name: &str, kinds: &[DependencyKind]) -> BTreeSet<String> {
        let package = self
            .packages
            .get(name)
            .unwrap_or_else(|| panic!("there is no crate {name}"));
        let used = package.dependencies.iter().filter(|it| kinds.contains(&it.kind));
        used.map(|it| it.name.clone()).collect()
    }

    /// The project's own crates among them.
    fn ours(&self, name: &str) -> BTreeSet<String> {
        let ours = self
            .all(name)
            .into_iter()
            .filter(|it| it.starts_with("datacovey"));
        ours.map(|it| short(&it).to_owned()).collect()
    }
}

fn short(name: &str) -> &str {
    name.strip_prefix("datacovey-").unwrap_or(name)
}
