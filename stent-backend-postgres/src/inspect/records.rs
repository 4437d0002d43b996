//! Rows as operators see them.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use stent_core::backend::{ProgressCursor, ProgressEntry, ProgressEvent, TaskCount};
use stent_core::claim::ClaimFunction;
use stent_core::dead_letter::DeadLetter;
use stent_core::error::BackendError;
use stent_core::execution::{ExecutionRecord, ExecutionState};
use stent_core::journal::EntryBody;
use stent_core::name::{QueueName, Tag};
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::task::{TaskPayloads, TaskRecord, Wait};
use stent_core::worker::{LimitRecord, QueueRecord, WorkerRecord, WorkerState};

use crate::announce::StoredFunction;
use crate::entry;
use crate::row::Columns;

pub(super) fn execution(columns: Columns<'_>) -> Result<ExecutionRecord, BackendError> {
    let started_at = columns.optional_time("started_at")?;
    Ok(ExecutionRecord {
        id: columns.id("id")?,
        function: columns.name("function")?,
        version: columns.version("version")?,
        queue: columns.optional_name("queue")?,
        tags: columns.tags("tags")?,
        priority: columns.number("priority")?,
        state: ExecutionState::of_root(columns.state("state")?, started_at.is_some()),
        created_at: columns.time("created_at")?,
        started_at,
        ended_at: columns.optional_time("ended_at")?,
        deadline: columns.optional_time("deadline")?,
        failure: columns.optional_failure("failure")?,
        dedup: columns.optional_name("dedup")?,
    })
}

/// The place in the list of those asked for, and the payloads.
pub(super) fn payloads(columns: Columns<'_>) -> Result<(usize, TaskPayloads), BackendError> {
    let payloads = TaskPayloads { input: columns.payload("input")?, output: columns.optional_payload("output")? };
    Ok((columns.number("key")?, payloads))
}

pub(super) fn wait(columns: Columns<'_>) -> Result<Wait, BackendError> {
    if let Some(name) = columns.optional_name("signal")? {
        return Ok(Wait::Signal(name));
    }
    let operation = OperationId {
        turn: columns.number("op_turn")?,
        kind: OperationKind::Map,
        name: columns.text("op_name")?.into(),
        key: OperationKey::none(),
        number: columns.number("op_number")?,
    };
    let items = columns.number("first")?..columns.number("past")?;
    Ok(Wait::Map { operation, items, settled: columns.flag("settled")? })
}

pub(super) fn task(columns: Columns<'_>) -> Result<TaskRecord, BackendError> {
    let state = columns.state("state")?;
    Ok(TaskRecord {
        id: columns.id("id")?,
        execution: columns.id("execution")?,
        parent: columns.optional_id("parent")?,
        depth: columns.number("depth")?,
        index: columns.optional_number("map_index")?,
        function: columns.name("function")?,
        version: columns.version("version")?,
        queue: columns.optional_name("queue")?,
        tags: columns.tags("tags")?,
        priority: columns.number("priority")?,
        state,
        attempt: columns.number("attempt")?,
        deliveries: columns.number("deliveries")?,
        generation: columns.number("generation")?,
        created_at: columns.time("created_at")?,
        // The row keeps the last one.
        due: columns.optional_time("due")?.filter(|_| !state.is_final()),
        started_at: columns.optional_time("started_at")?,
        ended_at: columns.optional_time("ended_at")?,
        worker: columns.optional_id("worker")?,
        lease_until: columns.optional_time("lease_until")?,
        failure: columns.optional_failure("failure")?,
        reason: columns.optional_text("reason")?.map(Into::into),
        sizes: (columns.number("input_size")?, columns.number("output_size")?),
    })
}

pub(super) fn task_count(columns: Columns<'_>) -> Result<TaskCount, BackendError> {
    Ok(TaskCount {
        function: columns.name("function")?,
        state: columns.state("state")?,
        tasks: columns.number("tasks")?,
    })
}

/// `None` for an entry that is no progress.
pub(super) fn progress(columns: Columns<'_>) -> Result<Option<ProgressEntry>, BackendError> {
    let entry = entry::entry(&columns)?;
    let cursor = ProgressCursor { at: entry.at, task: columns.id("task")?, seq: entry.seq };
    let event = match entry.body {
        EntryBody::Note(note) => ProgressEvent::Note(note),
        EntryBody::Chunk { map, closed, .. } => ProgressEvent::Chunk { map, closed },
        _ => return Ok(None),
    };
    Ok(Some(ProgressEntry { cursor, event }))
}

pub(super) fn dead_letter(columns: Columns<'_>) -> Result<DeadLetter, BackendError> {
    Ok(DeadLetter {
        task: columns.id("task")?,
        execution: columns.id("execution")?,
        function: columns.name("function")?,
        queue: columns.optional_name("queue")?,
        input: columns.payload("input")?,
        retry: columns.retry("retry")?,
        attempts: columns.number("attempts")?,
        failure: columns.failure("failure")?,
        at: columns.time("at")?,
    })
}

pub(super) fn queue(columns: Columns<'_>) -> Result<QueueRecord, BackendError> {
    Ok(QueueRecord {
        queue: columns.optional_name("queue")?,
        ready: columns.number("ready")?,
        scheduled: columns.number("scheduled")?,
        running: columns.number("running")?,
        suspended: columns.number("suspended")?,
        oldest_ready: columns.optional_time("oldest_ready")?,
    })
}

pub(super) fn worker(columns: Columns<'_>) -> Result<WorkerRecord, BackendError> {
    let functions: Vec<StoredFunction> = columns.json("functions")?;
    Ok(WorkerRecord {
        id: columns.id("id")?,
        process: columns.json("process")?,
        state: columns.parsed("state", WorkerState::parse)?,
        concurrency: columns.number("concurrency")?,
        functions: functions.into_iter().map(ClaimFunction::from).collect(),
        queues: list::<QueueName>(columns, "queues")?,
        tags: list::<Tag>(columns, "tags")?,
        lease: Duration::from_micros(columns.number("lease")?),
        seen_at: columns.time("seen_at")?,
    })
}

pub(super) fn limit(columns: Columns<'_>) -> Result<LimitRecord, BackendError> {
    Ok(LimitRecord {
        function: columns.name("function")?,
        max_concurrent: columns.number("max_concurrent")?,
        held: columns.number("held")?,
    })
}

fn list<T: for<'de> Deserialize<'de>>(columns: Columns<'_>, column: &'static str) -> Result<Arc<[T]>, BackendError> {
    columns.json::<Vec<T>>(column).map(Into::into)
}
