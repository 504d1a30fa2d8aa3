//! What can be committed to a store of a schema: one event or several, of the schema's event sets only.

use livestore_sync::Lane;

use super::{
    encode::EncodeError,
    event::{EncodedEvent, EventSet},
    schema_def::Schema,
};

/// Events on the way into one commit: at least one, all of one lane.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EncodedCommit {
    events: Vec<EncodedEvent>,
}

impl EncodedCommit {
    /// Encodes everything a caller wants to commit together.
    ///
    /// # Errors
    /// [`EncodeError`] when there is nothing, when both lanes are in it, or when an event can't be encoded.
    pub fn new<S: Schema>(events: impl IntoCommit<S>) -> Result<Self, EncodeError> {
        let mut commit = Self::default();
        events.append_to(&mut commit)?;
        if commit.events.is_empty() { Err(EncodeError::Empty) } else { Ok(commit) }
    }

    /// Appends one event.
    ///
    /// # Errors
    /// [`EncodeError::MixedLanes`] when it is of the other lane than the first.
    pub fn push(&mut self, event: EncodedEvent) -> Result<(), EncodeError> {
        if let Some(first) = self.events.first().filter(|first| first.lane != event.lane) {
            let (synced, client_only) = if event.lane == Lane::Synced {
                (event.name, first.name)
            } else {
                (first.name, event.name)
            };
            return Err(EncodeError::MixedLanes { synced, client_only });
        }
        self.events.push(event);
        Ok(())
    }

    /// The lane of all its events; nothing before the first.
    pub fn lane(&self) -> Option<Lane> {
        self.events.first().map(|event| event.lane)
    }

    /// Its events, in order.
    pub fn events(&self) -> &[EncodedEvent] {
        &self.events
    }

    /// Its events, by value.
    pub fn into_events(self) -> Vec<EncodedEvent> {
        self.events
    }
}

/// A schema that has these events; implemented by `#[derive(Schema)]`.
#[diagnostic::on_unimplemented(
    message = "`{E}` is not an event of the schema `{Self}`",
    label = "not an event of this store",
    note = "list the enum in `#[schema(events(…))]` of `{Self}`"
)]
pub trait HasEvents<E: EventSet>: Schema {}

/// What `store.commit` takes: an event of the schema, or arrays, vectors and tuples of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be committed to a store of `{S}`",
    label = "neither an event of the schema `{S}` nor a collection of them"
)]
pub trait IntoCommit<S: Schema> {
    /// Encodes the events and appends them.
    ///
    /// # Errors
    /// [`EncodeError`] for events that can't be encoded or don't fit the others' lane.
    fn append_to(self, commit: &mut EncodedCommit) -> Result<(), EncodeError>;
}

impl<S: HasEvents<E>, E: EventSet> IntoCommit<S> for E {
    fn append_to(self, commit: &mut EncodedCommit) -> Result<(), EncodeError> {
        commit.push(self.encode()?)
    }
}

impl<S: Schema, C: IntoCommit<S>> IntoCommit<S> for Vec<C> {
    fn append_to(self, commit: &mut EncodedCommit) -> Result<(), EncodeError> {
        self.into_iter().try_for_each(|events| events.append_to(commit))
    }
}

impl<S: Schema, C: IntoCommit<S>, const N: usize> IntoCommit<S> for [C; N] {
    fn append_to(self, commit: &mut EncodedCommit) -> Result<(), EncodeError> {
        self.into_iter().try_for_each(|events| events.append_to(commit))
    }
}

impl<S: Schema, C: IntoCommit<S>> IntoCommit<S> for Option<C> {
    fn append_to(self, commit: &mut EncodedCommit) -> Result<(), EncodeError> {
        self.into_iter().try_for_each(|events| events.append_to(commit))
    }
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),+))*) => {$(
        impl<S: Schema, $($name: IntoCommit<S>),+> IntoCommit<S> for ($($name,)+) {
            fn append_to(self, commit: &mut EncodedCommit) -> Result<(), EncodeError> {
                $(self.$index.append_to(commit)?;)+
                Ok(())
            }
        }
    )*};
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}
