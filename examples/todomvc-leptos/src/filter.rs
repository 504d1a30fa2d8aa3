//! Which todos show: the filter is the address's hash, so links, reload and the back button all work.

use leptos::prelude::*;
use todomvc_schema::Filter;

/// The filter that the address names, now and after every change.
pub(crate) fn use_filter() -> ReadSignal<Filter> {
    let in_address = || Filter::from_hash(&window().location().hash().unwrap_or_default());
    let (filter, set_filter) = signal(in_address());
    let listener =
        window_event_listener(leptos::ev::hashchange, move |_| set_filter.set(in_address()));
    on_cleanup(move || listener.remove());
    filter
}
