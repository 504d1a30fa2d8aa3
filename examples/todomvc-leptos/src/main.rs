//! TodoMVC on livestore and Leptos.
//!
//! In reading order: `todos` (what a todo is and what can happen to it), `filter` (which ones show, by the address),
//! `components` (how it looks).

#[allow(unreachable_pub, reason = "Leptos's component macro makes what it writes public")]
mod components;
mod filter;
mod todos;

use leptos::prelude::*;

use crate::components::App;

fn main() {
    mount_to_body(App);
}
