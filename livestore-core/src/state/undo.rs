//! [`Undo`]: what takes a commit back, and keeping it beside the rows until the commit is confirmed.
//!
//! A state that [keeps undo](State::keep_undo) writes each synced commit's record in the commit's own savepoint, so
//! records survive a crash. The caller trims them at confirmation. A leader without a backend keeps none: it never
//! rolls back. Client-only commits are final in its log, so of them none is kept.

use livestore_sync::{Head, Lane};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};

use super::{State, system};
use crate::sqlite::{ChangeSet, Record, SqliteError};

/// The rows that a commit wrote, and the heads of its lane before and after.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Undo {
    /// The commit's lane.
    pub lane: Lane,
    /// The lane's head before the commit.
    pub before: Head,
    /// The lane's head after it.
    pub after: Head,
    pub(super) records: Vec<Record>,
}

impl State {
    /// Takes commits back, newest first. All of them or nothing.
    ///
    /// # Errors
    /// [`SqliteError::UndoMismatch`] when they are not the newest commits of their lanes, in order, or don't fit the
    /// rows; else what the storage says.
    pub fn roll_back(&mut self, newest_first: &[Undo]) -> Result<ChangeSet, SqliteError> {
        let mut heads = self.heads;
        for undo in newest_first {
            if heads[undo.lane] != undo.after {
                return Err(SqliteError::UndoMismatch { table: "livestore_heads".to_owned() });
            }
            heads[undo.lane] = undo.before;
        }
        let changes = self.db.savepoint(|| {
            let changes = self.db.undo(newest_first.iter().map(|undo| undo.records.as_slice()))?;
            for lane in Lane::ALL {
                if heads[lane] != self.heads[lane] {
                    system::write_head(self.db.conn(), lane, heads[lane])?;
                    self.forget(lane, heads[lane].number + 1, u64::MAX)?;
                    system::forget_failed(self.db.conn(), lane, heads[lane].number)?;
                }
            }
            Ok::<_, SqliteError>(changes)
        })?;
        self.heads = heads;
        Ok(changes)
    }

    /// Whether the undo record of every synced commit is kept in the database from now on.
    pub fn keep_undo(&mut self, keep: bool) {
        self.keeps_undo = keep;
    }

    /// Whether undo records are kept.
    pub fn keeps_undo(&self) -> bool {
        self.keeps_undo
    }

    /// Forgets the kept records of commits up to a number: they are confirmed.
    ///
    /// # Errors
    /// [`SqliteError`] of the storage.
    pub fn trim_undo(&mut self, lane: Lane, up_to: u64) -> Result<(), SqliteError> {
        self.forget(lane, 0, up_to)
    }

    /// The kept records that lead from the head of a lane back to `to`, newest first; nothing if they don't.
    ///
    /// # Errors
    /// [`SqliteError`] of the storage.
    pub fn kept_undo(&self, lane: Lane, to: Head) -> Result<Option<Vec<Undo>>, SqliteError> {
        let (mut head, mut undos) = (self.heads[lane], Vec::new());
        while head.number > to.number {
            let Some(undo) = self.kept(lane, head)? else { return Ok(None) };
            head = undo.before;
            undos.push(undo);
        }
        Ok((head == to).then_some(undos))
    }

    /// Goes back along the kept records to the newest head of a lane that somebody knows: after a crash, the log.
    /// Says whether there is one; if not, nothing has changed and the state has to be rebuilt.
    ///
    /// # Errors
    /// Those of `knows`, and [`SqliteError`] as of [`State::roll_back`].
    pub fn go_back<E: From<SqliteError>>(
        &mut self,
        lane: Lane,
        mut knows: impl FnMut(Head) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let (mut head, mut undos) = (self.heads[lane], Vec::new());
        while !knows(head)? {
            match self.kept(lane, head)? {
                Some(undo) => {
                    head = undo.before;
                    undos.push(undo);
                }
                None => return Ok(false),
            }
        }
        if undos.is_empty() {
            return Ok(true);
        }
        match self.roll_back(&undos) {
            Ok(_) => Ok(true),
            Err(SqliteError::UndoMismatch { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The kept record of the commit that led to a head.
    fn kept(&self, lane: Lane, after: Head) -> Result<Option<Undo>, SqliteError> {
        let sql = "SELECT record FROM livestore_undo WHERE lane = ?1 AND number = ?2";
        let mut statement = self.db.conn().prepare_cached(sql)?;
        let key = (system::lane_number(lane), system::number(after.number));
        let bytes: Option<Vec<u8>> = statement.query_row(key, |row| row.get(0)).optional()?;
        let undo = bytes.and_then(|bytes| postcard::from_bytes::<Undo>(&bytes).ok());
        Ok(undo.filter(|undo| undo.lane == lane && undo.after == after))
    }

    /// Keeps a record beside the rows, if this state does.
    pub(super) fn keep(&self, undo: &Undo) -> Result<(), SqliteError> {
        if !self.keeps_undo || undo.lane == Lane::ClientOnly {
            return Ok(());
        }
        let bytes = postcard::to_allocvec(undo)
            .map_err(|error| SqliteError::OutOfMemory(error.to_string()))?;
        let sql =
            "INSERT OR REPLACE INTO livestore_undo (lane, number, record) VALUES (?1, ?2, ?3)";
        let key = (system::lane_number(undo.lane), system::number(undo.after.number));
        self.db.conn().prepare_cached(sql)?.execute((key.0, key.1, bytes))?;
        Ok(())
    }

    fn forget(&self, lane: Lane, from: u64, to: u64) -> Result<(), SqliteError> {
        let sql = "DELETE FROM livestore_undo WHERE lane = ?1 AND number BETWEEN ?2 AND ?3";
        let range = (system::lane_number(lane), system::number(from), system::number(to));
        self.db.conn().prepare_cached(sql)?.execute(range)?;
        Ok(())
    }
}
