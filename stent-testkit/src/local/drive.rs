//! Lets everything run that can, and moves the clock only when nothing can.

use std::sync::Arc;
use std::time::Duration;

use stent_core::backend::{Inspect, Outcomes, Page, TaskFilter};
use stent_core::execution::ExecutionStatus;
use stent_core::retry::ErrorClass;
use stent_core::task::{TaskRecord, TaskState};
use stent_core::{BackendError, Clock, ExecutionId, Timestamp, limits};
use stent_executor::Worker;

use super::clock::EventClock;
use super::parking::Parking;
use crate::memory::MemoryBackend;

/// Real time in which code comes to rest that only waits.
const A_MOMENT: Duration = Duration::from_millis(100);

/// How far things are to go.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// Until nothing can go on without the clock being moved.
    Rest,
    /// The same, with the clock moved to this time, from event to event.
    Time(Timestamp),
    /// Until this execution has ended, however long that takes by the clock.
    End(ExecutionId),
    /// Until the one who asked wants no more; the clock is not moved.
    Stopped,
}

/// Why a goal is not reached.
#[derive(Debug)]
pub(super) enum Halt {
    /// Nothing will happen any more.
    Stuck,
    /// A task's code does not fit its journal.
    Diverged(Box<TaskRecord>),
    /// There was still something to run after the patience.
    Restless,
    Trouble(BackendError),
    /// The process was killed.
    Killed,
}

impl From<BackendError> for Halt {
    fn from(error: BackendError) -> Self {
        Self::Trouble(error)
    }
}

/// Drives a worker, from within the runtime that it runs on.
pub(super) struct Driver {
    pub(super) worker: Arc<Worker>,
    pub(super) backend: MemoryBackend,
    pub(super) clock: EventClock,
    pub(super) parking: Parking,
    /// Real time that a goal may take.
    pub(super) patience: Duration,
}

impl Driver {
    pub(super) async fn reach(&self, goal: Goal) -> Result<(), Halt> {
        // Real time, and this runtime's: that of the test may be paused.
        let reached = tokio::time::timeout(self.patience, self.go_on(goal)).await.unwrap_or(Err(Halt::Restless));
        // Code that goes on and on is found at rest between two events; code that runs is not.
        if tokio::time::timeout(A_MOMENT, self.quiet()).await.is_ok() {
            self.put_away().await;
        }
        reached
    }

    async fn go_on(&self, goal: Goal) -> Result<(), Halt> {
        loop {
            self.rest().await;
            if let Some(task) = self.diverged().await? {
                return Err(Halt::Diverged(Box::new(task)));
            }
            let (now, next) = (self.clock.now(), self.clock.next_event());
            match goal {
                Goal::Rest => return Ok(()),
                Goal::Stopped => std::future::pending().await,
                Goal::Time(end) if now >= end => return Ok(()),
                Goal::Time(end) => self.clock.set(next.map_or(end, |next| next.min(end))),
                Goal::End(execution) if self.has_ended(execution).await? => return Ok(()),
                Goal::End(_) => self.clock.set(next.ok_or(Halt::Stuck)?),
            }
        }
    }

    /// Waits until nothing can go on without the clock being moved: no code runs, real input and output included, no call of the store is under way, no
    /// task is free to be claimed, nothing was woken, and no code goes on whose claim is lost.
    async fn rest(&self) {
        self.quiet().await;
        if self.worker.tasks() > 0 {
            // Tasks that wait in memory are not told when their execution or parent has ended: a renewal says so. In production
            // there are many of them between two events.
            self.worker.renew().await;
            self.quiet().await;
        }
    }

    async fn quiet(&self) {
        let worker = Arc::clone(&self.worker);
        self.parking.parked(move || worker.is_idle()).await;
    }

    /// Lets all tasks that only wait leave memory: the store tells what they wait for, and a test sees the same whether they waited often before or not.
    async fn put_away(&self) {
        self.worker.suspend_at_once(true);
        self.quiet().await;
        self.worker.suspend_at_once(false);
    }

    /// A task that was put off as its code does not fit its journal. The code of a test never changes, so that time mends nothing.
    async fn diverged(&self) -> Result<Option<TaskRecord>, BackendError> {
        let filter = TaskFilter { states: vec![TaskState::Scheduled], ..TaskFilter::default() };
        let tasks = self.backend.list_tasks(&filter, Page::first(limits::PAGE)).await?;
        let diverged = |task: &TaskRecord| {
            task.reason.as_ref().is_some_and(|reason| reason.starts_with(ErrorClass::NONDETERMINISM))
        };
        Ok(tasks.into_iter().find(diverged))
    }

    /// One that does not exist has ended as far as waiting is concerned.
    async fn has_ended(&self, execution: ExecutionId) -> Result<bool, BackendError> {
        let statuses = self.backend.executions(&[execution]).await?;
        Ok(!statuses.iter().any(|status| matches!(status, ExecutionStatus::Open(_))))
    }
}
