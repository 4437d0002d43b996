//! Inspection: what an operator reads, page by page. Payloads are among it where they are asked for by name, and in dead letters; what is being deleted is
//! not shown.

mod page;
mod records;

use std::ops::Range;

use async_trait::async_trait;
use stent_core::backend::{
    DeadLetterFilter, ExecutionFilter, Inspect, Page, ProgressCursor, ProgressEntry, TaskCount, TaskFilter,
};
use stent_core::dead_letter::DeadLetter;
use stent_core::error::BackendError;
use stent_core::execution::{ExecutionRecord, ExecutionState};
use stent_core::id::{ExecutionId, TaskId};
use stent_core::journal::JournalEntry;
use stent_core::task::{TaskPayloads, TaskRecord, TaskState, Wait};
use stent_core::time::Timestamp;
use stent_core::worker::{LimitRecord, QueueRecord, WorkerRecord};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::PostgresBackend;
use crate::batch::ids;
use crate::entry;
use crate::row::At;
use page::{Rows, limit_of};

#[async_trait]
impl Inspect for PostgresBackend {
    async fn list_executions(
        &self,
        filter: &ExecutionFilter,
        page: Page<ExecutionId>,
    ) -> Result<Vec<ExecutionRecord>, BackendError> {
        let rows = tasks("list_executions");
        let filter = Executions::from(filter);
        let span = (page.after.map(|last| *last.as_uuid()), limit_of(&page));
        self.read(rows.operation, move |session| {
            Box::pin(async move {
                let sql = include_str!("../sql/inspect/executions.sql");
                rows.page(session, sql, &filter.values(), span, records::execution).await
            })
        })
        .await
    }

    async fn count_executions(&self, filter: &ExecutionFilter) -> Result<u64, BackendError> {
        let sql = include_str!("../sql/inspect/count_executions.sql");
        self.count("count_executions", sql, Executions::from(filter)).await
    }

    async fn count_ended(&self, span: Range<Timestamp>) -> Result<Vec<TaskCount>, BackendError> {
        let sql = include_str!("../sql/inspect/count_ended.sql");
        self.counts("count_ended", sql, vec![Box::new(At(span.start)), Box::new(At(span.end))]).await
    }

    async fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, BackendError> {
        let rows = tasks("execution");
        self.read(rows.operation, move |session| {
            Box::pin(async move {
                let sql = include_str!("../sql/inspect/execution.sql");
                rows.one(session, sql, &[id.as_uuid()], records::execution).await
            })
        })
        .await
    }

    async fn list_tasks(&self, filter: &TaskFilter, page: Page<TaskId>) -> Result<Vec<TaskRecord>, BackendError> {
        let rows = tasks("list_tasks");
        let filter = Tasks::from(filter);
        let span = (page.after.map(|last| *last.as_uuid()), limit_of(&page));
        self.read(rows.operation, move |session| {
            Box::pin(async move {
                let (all, some) =
                    (include_str!("../sql/inspect/tasks.sql"), include_str!("../sql/inspect/tasks_of_execution.sql"));
                let sql = if filter.is_of_one() { some } else { all };
                rows.page(session, sql, &filter.values(), span, records::task).await
            })
        })
        .await
    }

    async fn count_tasks(&self, filter: &TaskFilter) -> Result<u64, BackendError> {
        let filter = Tasks::from(filter);
        let (all, some) = (
            include_str!("../sql/inspect/count_tasks.sql"),
            include_str!("../sql/inspect/count_tasks_of_execution.sql"),
        );
        self.count("count_tasks", if filter.is_of_one() { some } else { all }, filter).await
    }

    async fn count_children(&self, parent: TaskId) -> Result<Vec<TaskCount>, BackendError> {
        let sql = include_str!("../sql/inspect/count_children.sql");
        self.counts("count_children", sql, vec![Box::new(*parent.as_uuid())]).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<TaskRecord>, BackendError> {
        let rows = tasks("task");
        self.read(rows.operation, move |session| {
            Box::pin(async move {
                rows.one(session, include_str!("../sql/inspect/task.sql"), &[id.as_uuid()], records::task).await
            })
        })
        .await
    }

    async fn payloads(&self, asked: &[TaskId]) -> Result<Vec<Option<TaskPayloads>>, BackendError> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let rows = tasks("payloads");
        let asked = ids(asked);
        self.read(rows.operation, move |session| {
            Box::pin(async move {
                let mut answers = vec![None; asked.len()];
                for row in &session.query(include_str!("../sql/inspect/payloads.sql"), &[&asked]).await? {
                    let (key, payloads) = records::payloads(rows.columns(row))?;
                    if let Some(answer) = answers.get_mut(key) {
                        *answer = Some(payloads);
                    }
                }
                Ok(answers)
            })
        })
        .await
    }

    async fn waits(&self, task: TaskId) -> Result<Vec<Wait>, BackendError> {
        let waits = Rows { operation: "waits", table: "waits", key: "task" };
        self.read(waits.operation, move |session| {
            Box::pin(async move {
                let rows = session.query(include_str!("../sql/inspect/waits.sql"), &[task.as_uuid()]).await?;
                rows.iter().map(|row| records::wait(waits.columns(row))).collect()
            })
        })
        .await
    }

    async fn list_journal(&self, task: TaskId, page: Page<u32>) -> Result<Vec<JournalEntry>, BackendError> {
        let entries = journal("list_journal");
        let after = page.after.map_or(-1, |last| i32::try_from(last).unwrap_or(i32::MAX));
        let limit = i64::try_from(limit_of(&page)).unwrap_or(i64::MAX);
        self.read(entries.operation, move |session| {
            Box::pin(async move {
                let sql = include_str!("../sql/inspect/journal.sql");
                let rows = session.query(sql, &[task.as_uuid(), &after, &limit]).await?;
                rows.iter().map(|row| entry::entry(&entries.columns(row))).collect()
            })
        })
        .await
    }

    async fn list_progress(
        &self,
        execution: ExecutionId,
        page: Page<ProgressCursor>,
    ) -> Result<Vec<ProgressEntry>, BackendError> {
        let entries = journal("list_progress");
        let at = page.after.map(|last| At(last.at));
        let task = page.after.map(|last| *last.task.as_uuid());
        let seq = page.after.map(|last| i32::try_from(last.seq).unwrap_or(i32::MAX));
        let limit = i64::try_from(limit_of(&page)).unwrap_or(i64::MAX);
        self.read(entries.operation, move |session| {
            Box::pin(async move {
                let sql = include_str!("../sql/inspect/progress.sql");
                let rows = session.query(sql, &[execution.as_uuid(), &at, &task, &seq, &limit]).await?;
                let progress = rows.iter().map(|row| records::progress(entries.columns(row)));
                progress.filter_map(Result::transpose).collect()
            })
        })
        .await
    }

    async fn list_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: Page<TaskId>,
    ) -> Result<Vec<DeadLetter>, BackendError> {
        let rows = dead_letters("list_dead_letters");
        let filter = DeadLetters::from(filter);
        let span = (page.after.map(|last| *last.as_uuid()), limit_of(&page));
        self.read(rows.operation, move |session| {
            Box::pin(async move {
                let (all, some) = (
                    include_str!("../sql/inspect/dead_letters.sql"),
                    include_str!("../sql/inspect/dead_letters_of_execution.sql"),
                );
                let (sql, values) = (if filter.execution.is_some() { some } else { all }, filter.values());
                rows.page(session, sql, &values, span, records::dead_letter).await
            })
        })
        .await
    }

    async fn count_dead_letters(&self, filter: &DeadLetterFilter) -> Result<u64, BackendError> {
        let sql = include_str!("../sql/inspect/count_dead_letters.sql");
        self.count("count_dead_letters", sql, DeadLetters::from(filter)).await
    }

    async fn dead_letter(&self, task: TaskId) -> Result<Option<DeadLetter>, BackendError> {
        let rows = dead_letters("dead_letter");
        self.read(rows.operation, move |session| {
            Box::pin(async move {
                let sql = include_str!("../sql/inspect/dead_letter.sql");
                rows.one(session, sql, &[task.as_uuid()], records::dead_letter).await
            })
        })
        .await
    }

    async fn queues(&self, now: Timestamp) -> Result<Vec<QueueRecord>, BackendError> {
        let rows = Rows { operation: "queues", table: "tasks", key: "queue" };
        self.read(rows.operation, move |session| {
            Box::pin(async move {
                rows.all(session, include_str!("../sql/inspect/queues.sql"), &[&At(now)], records::queue).await
            })
        })
        .await
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, BackendError> {
        let rows = Rows { operation: "workers", table: "workers", key: "id" };
        self.read(rows.operation, move |session| {
            Box::pin(rows.all(session, include_str!("../sql/inspect/workers.sql"), &[], records::worker))
        })
        .await
    }

    async fn limits(&self) -> Result<Vec<LimitRecord>, BackendError> {
        let rows = Rows { operation: "limits", table: "limits", key: "function" };
        self.read(rows.operation, move |session| {
            Box::pin(rows.all(session, include_str!("../sql/inspect/limits.sql"), &[], records::limit))
        })
        .await
    }
}

impl PostgresBackend {
    async fn count<T: Filter>(
        &self,
        operation: &'static str,
        sql: &'static str,
        filter: T,
    ) -> Result<u64, BackendError> {
        let rows = Rows { operation, table: "tasks", key: "count" };
        let one = self.read(operation, move |session| {
            Box::pin(async move { rows.one(session, sql, &filter.values(), |columns| columns.number("count")).await })
        });
        Ok(one.await?.unwrap_or(0))
    }

    /// Counts by function and by state as the states are declared, whatever order their texts have.
    async fn counts(
        &self,
        operation: &'static str,
        sql: &'static str,
        values: Vec<Box<dyn ToSql + Send + Sync>>,
    ) -> Result<Vec<TaskCount>, BackendError> {
        let rows = Rows { operation, table: "tasks", key: "function" };
        let counts = self.read(operation, move |session| {
            Box::pin(async move {
                let values: Vec<_> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
                rows.all(session, sql, &values, records::task_count).await
            })
        });
        let mut counts = counts.await?;
        counts.sort();
        Ok(counts)
    }
}

fn tasks(operation: &'static str) -> Rows {
    Rows { operation, table: "tasks", key: "id" }
}

fn dead_letters(operation: &'static str) -> Rows {
    Rows { operation, table: "dead_letters", key: "task" }
}

fn journal(operation: &'static str) -> Rows {
    Rows { operation, table: "journal", key: "task" }
}

fn text(name: Option<&str>) -> Option<String> {
    name.map(Into::into)
}

/// The texts of states; none: any.
fn texts<T: Copy>(states: &[T], text: fn(T) -> &'static str) -> Option<Vec<&'static str>> {
    if states.is_empty() { None } else { Some(states.iter().copied().map(text).collect()) }
}

/// A filter as its statements take it.
trait Filter: Send + Sync + 'static {
    fn values(&self) -> Vec<&(dyn ToSql + Sync)>;
}

struct Executions {
    states: Option<Vec<&'static str>>,
    function: Option<String>,
    queue: Option<String>,
    tag: Option<String>,
    since: Option<At>,
}

impl From<&ExecutionFilter> for Executions {
    fn from(filter: &ExecutionFilter) -> Self {
        Self {
            states: texts(&filter.states, ExecutionState::as_str),
            function: text(filter.function.as_deref()),
            queue: text(filter.queue.as_deref()),
            tag: text(filter.tag.as_deref()),
            since: At::some(filter.since),
        }
    }
}

impl Filter for Executions {
    fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![&self.states, &self.function, &self.queue, &self.tag, &self.since]
    }
}

struct Tasks {
    states: Option<Vec<&'static str>>,
    function: Option<String>,
    queue: Option<String>,
    parent: Option<Uuid>,
    execution: Option<Uuid>,
}

impl From<&TaskFilter> for Tasks {
    fn from(filter: &TaskFilter) -> Self {
        Self {
            states: texts(&filter.states, TaskState::as_str),
            function: text(filter.function.as_deref()),
            queue: text(filter.queue.as_deref()),
            parent: filter.parent.map(|parent| *parent.as_uuid()),
            execution: filter.execution.map(|execution| *execution.as_uuid()),
        }
    }
}

impl Tasks {
    fn is_of_one(&self) -> bool {
        self.execution.is_some() || self.parent.is_some()
    }
}

impl Filter for Tasks {
    fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&self.states, &self.function, &self.queue];
        if self.is_of_one() {
            values.extend([&self.parent as &(dyn ToSql + Sync), &self.execution]);
        }
        values
    }
}

struct DeadLetters {
    function: Option<String>,
    execution: Option<Uuid>,
}

impl From<&DeadLetterFilter> for DeadLetters {
    fn from(filter: &DeadLetterFilter) -> Self {
        let execution = filter.execution.map(|execution| *execution.as_uuid());
        Self { function: text(filter.function.as_deref()), execution }
    }
}

impl Filter for DeadLetters {
    fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![&self.function, &self.execution]
    }
}
