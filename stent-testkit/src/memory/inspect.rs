//! Inspection: what an operator reads. Executions that are being deleted are shown nowhere.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use stent_core::backend::{
    DeadLetterFilter, ExecutionFilter, Inspect, Page, ProgressCursor, ProgressEntry, ProgressEvent, TaskCount,
    TaskFilter,
};
use stent_core::dead_letter::DeadLetter;
use stent_core::execution::ExecutionRecord;
use stent_core::journal::{EntryBody, JournalEntry};
use stent_core::name::{QueueName, SignalName};
use stent_core::operation::OperationId;
use stent_core::outcome::OperationOutcome;
use stent_core::task::{TaskPayloads, TaskRecord, TaskState, Wait};
use stent_core::worker::{LimitRecord, QueueRecord, WorkerRecord};
use stent_core::{BackendError, ExecutionId, Payload, TaskId, Timestamp, limits};

use super::MemoryBackend;
use super::store::{JournalRow, Tables, TaskRow};

#[async_trait]
impl Inspect for MemoryBackend {
    async fn list_executions(
        &self,
        filter: &ExecutionFilter,
        page: Page<ExecutionId>,
    ) -> Result<Vec<ExecutionRecord>, BackendError> {
        Ok(self.transaction(|tables| {
            let rows = tables.executions(filter).rev().filter(|row| page.after.is_none_or(|last| row.execution < last));
            rows.take(page_limit(page)).map(execution_record).collect()
        }))
    }

    async fn count_executions(&self, filter: &ExecutionFilter) -> Result<u64, BackendError> {
        Ok(self.transaction(|tables| count(tables.executions(filter))))
    }

    async fn count_ended(&self, span: Range<Timestamp>) -> Result<Vec<TaskCount>, BackendError> {
        let ended = |row: &&TaskRow| row.ended_at.is_some_and(|at| span.contains(&at));
        Ok(self.transaction(|tables| counts(tables.executions(&ExecutionFilter::default()).filter(ended))))
    }

    async fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, BackendError> {
        Ok(self.transaction(|tables| tables.known(id).map(execution_record)))
    }

    async fn list_tasks(&self, filter: &TaskFilter, page: Page<TaskId>) -> Result<Vec<TaskRecord>, BackendError> {
        Ok(self.transaction(|tables| {
            let rows = tables.shown_tasks(filter).filter(|row| page.after.is_none_or(|last| row.id > last));
            rows.take(page_limit(page)).map(task_record).collect()
        }))
    }

    async fn count_tasks(&self, filter: &TaskFilter) -> Result<u64, BackendError> {
        Ok(self.transaction(|tables| count(tables.shown_tasks(filter))))
    }

    async fn count_children(&self, parent: TaskId) -> Result<Vec<TaskCount>, BackendError> {
        Ok(self.transaction(|tables| {
            let filter = TaskFilter { parent: Some(parent), ..TaskFilter::default() };
            counts(tables.shown_tasks(&filter))
        }))
    }

    async fn task(&self, id: TaskId) -> Result<Option<TaskRecord>, BackendError> {
        Ok(self.transaction(|tables| tables.shown_task(id).map(task_record)))
    }

    async fn payloads(&self, tasks: &[TaskId]) -> Result<Vec<Option<TaskPayloads>>, BackendError> {
        Ok(self.transaction(|tables| tasks.iter().map(|task| tables.shown_task(*task).map(payloads)).collect()))
    }

    async fn waits(&self, task: TaskId) -> Result<Vec<Wait>, BackendError> {
        Ok(self.transaction(|tables| {
            let row = tables.shown_task(task).filter(|row| row.state == TaskState::Suspended);
            let mut waits: Vec<Wait> = row.map(|row| row.waits.clone()).unwrap_or_default();
            waits.retain(|wait| !matches!(wait, Wait::Child(_)));
            waits.sort_by(|a, b| order(a).cmp(&order(b)));
            waits
        }))
    }

    async fn list_journal(&self, task: TaskId, page: Page<u32>) -> Result<Vec<JournalEntry>, BackendError> {
        Ok(self.transaction(|tables| {
            let rows = tables.shown_task(task).into_iter().flat_map(|row| tables.entries(row.id, row.generation));
            let rows = rows.filter(|row| page.after.is_none_or(|last| row.entry.seq > last));
            rows.take(page_limit(page)).map(|row| without_payloads(&row.entry)).collect()
        }))
    }

    async fn list_progress(
        &self,
        execution: ExecutionId,
        page: Page<ProgressCursor>,
    ) -> Result<Vec<ProgressEntry>, BackendError> {
        Ok(self.transaction(|tables| {
            let mut progress = tables.progress(execution);
            progress.retain(|entry| page.after.is_none_or(|last| entry.cursor > last));
            progress.truncate(page_limit(page));
            progress
        }))
    }

    async fn list_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: Page<TaskId>,
    ) -> Result<Vec<DeadLetter>, BackendError> {
        Ok(self.transaction(|tables| {
            let letters =
                tables.shown_dead_letters(filter).filter(|letter| page.after.is_none_or(|last| letter.task > last));
            letters.take(page_limit(page)).cloned().collect()
        }))
    }

    async fn count_dead_letters(&self, filter: &DeadLetterFilter) -> Result<u64, BackendError> {
        Ok(self.transaction(|tables| count(tables.shown_dead_letters(filter))))
    }

    async fn dead_letter(&self, task: TaskId) -> Result<Option<DeadLetter>, BackendError> {
        Ok(self.transaction(|tables| {
            tables.shown_dead_letters(&DeadLetterFilter::default()).find(|letter| letter.task == task).cloned()
        }))
    }

    async fn queues(&self, now: Timestamp) -> Result<Vec<QueueRecord>, BackendError> {
        Ok(self.transaction(|tables| {
            let mut queues = BTreeMap::new();
            tables.open().for_each(|row| add_depth(&mut queues, now, row));
            queues.into_values().collect()
        }))
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, BackendError> {
        Ok(self.transaction(|tables| tables.workers.values().cloned().collect()))
    }

    async fn limits(&self) -> Result<Vec<LimitRecord>, BackendError> {
        Ok(self.transaction(|tables| {
            let record = |(function, max_concurrent): (&_, &u32)| LimitRecord {
                held: u32::try_from(tables.places_held(function)).unwrap_or(u32::MAX),
                function: function.clone(),
                max_concurrent: *max_concurrent,
            };
            tables.limits.iter().map(record).collect()
        }))
    }
}

impl Tables {
    /// The roots that a filter lets through, by id.
    fn executions(&self, filter: &ExecutionFilter) -> impl DoubleEndedIterator<Item = &TaskRow> {
        self.tasks.values().filter(move |row| {
            let ExecutionFilter { states, function, queue, tag, since } = filter;
            row.parent.is_none()
                && !row.root.deleting
                && (states.is_empty() || states.contains(&row.execution_state()))
                && function.as_ref().is_none_or(|function| row.call.function == *function)
                && queue.as_ref().is_none_or(|queue| row.call.queue.as_ref() == Some(queue))
                && tag.as_ref().is_none_or(|tag| row.call.tags.contains(tag))
                && since.is_none_or(|since| row.created_at >= since)
        })
    }

    /// The tasks that a filter lets through, by id.
    fn shown_tasks(&self, filter: &TaskFilter) -> impl Iterator<Item = &TaskRow> {
        self.tasks.values().filter(move |row| {
            let TaskFilter { execution, parent, states, function, queue } = filter;
            self.known(row.execution).is_some()
                && execution.is_none_or(|execution| row.execution == execution)
                && parent.is_none_or(|parent| row.parent == Some(parent))
                && (states.is_empty() || states.contains(&row.state))
                && function.as_ref().is_none_or(|function| row.call.function == *function)
                && queue.as_ref().is_none_or(|queue| row.call.queue.as_ref() == Some(queue))
        })
    }

    fn shown_task(&self, id: TaskId) -> Option<&TaskRow> {
        self.tasks.get(&id).filter(|row| self.known(row.execution).is_some())
    }

    fn shown_dead_letters(&self, filter: &DeadLetterFilter) -> impl Iterator<Item = &DeadLetter> {
        self.dead_letters.values().filter(move |letter| {
            let DeadLetterFilter { execution, function } = filter;
            self.known(letter.execution).is_some()
                && execution.is_none_or(|execution| letter.execution == execution)
                && function.as_ref().is_none_or(|function| letter.function == *function)
        })
    }

    /// The progress in the present journals of an execution's tasks, oldest first.
    fn progress(&self, execution: ExecutionId) -> Vec<ProgressEntry> {
        let of_it = self.tasks.values().filter(|row| row.execution == execution && self.known(execution).is_some());
        let mut progress: Vec<ProgressEntry> = of_it
            .flat_map(|task| self.entries(task.id, task.generation).filter_map(|row| progress_entry(task.id, row)))
            .collect();
        progress.sort_by_key(|entry| entry.cursor);
        progress
    }
}

fn page_limit<K>(page: Page<K>) -> usize {
    page.limit.min(limits::PAGE) as usize
}

fn count<T>(rows: impl Iterator<Item = T>) -> u64 {
    u64::try_from(rows.count()).unwrap_or(u64::MAX)
}

fn counts<'a>(rows: impl Iterator<Item = &'a TaskRow>) -> Vec<TaskCount> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry((row.call.function.clone(), row.state)).or_default() += 1;
    }
    counts.into_iter().map(|((function, state), tasks)| TaskCount { function, state, tasks }).collect()
}

fn size(payload: &Payload) -> u64 {
    u64::try_from(payload.len()).unwrap_or(u64::MAX)
}

fn execution_record(root: &TaskRow) -> ExecutionRecord {
    ExecutionRecord {
        id: root.execution,
        function: root.call.function.clone(),
        version: root.call.version.clone(),
        queue: root.call.queue.clone(),
        tags: root.call.tags.to_vec(),
        priority: root.call.priority,
        state: root.execution_state(),
        created_at: root.created_at,
        started_at: root.started_at,
        ended_at: root.ended_at,
        deadline: root.root.deadline,
        failure: root.failure.clone(),
        dedup: root.root.dedup.clone(),
    }
}

fn payloads(row: &TaskRow) -> TaskPayloads {
    TaskPayloads { input: row.call.input.clone(), output: row.output.clone() }
}

/// Signals by name, then maps by operation and range.
fn order(wait: &Wait) -> (bool, Option<&SignalName>, Option<(&OperationId, u32)>) {
    match wait {
        Wait::Signal(name) => (false, Some(name), None),
        Wait::Map { operation, items, .. } => (true, None, Some((operation, items.start))),
        Wait::Child(_) => (true, None, None),
    }
}

fn task_record(row: &TaskRow) -> TaskRecord {
    TaskRecord {
        id: row.id,
        execution: row.execution,
        parent: row.parent,
        depth: row.depth,
        index: row.made.as_ref().and_then(|made| made.index),
        function: row.call.function.clone(),
        version: row.call.version.clone(),
        queue: row.call.queue.clone(),
        tags: row.call.tags.to_vec(),
        priority: row.call.priority,
        state: row.state,
        attempt: row.attempt,
        deliveries: row.deliveries,
        generation: row.generation,
        created_at: row.created_at,
        due: row.due,
        started_at: row.started_at,
        ended_at: row.ended_at,
        worker: row.worker,
        lease_until: row.lease_until,
        failure: row.failure.clone(),
        reason: row.reason.clone(),
        sizes: (size(&row.call.input), row.output.as_ref().map_or(0, size)),
    }
}

fn without_payloads(entry: &JournalEntry) -> JournalEntry {
    let mut entry = entry.clone();
    match &mut entry.body {
        EntryBody::Outcome(_, OperationOutcome::Completed(value)) | EntryBody::Chunk { state: Some(value), .. } => {
            *value = Payload::default();
        }
        _ => {}
    }
    entry
}

fn progress_entry(task: TaskId, row: &JournalRow) -> Option<ProgressEntry> {
    let event = match &row.entry.body {
        EntryBody::Note(note) => ProgressEvent::Note(note.clone()),
        EntryBody::Chunk { map, closed, .. } => ProgressEvent::Chunk { map: map.clone(), closed: *closed },
        EntryBody::Made(..) | EntryBody::Outcome(..) | EntryBody::Order(_) | EntryBody::Variables => return None,
    };
    Some(ProgressEntry { cursor: ProgressCursor { at: row.entry.at, task, seq: row.entry.seq }, event })
}

/// Adds an open task to its queue's depth. What is due is ready, also before a claim has promoted it.
fn add_depth(queues: &mut BTreeMap<Option<QueueName>, QueueRecord>, now: Timestamp, row: &TaskRow) {
    let queue = queues.entry(row.call.queue.clone()).or_insert_with(|| QueueRecord {
        queue: row.call.queue.clone(),
        ready: 0,
        scheduled: 0,
        running: 0,
        suspended: 0,
        oldest_ready: None,
    });
    let is_due = row.due.is_some_and(|due| due <= now);
    match row.state {
        TaskState::Running => queue.running += 1,
        TaskState::Scheduled if !is_due => queue.scheduled += 1,
        TaskState::Suspended if !is_due => queue.suspended += 1,
        _ => {
            queue.ready += 1;
            queue.oldest_ready = [queue.oldest_ready, row.due].into_iter().flatten().min();
        }
    }
}
