//! [`Choices`]: a list of numbers that generators decide by, so that proptest can shrink what they make.

/// Decisions, taken one after the other; when they run out, the first possibility.
pub(super) struct Choices<'a>(std::slice::Iter<'a, u16>);

impl<'a> Choices<'a> {
    pub(super) fn new(numbers: &'a [u16]) -> Self {
        Self(numbers.iter())
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0.next().map_or(0, |number| usize::from(*number) % n)
    }

    /// One of several.
    pub(super) fn of<'b>(&mut self, all: &[&'b str]) -> &'b str {
        all[self.below(all.len())]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }
}
