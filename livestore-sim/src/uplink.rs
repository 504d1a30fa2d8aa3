//! The leader's driver, its side towards the backend: executes merges as livestore-core does, on the model.

use std::{convert::Infallible, sync::Arc, time::Duration};

use livestore_sync::{Commit, FromBackend, Head, LeaderMerge, Refused};

use crate::{
    disk::{Disk, Merged, Reader, Row, StateFile, Transaction},
    mutation::Mutation,
    nodes::{Fate, LeaderNode, undo_key},
};

impl LeaderNode {
    /// Takes what the driver heard of the backend.
    pub fn hear(
        &mut self,
        disk: &Disk,
        now: Duration,
        message: FromBackend,
        mutation: Option<Mutation>,
    ) {
        let reader = Reader { log: &disk.log, state: &self.state, mutation };
        let read: Result<(), Infallible> = self.machine.hear(now, message, &reader);
        match read {
            Ok(()) => {}
        }
    }

    /// Writes the next merge. `None` when there is none; else whether the leader lives.
    pub fn write_merge(
        &mut self,
        disk: &mut Disk,
        now: Duration,
        fate: Fate,
        mutation: Option<Mutation>,
    ) -> Option<bool> {
        let mut merge = self.machine.next_merge(now)?;
        let before = self.state.clone();
        if mutation == Some(Mutation::LeaderDropsPending) {
            merge.reapply.pop();
        }
        self.roll_back(disk, &merge, mutation);
        let mut transaction = Transaction { own: merge.own.clone(), ..Transaction::default() };
        if mutation == Some(Mutation::BelieveNames) {
            transaction.last = merge.own.iter().map(|(id, _)| (id.session, id.n.get())).collect();
        }
        let mut head = merge.parent;
        for commit in &merge.apply {
            self.state.apply_logged(self.schema, commit);
            append(&mut transaction, &mut head, commit.clone());
        }
        let refused = self.reapply(&merge, &mut transaction, &mut head);
        let kept = |(commit, _): &&(Commit, Arc<str>)| {
            mutation != Some(Mutation::ForgetQuarantine) || commit.events().len() > 1
        };
        transaction.quarantine.extend(merge.quarantined.iter().filter(kept).cloned());
        transaction.merged = Some(merged(&merge, disk, mutation));
        self.undos.retain(|key, _| merge.apply.iter().all(|commit| undo_key(commit) != *key));
        match fate {
            Fate::DiesBeforeLog => return Some(false),
            Fate::StorageRefuses => {
                self.state = before;
                self.undos.clear();
                self.machine.finish(now, Err("the disk is full".into()));
                return Some(true);
            }
            _ => disk.commit(transaction),
        }
        if fate == Fate::DiesBeforeState {
            return Some(false);
        }
        let heads = disk.log.heads();
        disk.state = Some(StateFile { schema: self.schema, heads, state: self.state.clone() });
        if fate == Fate::DiesBeforeWord {
            return Some(false);
        }
        self.machine.finish(now, Ok(refused));
        Some(true)
    }

    /// Along the undo records; or, where one is missing, by folding the log.
    fn roll_back(&mut self, disk: &Disk, merge: &LeaderMerge, mutation: Option<Mutation>) {
        let known = |commit: &Commit| self.undos.contains_key(&undo_key(commit));
        if !merge.roll_back.iter().all(known) {
            self.state = disk.log.fold_to(self.schema, merge.parent);
            return;
        }
        let mut commits: Vec<&Commit> = merge.roll_back.iter().collect();
        if mutation == Some(Mutation::LeaderUndoOrder) {
            commits.reverse();
        }
        for commit in commits {
            if let Some(undo) = self.undos.remove(&undo_key(commit)) {
                self.state.undo(&undo);
            }
        }
    }

    fn reapply(
        &mut self,
        merge: &LeaderMerge,
        transaction: &mut Transaction,
        head: &mut Head,
    ) -> Vec<Refused> {
        let mut refused = Vec::new();
        for commit in &merge.reapply {
            match self.state.apply(self.schema, commit) {
                Ok(undo) => {
                    self.undos.insert(undo_key(commit), undo);
                    append(transaction, head, commit.clone());
                }
                Err(reason) => {
                    let reason: Arc<str> = reason.into();
                    refused.push(Refused { id: commit.id(), reason: Arc::clone(&reason) });
                    transaction.quarantine.push((commit.clone(), reason));
                }
            }
        }
        refused
    }
}

fn append(transaction: &mut Transaction, head: &mut Head, commit: Commit) {
    *head = head.after(&commit);
    transaction.rows.push(Row { head: *head, commit });
}

fn merged(merge: &LeaderMerge, disk: &Disk, mutation: Option<Mutation>) -> Merged {
    Merged {
        parent: merge.parent,
        confirmed: match mutation {
            Some(Mutation::ForgetCursor) => disk.log.confirmed,
            _ => merge.confirmed.number,
        },
        backend: merge.backend.clone(),
        epoch: merge.epoch,
        arrived: match mutation {
            Some(Mutation::KeepArrived) => Vec::new(),
            _ => merge.arrived.clone(),
        },
    }
}
