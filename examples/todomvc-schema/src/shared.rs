//! Which list an app opens: this client's own, or one that is shared by everybody who names it; and how that is told.

use livestore_core::{NetworkStatus, StoreOptions, SyncOptions, SyncStatus, websocket};

use crate::TodoMvc;

/// Where a server has its sync backend, as seen from a page of its own.
const SYNC: &str = "/sync";

/// The list that is this client's own, and stays here.
pub fn own_list() -> StoreOptions<TodoMvc> {
    StoreOptions::new("todomvc").persisted()
}

/// The list of that name, which all who name it share through a server.
pub fn shared_list(name: &str, server: SyncOptions) -> StoreOptions<TodoMvc> {
    StoreOptions::new(name).persisted().sync(server)
}

/// The list that a page's query names: with `?store=NAME` one that is shared through the server that the page came from.
pub fn list_of_page(query: &str) -> StoreOptions<TodoMvc> {
    let Some(name) = parameter(query, "store") else { return own_list() };
    let server = websocket(SYNC);
    #[cfg(feature = "testing")]
    let server = crate::testing::with_policy(server, parameter(query, "policy"));
    shared_list(name, server)
}

/// What a query says of a name. As it is written: what would have to be escaped is in no store's id.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let pairs = query.trim_start_matches('?').split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, is)| is)
}

/// What a status line says of a shared list, such as "offline · 3 pending"; nothing of one that is not shared.
pub fn sync_line(network: NetworkStatus, sync: &SyncStatus) -> Option<String> {
    let pending = (sync.pending > 0).then(|| format!("{} pending", sync.pending));
    let network = match network {
        NetworkStatus::NoBackend => return None,
        NetworkStatus::Online if sync.is_synced => Some("synced".to_owned()),
        NetworkStatus::Online | NetworkStatus::CatchingUp if pending.is_some() => None,
        NetworkStatus::Online => Some(NetworkStatus::CatchingUp.to_string()),
        other => Some(other.to_string()),
    };
    let parts: Vec<_> = network.into_iter().chain(pending).collect();
    Some(parts.join(" · "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_its_list_in_its_query() {
        for (query, id) in [
            ("", "todomvc"),
            ("?", "todomvc"),
            ("?shop=a", "todomvc"),
            ("?store", "todomvc"),
            ("?store=shopping-2026", "shopping-2026"),
            ("?a=b&store=x&c=d", "x"),
            ("?store=x&store=y", "x"),
            // No ids of stores: opening says so.
            ("?store=", ""),
            ("?store=a%20b", "a%20b"),
            ("?store=a=b", "a=b"),
        ] {
            assert_eq!(list_of_page(query).id(), id, "{query:?}");
        }
    }

    #[track_caller]
    fn check(network: NetworkStatus, pending: u64, is_synced: bool, expected: Option<&str>) {
        let sync = SyncStatus { pending, is_synced, ..SyncStatus::default() };
        assert_eq!(sync_line(network, &sync).as_deref(), expected);
    }

    #[test]
    fn the_line_says_what_a_person_needs_to_know() {
        use NetworkStatus::{CatchingUp, NoBackend, Offline, Online, Paused, Stopped};
        check(NoBackend, 3, false, None);
        check(Online, 0, true, Some("synced"));
        check(Online, 3, false, Some("3 pending"));
        check(Online, 0, false, Some("catching up"));
        check(CatchingUp, 0, false, Some("catching up"));
        check(CatchingUp, 1, false, Some("1 pending"));
        check(Offline, 0, false, Some("offline"));
        check(Offline, 3, false, Some("offline · 3 pending"));
        check(Paused, 3, false, Some("paused · 3 pending"));
        check(Stopped, 0, false, Some("stopped: the backend has lost events"));
    }
}
