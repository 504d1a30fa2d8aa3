//! A small schema, and an app without a renderer whose text is looked at.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    cell::RefCell,
    rc::Rc,
    thread::sleep,
    time::{Duration, Instant},
};

use dioxus::{core::NoOpMutations, prelude::*};
use futures_util::FutureExt;
use livestore_dioxus::{Event, Materialize, MaterializeError, Schema, Store, Table, Writes};

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "things")]
pub(crate) struct Thing {
    #[column(primary_key)]
    pub(crate) id: i64,
    #[column(default = 0)]
    pub(crate) stars: i64,
}

#[derive(Event, Clone, Debug)]
pub(crate) enum ThingEvent {
    #[event(name = "v1.ThingAdded")]
    Added { id: i64 },
    #[event(name = "v1.ThingStarred")]
    Starred { id: i64 },
}

impl Materialize for ThingEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        match self {
            Self::Added { id } => state.insert(Thing { id: *id, stars: 0 }),
            Self::Starred { id } => {
                state.update(Thing::query().filter(Thing::ID.eq(*id)), Thing::STARS.set(1))
            }
        }
    }
}

#[derive(Schema)]
#[schema(tables(Thing), events(ThingEvent))]
pub(crate) struct Things;

/// What the components of a test share with it.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    pub(crate) store: Rc<RefCell<Option<Store<Things>>>>,
    pub(crate) seen: Rc<RefCell<Vec<String>>>,
}

impl Shared {
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.seen.borrow_mut().push(text.into());
    }
}

/// For components.
pub(crate) fn shared() -> Shared {
    use_hook(|| try_consume_context().expect("the test provides it"))
}

pub(crate) struct App {
    pub(crate) dom: VirtualDom,
    pub(crate) shared: Shared,
}

impl App {
    pub(crate) fn new(root: fn() -> Element) -> Self {
        let shared = Shared::default();
        let dom = VirtualDom::new(root).with_root_context(shared.clone());
        let mut app = Self { dom, shared };
        app.dom.rebuild_in_place();
        app
    }

    pub(crate) fn text(&self) -> String {
        dioxus_ssr::render(&self.dom)
    }

    pub(crate) fn settle(&mut self) {
        while self.dom.wait_for_work().now_or_never().is_some() {
            self.dom.render_immediate(&mut NoOpMutations);
        }
    }

    /// Renders until the page shows it.
    pub(crate) fn shows(&mut self, expected: &str) {
        let begun = Instant::now();
        self.settle();
        while self.text() != expected {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "{:?}, not {expected:?}",
                self.text()
            );
            sleep(Duration::from_millis(1));
            self.settle();
        }
    }

    pub(crate) fn store(&self) -> Store<Things> {
        self.shared.store.borrow().clone().expect("it is open")
    }

    pub(crate) fn commit(&mut self, event: ThingEvent) {
        self.store().commit(event).expect("it applies");
        self.settle();
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.shared.seen.take()
    }

    /// Runs what an event handler would.
    pub(crate) fn handle<R>(&self, handler: impl FnOnce() -> R) -> R {
        self.dom.in_runtime(handler)
    }
}
