//! Evaluation: making one node clean, and with it all that it needs.
//!
//! One stack of [`Frame`]s serves an evaluation and those nested in its closures: each frame's node is *demanded* by the
//! one below it. So a demand for a node that is already on the stack is a cycle, and its members are the frames from
//! there up.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    arena::NodeId,
    cx::Cx,
    error::ReadError,
    node::{Color, Content, Kind, Value},
    owner::Graph,
};

/// How many closures may run inside one another before a read answers [`ReadError::NotReady`].
pub const MAX_NESTED: usize = 16;

/// A node under evaluation.
#[derive(Debug)]
pub(super) struct Frame {
    node: NodeId,
    /// The first of its inputs that is not yet known to be unchanged.
    next_input: usize,
    /// It turned out to need itself.
    cyclic: bool,
}

impl<E: ?Sized, X: Clone + PartialEq + Send + Sync + 'static> Graph<E, X> {
    /// Makes `target` clean. `nested` closures are running already.
    pub(super) fn evaluate(&mut self, target: NodeId, env: &E, nested: usize) {
        let base = self.stack.len();
        self.push(target);
        while self.stack.len() > base {
            let top = &self.stack[self.stack.len() - 1];
            let (id, cyclic) = (top.node, top.cyclic);
            match self.nodes.at(id).color {
                Color::Clean => self.pop(),
                // It was not run, so which of its inputs it would read is not known: it keeps none.
                _ if cyclic => self.finish_cycle(id, &[]),
                Color::Check => self.check_inputs(id),
                Color::Dirty => self.run(id, env, nested),
            }
        }
    }

    /// All frames from `demanded` up need themselves.
    pub(super) fn found_cycle(&mut self, demanded: NodeId) {
        for frame in self.stack.iter_mut().rev() {
            frame.cyclic = true;
            if frame.node == demanded {
                break;
            }
        }
    }

    fn push(&mut self, id: NodeId) {
        self.nodes.at_mut(id).on_stack = true;
        self.stack.push(Frame { node: id, next_input: 0, cyclic: false });
    }

    fn pop(&mut self) {
        if let Some(frame) = self.stack.pop() {
            self.nodes.at_mut(frame.node).on_stack = false;
        }
    }

    /// Goes on with the inputs of the top frame until one must be evaluated first, one has changed, or all are known.
    ///
    /// In the order of the reads: if an earlier input has changed, the closure may not read a later one any more, and
    /// then that must not be computed.
    fn check_inputs(&mut self, id: NodeId) {
        let top = self.stack.len() - 1;
        let node = self.nodes.at(id);
        let verified_at = node.verified_at;
        let mut next = self.stack[top].next_input;
        while let Some(edge) = node.inputs.get(next) {
            let input = self.nodes.at(edge.node);
            if input.color != Color::Clean {
                self.stack[top].next_input = next;
                if input.on_stack {
                    self.found_cycle(edge.node);
                } else {
                    self.push(edge.node);
                }
                return;
            }
            if input.changed_at > verified_at {
                self.nodes.at_mut(id).color = Color::Dirty;
                return;
            }
            next += 1;
        }
        let node = self.nodes.at_mut(id);
        node.color = Color::Clean;
        node.verified_at = self.revision;
        self.pop();
    }

    fn run(&mut self, id: NodeId, env: &E, nested: usize) {
        let Kind::Thunk { compute, .. } = &self.nodes.at(id).kind else {
            unreachable!("BUG: only thunks are ever dirty");
        };
        let compute = Arc::clone(compute);
        let mut cx = Cx::new(self, env, id, nested + 1);
        // What a panic can leave half done is the closure's own; nested evaluations end before the closure goes on.
        let result = catch_unwind(AssertUnwindSafe(|| compute(&mut cx)));
        let (reads, waits_for) = (mem::take(&mut cx.reads), cx.waits_for);
        let cyclic = self.stack.last().is_some_and(|frame| frame.cyclic);
        match (waits_for, result) {
            (_, result) if cyclic => {
                discard(result);
                self.finish_cycle(id, &reads.order);
            }
            (Some(dependency), result) => {
                discard(result);
                self.nodes.at_mut(id).stats.aborted += 1;
                self.push(dependency);
            }
            (None, result) => {
                let result = result.unwrap_or_else(|panic| Err(panicked(panic)));
                self.nodes.at_mut(id).stats.runs += 1;
                self.ran.push(id);
                if !self.finish(id, &reads.order, result) {
                    self.nodes.at_mut(id).stats.cut_offs += 1;
                    self.cut_off.push(id);
                }
            }
        }
    }

    /// As [`Graph::finish`], for a member of a cycle. The edge that closed the cycle was not made, so no mark would ever
    /// come from there: the node is woken by any.
    fn finish_cycle(&mut self, id: NodeId, reads: &[NodeId]) {
        self.cycles.push(id);
        self.finish(id, reads, Err(ReadError::Cycle));
    }

    /// Gives the node of the top frame its result and its inputs, takes it off the stack, and says if it has changed.
    fn finish(
        &mut self,
        id: NodeId,
        reads: &[NodeId],
        result: Result<Value, ReadError<X>>,
    ) -> bool {
        self.set_inputs(id, reads);
        let revision = self.revision;
        let node = self.nodes.at_mut(id);
        node.color = Color::Clean;
        node.verified_at = revision;
        let content = node.content_mut().expect("BUG: only thunks are evaluated");
        let (changed, unused) = replace(content, result);
        if changed {
            node.changed_at = revision;
        }
        self.pop();
        discard(unused);
        changed
    }

    fn set_inputs(&mut self, id: NodeId, reads: &[NodeId]) {
        let inputs = &self.nodes.at(id).inputs;
        let same = inputs.iter().zip(reads).take_while(|(edge, read)| edge.node == **read).count();
        for _ in same..self.nodes.at(id).inputs.len() {
            self.unlink_last(id);
        }
        for &read in &reads[same..] {
            self.nodes.link(id, read);
        }
    }

    /// Removes the last edge of `id`; what it led to may be kept by nobody now.
    pub(super) fn unlink_last(&mut self, id: NodeId) {
        if let Some(input) = self.nodes.unlink_last(id)
            && !self.nodes.at(input).is_kept()
        {
            self.unkept.push(input);
        }
    }
}

/// Stores a result unless it is the one there is. Returns whether it was stored, and the value that is no longer needed.
fn replace<X: Clone + PartialEq>(
    content: &mut Content<X>,
    result: Result<Value, ReadError<X>>,
) -> (bool, Option<Value>) {
    let value = match result {
        Ok(value) => value,
        Err(error) => {
            let changed = content.error.as_ref() != Some(&error);
            content.error = Some(error);
            return (changed, None);
        }
    };
    if let (None, Some(old)) = (&content.error, &content.value) {
        match catch_unwind(AssertUnwindSafe(|| (content.equal)(old, &value))) {
            Ok(true) => return (false, Some(value)),
            Ok(false) => {}
            Err(panic) => return (replace(content, Err(panicked(panic))).0, Some(value)),
        }
    }
    content.error = None;
    (true, content.value.replace(value))
}

fn panicked<X>(panic: Box<dyn Any + Send>) -> ReadError<X> {
    let message = panic
        .downcast_ref::<&str>()
        .map(|message| Arc::from(*message))
        .or_else(|| panic.downcast_ref::<String>().map(|message| Arc::from(message.as_str())));
    discard(panic);
    ReadError::Panicked(message.unwrap_or_else(|| Arc::from("(no message)")))
}

/// Drops what foreign code made. If its `drop` panics, that must not stop an evaluation half-way.
pub(super) fn discard<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // Dropping the payload of that panic would be the next chance to panic.
        mem::forget(panic);
    }
}
