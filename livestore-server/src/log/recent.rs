//! What was appended last, in memory: those who read live all want the same few events.
//!
//! Filled by the writer after each commit, in the order of the commits, then told to the readers. A store that nobody
//! reads live has nothing here.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use livestore_sync::StoreId;
use tokio::sync::watch;

use super::{LogItem, PageSize};

/// Bytes of events kept for one store.
const ROOM_BYTES: usize = 1 << 20;

/// So many stores may be left behind by their readers before anybody looks.
const LEFT_BEHIND: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Rooms>);

#[derive(Debug, Default)]
struct Rooms {
    by_store: HashMap<StoreId, Room>,
    /// How many rooms there may be before the empty ones are looked for.
    look_at: usize,
}

#[derive(Debug)]
struct Room {
    tail: watch::Sender<u64>,
    items: VecDeque<LogItem>,
    bytes: usize,
}

impl Recent {
    pub(super) fn tail(&self, store: &StoreId) -> watch::Receiver<u64> {
        let mut rooms = self.rooms();
        if rooms.by_store.len() > rooms.look_at {
            rooms.by_store.retain(|_, room| room.tail.receiver_count() > 0);
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
        if room.tail.receiver_count() == 0 {
            rooms.by_store.remove(store);
            return;
        }
        if room
            .items
            .back()
            .is_some_and(|last| Some(last.number + 1) != items.first().map(|item| item.number))
        {
            room.items.clear();
            room.bytes = 0;
        }
        room.bytes += items.iter().map(|item| item.json.len()).sum::<usize>();
        room.items.extend(items);
        while room.bytes > ROOM_BYTES && room.items.len() > 1 {
            room.bytes -= room.items.pop_front().map_or(0, |item| item.json.len());
        }
        room.tail.send_replace(head);
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
