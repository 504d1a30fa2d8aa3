//! TodoMVC on livestore and Leptos.
//!
//! In reading order: `schema` (what a todo is and what can happen to one), `filter` (which ones show, by the address),
//! `components` (how it looks, what it reads, what it commits).

#[allow(unreachable_pub, reason = "Leptos's component macro makes what it writes public")]
mod components;
mod filter;
mod schema;
#[cfg(feature = "testing")]
mod testing;

use leptos::mount::mount_to_body;

fn main() {
    #[cfg(feature = "testing")]
    testing::expose();
    livestore_leptos::launch::<schema::TodoMvc>(|| mount_to_body(components::App));
}
