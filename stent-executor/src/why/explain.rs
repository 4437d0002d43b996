//! Reading the store for what keeps a task.

use stent_core::backend::{Page, TaskFilter};
use stent_core::journal::{EntryBody, Made};
use stent_core::name::SignalName;
use stent_core::operation::{OperationId, OperationKind};
use stent_core::retry::ErrorClass;
use stent_core::task::{TaskRecord, TaskState, Wait};
use stent_core::worker::{LimitRecord, WorkerRecord, WorkerState};
use stent_core::{BackendError, ExecutionId, TaskId, Timestamp};

use super::{Explanation, NoWorker, Why};
use crate::dispatch::Execution;
use crate::error::StentError;
use crate::stent::{Stent, patiently};

/// Tasks explained in one answer, at most.
const TASKS: usize = 20;
/// Entries of a journal read at once.
const ENTRIES: u32 = 1_000;
/// The states of tasks that have not ended.
const OPEN: [TaskState; 4] = [TaskState::Scheduled, TaskState::Pending, TaskState::Running, TaskState::Suspended];

impl<T> Execution<T> {
    /// Why it is not running; see [`Stent::why`].
    ///
    /// # Errors
    /// As [`Stent::why`].
    pub async fn why(&self) -> Result<Vec<Explanation>, StentError> {
        self.stent().why(self.id()).await
    }
}

impl Stent {
    /// Why an execution is not running: of its root, then of the open tasks below it, parents before children, 20 at the most. It is a look at the
    /// store, made in several reads: what moves meanwhile may be seen half.
    ///
    /// # Errors
    /// [`StentError::NotFound`], [`StentError::Backend`].
    pub async fn why(&self, execution: ExecutionId) -> Result<Vec<Explanation>, StentError> {
        let root = self.record(execution.root()).await?;
        let root = root.ok_or_else(|| StentError::not_found("execution", execution))?;
        let place = self.place().await?;
        let mut found = vec![root];
        let mut at = 0;
        while let Some(parent) = found.get(at).map(|task| task.id)
            && let Some(left) = TASKS.checked_sub(found.len()).filter(|left| *left > 0)
        {
            found.extend(self.open_children(parent, left).await?);
            at += 1;
        }
        let mut explanations = Vec::with_capacity(found.len());
        for task in found {
            explanations.push(self.explain(&place, task).await?);
        }
        Ok(explanations)
    }

    /// Why one task is not running.
    ///
    /// # Errors
    /// [`StentError::NotFound`], [`StentError::Backend`].
    pub async fn why_task(&self, task: TaskId) -> Result<Explanation, StentError> {
        let record = self.record(task).await?.ok_or_else(|| StentError::not_found("task", task))?;
        Ok(self.explain(&self.place().await?, record).await?)
    }

    async fn record(&self, task: TaskId) -> Result<Option<TaskRecord>, BackendError> {
        let backend = &self.program.backend;
        patiently(BackendError::is_transient, || backend.task(task)).await
    }

    async fn open_children(&self, parent: TaskId, limit: usize) -> Result<Vec<TaskRecord>, BackendError> {
        let filter = TaskFilter { parent: Some(parent), states: OPEN.to_vec(), ..TaskFilter::default() };
        let page = Page::first(u32::try_from(limit).unwrap_or(u32::MAX));
        let backend = &self.program.backend;
        patiently(BackendError::is_transient, || backend.list_tasks(&filter, page)).await
    }

    /// Who could run tasks at this time.
    async fn place(&self) -> Result<Place, BackendError> {
        let (backend, now) = (&self.program.backend, self.program.clock.now());
        let mut workers = patiently(BackendError::is_transient, || backend.workers()).await?;
        // One that was heard of first a moment ago still calls itself starting.
        let claims = |worker: &WorkerRecord| matches!(worker.state, WorkerState::Starting | WorkerState::Ready);
        workers.retain(|worker| claims(worker) && worker.is_live(now));
        let limits = patiently(BackendError::is_transient, || backend.limits()).await?;
        Ok(Place { now, workers, limits })
    }

    async fn explain(&self, place: &Place, task: TaskRecord) -> Result<Explanation, BackendError> {
        let why = match task.state {
            TaskState::Suspended if task.due.is_none_or(|due| due > place.now) => self.waiting(&task).await?,
            _ => place.why(&task),
        };
        Ok(Explanation { task: task.id, execution: task.execution, function: task.function, state: task.state, why })
    }

    async fn waiting(&self, task: &TaskRecord) -> Result<Why, BackendError> {
        let backend = &self.program.backend;
        let waits = patiently(BackendError::is_transient, || backend.waits(task.id)).await?;
        let names = waits.into_iter().filter_map(|wait| match wait {
            Wait::Signal(name) => Some(name),
            _ => None,
        });
        let names: Vec<SignalName> = names.collect();
        let signals = if names.is_empty() { Vec::new() } else { self.since(task, names).await? };
        let filter = TaskFilter { parent: Some(task.id), states: OPEN.to_vec(), ..TaskFilter::default() };
        let children = patiently(BackendError::is_transient, || backend.count_tasks(&filter)).await?;
        Ok(Why::Waiting { signals, until: task.due, children })
    }

    /// Since when a task waits for signals: the journal says when each wait was made.
    async fn since(
        &self,
        task: &TaskRecord,
        names: Vec<SignalName>,
    ) -> Result<Vec<(SignalName, Timestamp)>, BackendError> {
        let backend = &self.program.backend;
        let mut open: Vec<(OperationId, Timestamp)> = Vec::new();
        let mut page = Page::first(ENTRIES);
        loop {
            let entries = patiently(BackendError::is_transient, || backend.list_journal(task.id, page)).await?;
            let Some(last) = entries.last().map(|entry| entry.seq) else { break };
            for entry in entries {
                match entry.body {
                    EntryBody::Made(operation, Made::Signal { .. }) => open.push((operation, entry.at)),
                    EntryBody::Outcome(operation, _) if operation.kind == OperationKind::Signal => {
                        open.retain(|(other, _)| *other != operation);
                    }
                    _ => {}
                }
            }
            page = Page { after: Some(last), limit: ENTRIES };
        }
        let since =
            |name: &SignalName| open.iter().rev().find(|(wait, _)| *wait.name == **name).map(|(_, since)| *since);
        Ok(names
            .into_iter()
            .map(|name| (since(&name).unwrap_or(task.created_at), name))
            .map(|(at, name)| (name, at))
            .collect())
    }
}

/// Who could run tasks.
struct Place {
    now: Timestamp,
    /// Live workers.
    workers: Vec<WorkerRecord>,
    limits: Vec<LimitRecord>,
}

impl Place {
    fn why(&self, task: &TaskRecord) -> Why {
        if let Some(at) = task.ended_at {
            return Why::Ended { at, failure: task.failure.clone() };
        }
        if let (TaskState::Running, Some(worker), Some(until)) = (task.state, task.worker, task.lease_until) {
            return match until > self.now {
                true => Why::Running { worker, attempt: task.attempt },
                false => Why::Lost { worker, since: until },
            };
        }
        match task.due.filter(|due| *due > self.now) {
            Some(due) => later(task, due),
            None => self.why_not_claimed(task),
        }
    }

    fn why_not_claimed(&self, task: &TaskRecord) -> Why {
        let fitting = match self.fitting(task) {
            Ok(fitting) => fitting,
            Err(missing) => return Why::NoWorker(missing),
        };
        let limit = self.limits.iter().find(|limit| limit.function == task.function);
        if let Some(limit) = limit.filter(|limit| limit.held >= limit.max_concurrent) {
            return Why::LimitReached { max_concurrent: limit.max_concurrent, held: limit.held };
        }
        Why::Ready { since: task.due.unwrap_or(task.created_at), workers: fitting }
    }

    /// How many live workers may take the task, or what all of them lack.
    fn fitting(&self, task: &TaskRecord) -> Result<usize, NoWorker> {
        if self.workers.is_empty() {
            return Err(NoWorker::Live);
        }
        let versions = |worker: &WorkerRecord| -> Vec<_> {
            let same = worker.functions.iter().filter(|function| function.name == task.function);
            same.map(|function| function.version.clone()).collect()
        };
        let mut there: Vec<_> = self.workers.iter().flat_map(versions).collect();
        if there.is_empty() {
            return Err(NoWorker::Function { live: self.workers.len() });
        }
        if !there.contains(&task.version) {
            there.sort_unstable();
            there.dedup();
            return Err(NoWorker::Version { needed: task.version.clone(), there });
        }
        let able = self.workers.iter().filter(|worker| versions(worker).contains(&task.version));
        let serves = |worker: &&WorkerRecord| {
            worker.queues.is_empty() || task.queue.as_ref().is_none_or(|queue| worker.queues.contains(queue))
        };
        let serving: Vec<_> = able.filter(serves).collect();
        if let (true, Some(queue)) = (serving.is_empty(), &task.queue) {
            return Err(NoWorker::Queue(queue.clone()));
        }
        let shares = |worker: &&&WorkerRecord| {
            worker.tags.is_empty() || task.tags.is_empty() || worker.tags.iter().any(|tag| task.tags.contains(tag))
        };
        match serving.iter().filter(shares).count() {
            0 => Err(NoWorker::Tags(task.tags.clone())),
            fitting => Ok(fitting),
        }
    }
}

/// Why a task is not due before a time.
fn later(task: &TaskRecord, until: Timestamp) -> Why {
    match (&task.reason, &task.failure) {
        (Some(reason), _) if reason.starts_with(ErrorClass::NONDETERMINISM) => {
            Why::Diverged { until, difference: reason.clone() }
        }
        (Some(reason), _) => Why::Released { until, reason: reason.clone() },
        (None, Some(failure)) => Why::Retrying { at: until, attempt: task.attempt, failure: failure.clone() },
        (None, None) => Why::Scheduled { until },
    }
}
