//! What only the inside of a store can bring about: an engine that has lost its state, beside a leader's driver.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use livestore_core::Schema;
use livestore_sync::{Lane, SessionConfig, SessionId, TabId};

use super::{effects::Effects, engine::Engine, receipt::Stage};
use crate::{
    leader::{
        Driver,
        tests::rows::{CLIENT, Row, RowEvent, Rows, leader_of},
    },
    schema::EncodedCommit,
    sqlite::Db,
    state::State,
    testing::test,
};

/// The same events in another version of the app, whose states are no snapshots for `Rows`.
#[derive(Schema)]
#[schema(tables(Row), events(RowEvent), materializers = 2)]
struct OtherRows;

/// Sessions and their leader, with nothing between them.
struct World {
    driver: Driver,
    engines: Vec<Engine>,
    now: Duration,
}

impl World {
    /// A leader of `L` and this many sessions of `Rows`.
    fn new<L: Schema>(sessions: u64) -> Self {
        let schema = Rows::def().unwrap();
        let id = |open| SessionId { tab: TabId(open), open };
        let driver = leader_of::<L>(id(0));
        let engine = |open| {
            let config = SessionConfig::new(CLIENT, id(open), schema.hash());
            Engine::new("rows", schema, config, Duration::ZERO).unwrap()
        };
        let engines = (0..sessions).map(engine).collect();
        let mut world = Self { driver, engines, now: Duration::ZERO };
        world.settle();
        assert!(world.engines.iter().all(|engine| engine.session.is_open()));
        world
    }

    /// Delivers everything to everybody (who is not meant drops it) until all is quiet.
    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for engine in &mut self.engines {
                while let Some(message) = engine.poll_send(self.now) {
                    self.driver.receive(self.now, message);
                    quiet = false;
                }
            }
            quiet &= !self.driver.write(self.now);
            while let Some(outgoing) = self.driver.poll_send() {
                for engine in &mut self.engines {
                    let meant = match &outgoing.to {
                        livestore_sync::Recipients::Everyone => true,
                        livestore_sync::Recipients::Sessions(ids) => {
                            ids.contains(&engine.session.id())
                        }
                    };
                    if meant {
                        engine.receive(self.now, outgoing.message.clone());
                    }
                }
                quiet = false;
            }
            if quiet {
                return;
            }
        }
    }

    fn commit(&mut self, session: usize, id: i64) {
        let encoded = EncodedCommit::new::<Rows>(RowEvent::Inserted { id }).unwrap();
        self.engines[session].commit(encoded).unwrap();
    }

    fn rows(&self, session: usize) -> Vec<i64> {
        let query = crate::query::IntoQuery::into_query(
            Row::query().order_by(Row::ID.asc()).columns(Row::ID),
        );
        query.run(self.engines[session].state.db().conn()).unwrap()
    }

    /// The session's tables are gone, and it knows.
    fn lose_state(&mut self, session: usize) {
        let engine = &mut self.engines[session];
        engine.state = State::create(Db::open_in_memory().unwrap(), Rows::def().unwrap()).unwrap();
        engine.effects = Effects::default();
        engine.session.state_lost(self.now);
    }

    fn check(&self) {
        let first = &self.engines[0];
        for engine in &self.engines {
            engine.session.check_invariants().unwrap();
            assert_eq!(engine.state.heads(), engine.session.heads());
            let hash = |engine: &Engine| engine.state.content_hash(Lane::Synced).unwrap();
            assert_eq!(hash(engine), hash(first));
        }
    }
}

fn check_lost_state<L: Schema>() {
    let mut world = World::new::<L>(2);
    world.commit(0, 1);
    world.commit(1, 2);
    world.settle();
    // One commit is on its way when the state goes, one follows.
    world.commit(1, 3);
    world.lose_state(1);
    assert_eq!(world.rows(1), [0_i64; 0]);
    world.commit(0, 5);
    world.settle();
    for session in 0..2 {
        assert_eq!(world.rows(session), [1, 2, 3, 5]);
    }
    world.commit(1, 6);
    world.settle();
    assert_eq!(world.rows(0), [1, 2, 3, 5, 6]);
    assert!(world.engines[1].session.is_settled());
    world.check();
}

#[test]
fn a_session_that_lost_its_state_reloads_a_snapshot_and_its_pending_commits() {
    check_lost_state::<Rows>();
}

#[test]
fn a_session_that_lost_its_state_beside_another_version_of_the_app_folds_the_log() {
    check_lost_state::<OtherRows>();
}

#[test]
fn a_state_that_is_no_longer_the_one_that_was_recorded_is_replaced() {
    let mut world = World::new::<Rows>(2);
    world.commit(0, 1);
    world.settle();
    world.commit(1, 2);
    // Undo records that don't belong to the pending commits: the next merge can't be executed.
    world.engines[1].effects = Effects::default();
    world.commit(0, 3);
    world.settle();
    for session in 0..2 {
        assert_eq!(world.rows(session), [1, 2, 3]);
    }
    world.check();
}

#[test]
fn a_refused_commit_leaves_no_trace_in_the_session_that_made_it() {
    let mut world = World::new::<Rows>(2);
    world.commit(0, 1);
    world.commit(1, 1);
    world.commit(1, 2);
    assert_eq!(world.rows(1), [1, 2]);
    let refused = world.engines[1].receipts.wait(1, Stage::Persisted).unwrap();
    world.settle();
    assert!(matches!(refused.now_or_never(), Some(Ok(Err(super::NotConfirmed::Refused(_))))));
    assert_eq!((world.rows(0), world.rows(1)), (vec![1, 2], vec![1, 2]));
    assert_eq!(world.engines[1].pending(), 0);
    world.check();
}

#[test]
fn values_that_are_followed_stay_right_when_the_state_is_replaced() {
    let mut world = World::new::<Rows>(1);
    world.commit(0, 1);
    world.settle();
    let query = crate::query::IntoQuery::into_query(Row::query().count());
    let observer = world.engines[0].observe(&query).unwrap();
    let value = |engine: &mut Engine| -> Arc<u64> {
        engine.refresh();
        observer.value().unwrap()
    };
    assert_eq!(*value(&mut world.engines[0]), 1);
    world.lose_state(0);
    world.settle();
    world.commit(0, 2);
    assert_eq!(*value(&mut world.engines[0]), 2);
}
