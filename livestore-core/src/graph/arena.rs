//! [`Arena`]: where nodes live, named by ids that are never mistaken for one another.
//!
//! A slot is used again after its node was removed, but under a new generation, so an id of a removed node finds
//! nothing.

/// Names a node of one graph. The id of a freed node is never given to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId {
    slot: u32,
    generation: u32,
}

#[derive(Debug)]
struct Slot<N> {
    generation: u32,
    node: Option<N>,
}

#[derive(Debug)]
pub(super) struct Arena<N> {
    slots: Vec<Slot<N>>,
    free: Vec<u32>,
    len: usize,
}

impl<N> Arena<N> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), len: 0 }
    }

    pub(super) fn insert(&mut self, node: N) -> NodeId {
        self.len += 1;
        if let Some(slot) = self.free.pop() {
            let entry = &mut self.slots[slot as usize];
            entry.node = Some(node);
            return NodeId { slot, generation: entry.generation };
        }
        let slot = u32::try_from(self.slots.len()).expect("BUG: more than 2^32 nodes");
        self.slots.push(Slot { generation: 0, node: Some(node) });
        NodeId { slot, generation: 0 }
    }

    pub(super) fn remove(&mut self, id: NodeId) -> Option<N> {
        let entry = self
            .slots
            .get_mut(id.slot as usize)
            .filter(|entry| entry.generation == id.generation)?;
        let node = entry.node.take()?;
        self.len -= 1;
        // A slot whose generations are used up is retired, or an old id could name a new node.
        if let Some(generation) = entry.generation.checked_add(1) {
            entry.generation = generation;
            self.free.push(id.slot);
        }
        Some(node)
    }

    pub(super) fn find(&self, id: NodeId) -> Option<&N> {
        self.slots
            .get(id.slot as usize)
            .filter(|entry| entry.generation == id.generation)?
            .node
            .as_ref()
    }

    pub(super) fn find_mut(&mut self, id: NodeId) -> Option<&mut N> {
        self.slots
            .get_mut(id.slot as usize)
            .filter(|entry| entry.generation == id.generation)?
            .node
            .as_mut()
    }

    /// The node of an id that the graph itself holds, in an edge or on a list that freeing cleans.
    pub(super) fn at(&self, id: NodeId) -> &N {
        self.find(id).expect("BUG: the graph holds the id of a freed node")
    }

    /// As [`Arena::at`].
    pub(super) fn at_mut(&mut self, id: NodeId) -> &mut N {
        self.find_mut(id).expect("BUG: the graph holds the id of a freed node")
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &N)> {
        self.slots.iter().zip(0..).filter_map(|(entry, slot)| {
            entry.node.as_ref().map(|node| (NodeId { slot, generation: entry.generation }, node))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Arena;
    use crate::testing::test;

    #[test]
    fn the_id_of_a_removed_node_finds_nothing_after_its_slot_is_used_again() {
        let mut arena = Arena::new();
        let first = arena.insert("first");
        assert_eq!(arena.remove(first), Some("first"));
        let second = arena.insert("second");
        assert_eq!((first.slot, arena.len()), (second.slot, 1));
        assert_eq!((arena.find(first), arena.find(second)), (None, Some(&"second")));
        assert_eq!((arena.remove(first), arena.len()), (None, 1));
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_retired() {
        let mut arena = Arena::new();
        let first = arena.insert(1);
        arena.slots[0].generation = u32::MAX;
        assert_eq!(arena.remove(super::NodeId { generation: u32::MAX, ..first }), Some(1));
        assert_eq!(arena.insert(2).slot, 1);
    }
}
