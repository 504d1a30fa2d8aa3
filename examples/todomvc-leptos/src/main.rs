//! TodoMVC on livestore and Leptos.
//!
//! In reading order: the crate `todomvc-schema` (what a todo is and what can happen to one), `filter` (which ones show, by
//! the address), `components` (how it looks, what it reads, what it commits).

#[allow(unreachable_pub, reason = "Leptos's component macro makes what it writes public")]
mod components;
mod filter;

use leptos::mount::mount_to_body;
use todomvc_schema::TodoMvc;

fn main() {
    #[cfg(feature = "testing")]
    todomvc_schema::testing::expose();
    livestore_leptos::launch::<TodoMvc>(|| mount_to_body(components::App));
}
