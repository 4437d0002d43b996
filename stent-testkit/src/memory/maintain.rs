//! Maintenance: schema, health and retention.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use stent_core::backend::{Maintenance, Pruned};
use stent_core::{BackendError, ExecutionId, TaskId, Timestamp, limits};

use super::MemoryBackend;
use super::store::{MemoRow, Tables};

#[async_trait]
impl Maintenance for MemoryBackend {
    async fn migrate(&self) -> Result<(), BackendError> {
        Ok(())
    }

    async fn schema_version(&self) -> Result<u32, BackendError> {
        Ok(1)
    }

    async fn ping(&self) -> Result<Option<Timestamp>, BackendError> {
        Ok(None)
    }

    async fn prune(&self, now: Timestamp, before: Timestamp) -> Result<Pruned, BackendError> {
        Ok(self.transaction(|tables| tables.prune(now, before)))
    }

    async fn discard_dead_letter(&self, task: TaskId) -> Result<bool, BackendError> {
        Ok(self.transaction(|tables| {
            let shown = tables.dead_letters.get(&task).is_some_and(|letter| tables.known(letter.execution).is_some());
            shown && tables.dead_letters.remove(&task).is_some()
        }))
    }
}

/// How many rows one step of retention may still delete.
struct Budget(u32);

impl Budget {
    fn spend(&mut self) -> bool {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }

    /// Deletes rows of a table as long as the budget lasts.
    fn delete<K: Ord, V>(&mut self, table: &mut BTreeMap<K, V>, doomed: impl Fn(&K, &V) -> bool) {
        table.retain(|key, value| !(doomed(key, value) && self.spend()));
    }
}

impl Tables {
    fn prune(&mut self, now: Timestamp, before: Timestamp) -> Pruned {
        self.mark_ended(before);
        let mut budget = Budget(limits::BATCH);
        for execution in self.marked() {
            self.delete_execution(execution, &mut budget);
        }
        let expired = |memo: &MemoRow| memo.expires_at.is_some_and(|expires_at| expires_at <= now);
        budget.delete(&mut self.memos, |_, memo| expired(memo));
        budget.delete(&mut self.workers, |_, worker| worker.seen_at < before);

        let more = !self.marked().is_empty()
            || self.ended(before).next().is_some()
            || self.memos.values().any(expired)
            || self.workers.values().any(|worker| worker.seen_at < before);
        Pruned { rows: u64::from(limits::BATCH - budget.0), more }
    }

    /// The executions that ended before a time and are not marked yet.
    fn ended(&self, before: Timestamp) -> impl Iterator<Item = TaskId> {
        let ended = self.tasks.values().filter(move |row| row.ended_at.is_some_and(|ended_at| ended_at < before));
        ended.filter(|row| row.parent.is_none() && !row.root.deleting).map(|row| row.id)
    }

    /// From here on they are gone for everyone (C-X3).
    fn mark_ended(&mut self, before: Timestamp) {
        let mut ended: Vec<TaskId> = self.ended(before).collect();
        ended.sort_by_key(|root| self.tasks.get(root).map(|row| (row.ended_at, row.number)));
        for root in ended.into_iter().take(limits::BATCH as usize) {
            self.change(root, |row| row.root.deleting = true);
        }
    }

    fn marked(&self) -> Vec<ExecutionId> {
        self.tasks.values().filter(|row| row.root.deleting).map(|row| row.execution).collect()
    }

    /// Deletes what hangs on an execution, the root last and its dedup key with it, as far as the budget lasts.
    fn delete_execution(&mut self, execution: ExecutionId, budget: &mut Budget) {
        let root = execution.root();
        let of_it = self.tasks.values().filter(|row| row.execution == execution);
        let tasks: BTreeSet<TaskId> = of_it.map(|row| row.id).collect();
        budget.delete(&mut self.journal, |(task, _, _), _| tasks.contains(task));
        budget.delete(&mut self.memos, |_, memo| memo.owner.is_some_and(|owner| tasks.contains(&owner)));
        budget.delete(&mut self.dead_letters, |_, letter| letter.execution == execution);
        budget.delete(&mut self.slots, |(of, _), _| *of == execution);
        budget.delete(&mut self.sends, |_, send| send.execution == execution);
        budget.delete(&mut self.variables, |of, _| *of == execution);
        let below = tasks.into_iter().filter(|task| *task != root);
        for task in below.chain([root]) {
            if budget.spend() {
                self.remove(task);
            }
        }
    }
}
