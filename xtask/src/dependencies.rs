//! One direction only: `sync ← core ← bindings`. Whatever a crate must not know of, it must not reach either.
//!
//! A unit test, not a test of the binary: that would build `xtask` once more, over the one that runs the tests.

use std::{collections::BTreeSet, process::Command};

/// The crates that `package` reaches, on any target, tests aside.
fn reached(package: &str) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["tree", "--package", package, "--edges", "normal", "--target", "all"])
        .args(["--prefix", "none", "--format", "{p}"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("crates are named in UTF-8");
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn check(package: &str, reaches: &[&str], never: &[&str]) {
    let reached = reached(package);
    for name in reaches {
        assert!(
            reached.contains(*name),
            "{package} should reach {name}: is this test still right?"
        );
    }
    for name in never {
        assert!(!reached.contains(*name), "{package} must not reach {name}");
    }
}

#[test]
fn the_sync_crate_is_pure() {
    let io =
        ["rusqlite", "tokio", "wasm-bindgen", "futures-channel", "web-time", "getrandom", "uuid"];
    check("livestore-sync", &["serde"], &io);
}

#[test]
fn the_server_knows_the_sync_crate_and_nothing_of_the_engine() {
    let others = ["livestore-core", "livestore-macros", "wasm-bindgen", "leptos", "dioxus"];
    check("livestore-server", &["livestore-sync", "axum", "rusqlite"], &others);
}

#[test]
fn the_engine_knows_no_framework() {
    check(
        "livestore-core",
        &["livestore-sync", "rusqlite", "wasm-bindgen"],
        &["leptos", "reactive_graph", "dioxus", "dioxus-core"],
    );
}

#[test]
fn a_binding_reaches_the_sync_crate_through_the_engine_alone() {
    check("livestore-leptos", &["livestore-core", "leptos"], &["dioxus", "dioxus-core"]);
    check("livestore-dioxus", &["livestore-core", "dioxus"], &["leptos", "reactive_graph"]);
}

#[test]
fn a_schema_that_two_frameworks_share_knows_neither() {
    let bindings = ["leptos", "reactive_graph", "dioxus", "livestore-leptos", "livestore-dioxus"];
    check("todomvc-schema", &["livestore-core"], &bindings);
}
