//! One look at everything.

use std::time::Duration;

use stent_core::backend::{DeadLetterFilter, ExecutionFilter, Page, TaskCount};
use stent_core::execution::{ExecutionRecord, ExecutionState};
use stent_core::task::TaskState;
use stent_core::worker::QueueRecord;
use stent_core::{BackendError, Timestamp, limits};

use super::progress::Progress;
use crate::database::Database;

/// Over which time rates are taken.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// Open executions, at most; a screen shows fewer.
const OPEN: usize = 50;
/// Failed executions, at most.
const FAILED: usize = 5;

/// What there was at one time.
pub(super) struct Snapshot {
    pub(super) at: Timestamp,
    pub(super) queues: Vec<QueueRecord>,
    pub(super) live_workers: usize,
    /// Executions that ended in the last [`WINDOW`].
    pub(super) ended: Vec<TaskCount>,
    pub(super) dead_letters: u64,
    /// The open executions among the newest thousand, each with what it said last: a look costs the same however many there are.
    pub(super) open: Vec<(ExecutionRecord, Option<String>)>,
    /// The failed ones among them.
    pub(super) failed: Vec<ExecutionRecord>,
}

/// Looks again and again, and reads of each execution's progress only what is new.
#[derive(Default)]
pub(super) struct Watching {
    progress: Progress,
}

impl Watching {
    pub(super) async fn look(&mut self, database: &Database) -> Result<Snapshot, BackendError> {
        let (backend, now) = (database.backend(), database.now());
        let workers = backend.workers().await?;
        let newest = backend.list_executions(&ExecutionFilter::default(), Page::first(limits::PAGE)).await?;
        let failed =
            newest.iter().filter(|record| record.state == ExecutionState::Failed).take(FAILED).cloned().collect();
        let open: Vec<_> = newest.into_iter().filter(|record| !record.state.is_final()).take(OPEN).collect();
        self.progress.retain(&open);
        let mut told = Vec::with_capacity(open.len());
        for record in open {
            let last = self.progress.last(backend, record.id).await?;
            told.push((record, last));
        }
        Ok(Snapshot {
            at: now,
            queues: backend.queues(now).await?,
            live_workers: workers.iter().filter(|worker| worker.is_live(now)).count(),
            ended: backend.count_ended(now.before(WINDOW)..now).await?,
            dead_letters: backend.count_dead_letters(&DeadLetterFilter::default()).await?,
            open: told,
            failed,
        })
    }
}

impl Snapshot {
    /// Ready, scheduled, running and suspended tasks of all queues.
    pub(super) fn depths(&self) -> [u64; 4] {
        let mut depths = [0; 4];
        for queue in &self.queues {
            let of = [queue.ready, queue.scheduled, queue.running, queue.suspended];
            depths.iter_mut().zip(of).for_each(|(sum, depth)| *sum += depth);
        }
        depths
    }

    /// How many executions ended a second, and how many of them failed.
    pub(super) fn rates(&self) -> [f64; 2] {
        let sum = |is: fn(TaskState) -> bool| {
            let tasks: u64 = self.ended.iter().filter(|count| is(count.state)).map(|count| count.tasks).sum();
            // Exact as long as fewer than four thousand million end in a window.
            f64::from(u32::try_from(tasks).unwrap_or(u32::MAX)) / WINDOW.as_secs_f64()
        };
        [sum(|_| true), sum(|state| state == TaskState::Failed)]
    }
}
