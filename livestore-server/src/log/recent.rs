//! What was appended last, in memory: those who read live all want the same few events.
//!
//! Filled by the writer after each commit, in the order of the commits, then told to the readers. A store that nobody
//! reads live has nothing here. Whoever does not find here what it wants reads the database, so all of this may go.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use livestore_sync::StoreId;
use tokio::sync::watch;

use super::{LogItem, PageSize};

/// Bytes of events kept for one store.
const ROOM_BYTES: usize = 1 << 20;

/// Bytes of events kept for all stores.
const ALL_BYTES: usize = 64 << 20;

/// So many stores may be left behind by their readers before anybody looks.
const LEFT_BEHIND: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Rooms>);

#[derive(Debug, Default)]
struct Rooms {
    by_store: HashMap<StoreId, Room>,
    /// Bytes of all rooms.
    bytes: usize,
    /// How many rooms there may be before the empty ones are looked for.
    look_at: usize,
}

#[derive(Debug)]
struct Room {
    tail: watch::Sender<u64>,
    items: VecDeque<LogItem>,
    bytes: usize,
}

impl Rooms {
    /// Empties the other rooms. Those who read live have mostly taken what was there.
    fn keep_only(&mut self, store: &StoreId) {
        for (_, room) in self.by_store.iter_mut().filter(|(other, _)| *other != store) {
            room.items = VecDeque::new();
            room.bytes = 0;
        }
        self.bytes = self.by_store.get(store).map_or(0, |room| room.bytes);
    }
}

impl Room {
    fn take(&mut self, items: Vec<LogItem>) {
        let next = self.items.back().map(|last| last.number + 1);
        if next.is_some() && next != items.first().map(|item| item.number) {
            self.items.clear();
            self.bytes = 0;
        }
        self.bytes += items.iter().map(|item| item.json.len()).sum::<usize>();
        self.items.extend(items);
        while self.bytes > ROOM_BYTES && self.items.len() > 1 {
            self.bytes -= self.items.pop_front().map_or(0, |item| item.json.len());
        }
    }
}

impl Recent {
    pub(super) fn tail(&self, store: &StoreId) -> watch::Receiver<u64> {
        let mut rooms = self.rooms();
        if rooms.by_store.len() > rooms.look_at {
            rooms.by_store.retain(|_, room| room.tail.receiver_count() > 0);
            rooms.bytes = rooms.by_store.values().map(|room| room.bytes).sum();
            rooms.look_at = 2 * rooms.by_store.len() + LEFT_BEHIND;
        }
        let room = rooms.by_store.entry(store.clone()).or_insert_with(|| Room {
            tail: watch::Sender::new(0),
            items: VecDeque::new(),
            bytes: 0,
        });
        room.tail.subscribe()
    }

    /// Whether anybody reads this store live.
    pub(super) fn is_read(&self, store: &StoreId) -> bool {
        self.rooms().by_store.contains_key(store)
    }

    /// Takes what was committed. Whoever calls does so in the order of the commits.
    pub(super) fn publish(&self, store: &StoreId, head: u64, items: Vec<LogItem>) {
        let mut rooms = self.rooms();
        let Some(room) = rooms.by_store.get_mut(store) else { return };
        let before = room.bytes;
        let is_left = room.tail.receiver_count() == 0;
        if is_left {
            rooms.by_store.remove(store);
            rooms.bytes -= before;
            return;
        }
        room.take(items);
        let after = room.bytes;
        room.tail.send_replace(head);
        rooms.bytes = rooms.bytes - before + after;
        if rooms.bytes > ALL_BYTES {
            rooms.keep_only(store);
        }
    }

    /// What follows `after` and where the log ends, if that is all here.
    pub(super) fn read(
        &self,
        store: &StoreId,
        after: u64,
        size: PageSize,
    ) -> Option<(Vec<LogItem>, u64)> {
        let rooms = self.rooms();
        let room = rooms.by_store.get(store)?;
        let (first, head) = (room.items.front()?.number, room.items.back()?.number);
        if after + 1 < first || after > head {
            return None;
        }
        let skipped = usize::try_from(after + 1 - first).ok()?;
        let mut bytes = 0;
        let fits = |item: &&LogItem| {
            bytes += item.json.len();
            bytes <= size.bytes || bytes == item.json.len()
        };
        let items = room.items.iter().skip(skipped).take(size.events).take_while(fits);
        Some((items.cloned().collect(), head))
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        // Nothing in here can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use livestore_sync::StoreId;

    use super::{ALL_BYTES, LogItem, PageSize, ROOM_BYTES, Recent};

    fn store(number: usize) -> StoreId {
        format!("s{number}").parse().unwrap()
    }

    #[test]
    fn many_stores_that_are_read_live_have_a_common_bound() {
        let recent = Recent::default();
        let stores = 2 * ALL_BYTES / ROOM_BYTES;
        let tails: Vec<_> = (0..stores).map(|number| recent.tail(&store(number))).collect();
        let size = PageSize { events: 10, bytes: ROOM_BYTES };
        for number in 0..stores {
            let item = LogItem { number: 1, json: "x".repeat(ROOM_BYTES).into() };
            recent.publish(&store(number), 1, vec![item]);
            let rooms = recent.rooms();
            let held: usize =
                rooms.by_store.values().flat_map(|room| &room.items).map(|i| i.json.len()).sum();
            assert_eq!(rooms.bytes, held);
            assert!(held <= ALL_BYTES, "{held}");
            drop(rooms);
            assert!(recent.read(&store(number), 0, size).is_some(), "what is new is there");
        }
        assert!(recent.read(&store(0), 0, size).is_none(), "what is old is in the database");
        drop(tails);
        recent.publish(&store(1), 2, Vec::new());
        drop(recent.tail(&store(stores)));
        let rooms = recent.rooms();
        assert_eq!(rooms.bytes, rooms.by_store.values().map(|room| room.bytes).sum::<usize>());
    }
}
