//! Claims: tasks are taken, kept and let go.

use std::cmp::Reverse;

use async_trait::async_trait;
use stent_core::backend::Claims;
use stent_core::claim::{Claim, ClaimFunction, ClaimRequest, Claimed, ClaimedTask, Renewal};
use stent_core::task::TaskState;
use stent_core::worker::{WorkerRecord, WorkerState};
use stent_core::{BackendError, ClaimToken, TaskId, Timestamp, WorkerId, limits};

use super::MemoryBackend;
use super::store::{Tables, TaskRow};

#[async_trait]
impl Claims for MemoryBackend {
    async fn claim(&self, now: Timestamp, request: &ClaimRequest) -> Result<Claimed, BackendError> {
        Ok(self.transaction(|tables| {
            tables.promote(now);
            // A repeat answers with the same tasks and takes no others (C-Q2).
            let mut taken = tables.running_under(request.token);
            if taken.is_empty() {
                taken = tables.take_free(now, request);
            }
            Claimed {
                tasks: taken.into_iter().filter_map(|task| tables.claimed(task)).collect(),
                corrupt: Vec::new(),
                next_due: tables.waiting_for_time().map(|(due, _)| due).min(),
                next_deadline: tables.open().filter_map(|row| row.root.deadline).min(),
            }
        }))
    }

    async fn renew(
        &self,
        now: Timestamp,
        worker: &WorkerRecord,
        claims: &[Claim],
    ) -> Result<Vec<Renewal>, BackendError> {
        Ok(self.transaction(|tables| {
            tables.workers.insert(worker.id, WorkerRecord { seen_at: now, ..worker.clone() });
            let renew = |claim: &Claim| {
                if tables.held(*claim).is_some() {
                    // Also if the lease has run out, as nobody has taken the task since (C-Q2).
                    tables.change(claim.task, |row| row.lease_until = Some(now.after(worker.lease)));
                    return Renewal::Renewed;
                }
                match tables.tasks.get(&claim.task).map(|row| row.state) {
                    Some(TaskState::Cancelled) => Renewal::Cancelled,
                    _ => Renewal::Lost,
                }
            };
            claims.iter().map(renew).collect()
        }))
    }

    async fn lapse(&self, now: Timestamp, worker: WorkerId) -> Result<u32, BackendError> {
        Ok(self.transaction(|tables| {
            if let Some(record) = tables.workers.get_mut(&worker) {
                record.state = WorkerState::Stopped;
            }
            let held = tables.open().filter(|row| row.worker == Some(worker));
            let held: Vec<TaskId> = held.map(|row| row.id).collect();
            for task in &held {
                tables.change(*task, |row| row.lease_until = row.lease_until.min(Some(now)));
            }
            u32::try_from(held.len()).unwrap_or(u32::MAX)
        }))
    }
}

impl Tables {
    /// The scheduled tasks and the suspended ones with a timer, with their times.
    fn waiting_for_time(&self) -> impl Iterator<Item = (Timestamp, TaskId)> {
        let waiting = |row: &&TaskRow| matches!(row.state, TaskState::Scheduled | TaskState::Suspended);
        self.open().filter(waiting).filter_map(|row| Some((row.due?, row.id)))
    }

    /// Makes what is due pending, in due order, at most [`limits::BATCH`] (C-Q1).
    fn promote(&mut self, now: Timestamp) {
        let mut due: Vec<_> = self.waiting_for_time().filter(|(due, _)| *due <= now).collect();
        // Which of equals goes first is free: the one that was made first.
        due.sort_unstable_by_key(|(due, task)| (*due, self.tasks.get(task).map(|row| row.number)));
        due.truncate(limits::BATCH as usize);
        for (_, task) in due {
            self.change(task, |row| row.state = TaskState::Pending);
        }
    }

    /// The tasks that run under a token, in claim order.
    fn running_under(&self, token: ClaimToken) -> Vec<TaskId> {
        self.in_claim_order(|row| row.state == TaskState::Running && row.token == Some(token))
    }

    /// Priority (high first), then due time, then id (C-Q1).
    fn in_claim_order(&self, wanted: impl Fn(&TaskRow) -> bool) -> Vec<TaskId> {
        let mut rows: Vec<&TaskRow> = self.open().filter(|row| wanted(row)).collect();
        rows.sort_by_key(|row| (Reverse(row.call.priority), row.due, row.id));
        rows.into_iter().map(|row| row.id).collect()
    }

    /// Takes what is free and fits, up to the limit. The filters come before it, so that an empty answer means that nothing eligible was free (C-Q1).
    fn take_free(&mut self, now: Timestamp, request: &ClaimRequest) -> Vec<TaskId> {
        let mut taken = Vec::new();
        for task in self.in_claim_order(|row| is_free(now, request, row) && fits(request, row)) {
            if taken.len() == request.limit as usize {
                break;
            }
            let Some(row) = self.tasks.get(&task) else { continue };
            let Some(function) = function_of(request, row) else { continue };
            if let Some(max_concurrent) = function.max_concurrent {
                if !self.has_place_for(row, max_concurrent) {
                    continue;
                }
                self.limits.insert(function.name.clone(), max_concurrent);
            }
            self.take(now, request, task, function.max_concurrent.is_some());
            taken.push(task);
        }
        taken
    }

    fn take(&mut self, now: Timestamp, request: &ClaimRequest, task: TaskId, is_limited: bool) {
        let Some(row) = self.tasks.get(&task) else { return };
        let is_fresh = self.is_fresh(row);
        // A replay is no attempt (C-Y4), except the first one after attempts were given back.
        let counts = is_fresh || row.attempt == 0;
        let ran_out_idle = row.state == TaskState::Running && !is_fresh && !self.claim_wrote(row);
        self.change(task, |row| {
            row.attempt += u32::from(counts);
            row.counted = counts;
            row.deliveries = if ran_out_idle { row.deliveries + 1 } else { 0 };
            if is_fresh {
                row.journal_from = Some(now);
            }
            row.state = TaskState::Running;
            (row.token, row.worker) = (Some(request.token), Some(request.worker));
            (row.claimed_at, row.lease_until) = (Some(now), Some(now.after(request.lease)));
            row.started_at.get_or_insert(now);
            row.reason = None;
            row.place |= is_limited;
        });
    }

    /// Whether the task's present claim has written an entry, or a call since it was made (C-Y4).
    fn claim_wrote(&self, row: &TaskRow) -> bool {
        let wrote_entry = self.entries(row.id, row.generation).any(|entry| Some(entry.token) == row.token);
        let made_call = self.children(row.id).any(|child| {
            let made = child.made.as_ref();
            made.is_some_and(|made| made.generation == row.generation && made.index.is_none())
                && Some(child.created_at) >= row.claimed_at
        });
        wrote_entry || made_call
    }

    fn claimed(&self, task: TaskId) -> Option<ClaimedTask> {
        let row = self.tasks.get(&task)?;
        Some(ClaimedTask {
            claim: Claim { task, token: row.token? },
            execution: row.execution,
            parent: row.parent,
            depth: row.depth,
            function: row.call.function.clone(),
            version: row.call.version.clone(),
            input: row.call.input.clone(),
            fingerprint: row.call.fingerprint,
            queue: row.call.queue.clone(),
            retry: row.call.retry.as_ref().clone(),
            memo: row.call.memo,
            attempt: row.attempt,
            deliveries: row.deliveries,
            generation: row.generation,
            is_fresh: self.is_fresh(row),
            journal_started_at: row.journal_from?,
            started_at: row.started_at?,
            last_failure: row.failure.clone(),
            trace: row.call.trace.clone(),
        })
    }
}

/// Pending, or running with a lease that has ended, at exactly `now` too (C-Q2).
fn is_free(now: Timestamp, request: &ClaimRequest, row: &TaskRow) -> bool {
    match row.state {
        TaskState::Pending => true,
        TaskState::Running => request.take_expired && row.lease_until <= Some(now),
        _ => false,
    }
}

/// C-R7 for the function, C-Q1 for queue and tags.
fn fits(request: &ClaimRequest, row: &TaskRow) -> bool {
    let queue = row.call.queue.as_ref().is_none_or(|queue| request.queues.is_empty() || request.queues.contains(queue));
    let (own, asked) = (&row.call.tags, &request.tags);
    let tags = own.is_empty() || asked.is_empty() || own.iter().any(|tag| asked.contains(tag));
    queue && tags && function_of(request, row).is_some()
}

fn function_of<'a>(request: &'a ClaimRequest, row: &TaskRow) -> Option<&'a ClaimFunction> {
    let is_it = |function: &&ClaimFunction| function.name == row.call.function && function.version == row.call.version;
    request.functions.iter().find(is_it)
}
