//! Savepoints and transactions: what happens in them happens, or nothing of it does, records included.
//!
//! They nest and go through `&self`. A panic takes everything back before it goes on.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{db::Db, error::SqliteError, record::Mark, recording::OnDrop};

/// An open savepoint or transaction.
#[derive(Debug)]
#[must_use]
pub(crate) struct Bracket {
    mark: Mark,
    transaction: bool,
}

impl Db {
    /// Runs `act` in a savepoint: if it fails, nothing of it has happened, records included. Savepoints nest.
    ///
    /// # Errors
    /// Those of `act`, or of the savepoint itself.
    pub fn savepoint<T, E: From<SqliteError>>(
        &self,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.bracket(act, Self::open_savepoint)
    }

    /// Runs `act` in a write transaction, or in a savepoint if one is open already.
    ///
    /// # Errors
    /// Those of `act`, or of the transaction itself.
    pub fn transaction<T, E: From<SqliteError>>(
        &self,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.bracket(act, Self::open_transaction)
    }

    fn bracket<T, E: From<SqliteError>>(
        &self,
        act: impl FnOnce() -> Result<T, E>,
        open: impl FnOnce(&Self) -> Result<Bracket, SqliteError>,
    ) -> Result<T, E> {
        let bracket = open(self)?;
        // A panic must not leave the bracket open: the store may live on.
        let done = catch_unwind(AssertUnwindSafe(act));
        self.close(bracket, done)
    }

    /// Opens a savepoint; [`Db::close`] ends it.
    pub(crate) fn open_savepoint(&self) -> Result<Bracket, SqliteError> {
        let mark = self.mark();
        self.control("SAVEPOINT livestore")?;
        Ok(Bracket { mark, transaction: false })
    }

    /// Opens a write transaction, or a savepoint if there is one already; [`Db::close`] ends it.
    pub(crate) fn open_transaction(&self) -> Result<Bracket, SqliteError> {
        if !self.conn.is_autocommit() {
            return self.open_savepoint();
        }
        let mark = self.mark();
        self.control("BEGIN IMMEDIATE")?;
        Ok(Bracket { mark, transaction: true })
    }

    /// Keeps what happened since a bracket was opened if it went well, else takes it back, records included.
    pub(crate) fn close<T, E: From<SqliteError>>(
        &self,
        Bracket { mark, transaction }: Bracket,
        done: std::thread::Result<Result<T, E>>,
    ) -> Result<T, E> {
        let (keep, take_back): (_, &[&str]) = if transaction {
            ("COMMIT", &["ROLLBACK"])
        } else {
            ("RELEASE livestore", &["ROLLBACK TO livestore", "RELEASE livestore"])
        };
        let kept = match done {
            Ok(Ok(value)) => self.control(keep).map(|()| value).map_err(E::from),
            Ok(Err(error)) => Err(error),
            Err(panic) => {
                drop(take_back.iter().try_for_each(|sql| self.control(sql)));
                self.cut_back(mark);
                resume_unwind(panic);
            }
        };
        if kept.is_err() {
            // A full disk or lost memory may have rolled everything back already.
            if !self.conn.is_autocommit() {
                take_back.iter().try_for_each(|sql| self.control(sql))?;
            }
            self.cut_back(mark);
            self.forget_rolled_back_structure()?;
        }
        kept
    }

    /// The statement is ours, whatever guard is up.
    fn control(&self, sql: &str) -> Result<(), SqliteError> {
        let guard = self.hooks.lock().guard.take();
        let restore = OnDrop(|| self.hooks.lock().guard = guard);
        self.conn.prepare_cached(sql)?.execute(())?;
        drop(restore);
        Ok(())
    }
}
