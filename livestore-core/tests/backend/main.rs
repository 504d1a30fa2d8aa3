//! One conformance suite for every backend: the double in memory, our server and LiveStore's own, over WebSocket and
//! HTTP.
//!
//! The cases are LiveStore's common provider cases, and what its list leaves out: lost answers, cut pages, broken
//! chains, oversize, duplicates, writers that have to converge.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests, outside of `#[test]` functions"
)]

mod cases;
#[path = "../support/gate.rs"]
mod gate;
mod peers;
mod provider;

use provider::Provider;

#[test]
fn the_double_in_memory_conforms() {
    cases::run(&Provider::memory());
}

#[test]
fn our_server_over_websocket_conforms() {
    cases::run(&Provider::ours(provider::Wire::WebSocket));
}

#[test]
fn our_server_over_http_conforms() {
    cases::run(&Provider::ours(provider::Wire::Http));
}

#[test]
fn livestores_own_server_over_websocket_conforms() {
    cases::run(&Provider::livestores(provider::Wire::WebSocket));
}

#[test]
fn livestores_own_server_over_http_conforms() {
    cases::run(&Provider::livestores(provider::Wire::Http));
}
