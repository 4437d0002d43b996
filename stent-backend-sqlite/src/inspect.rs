//! Inspection: what an operator reads, page by page. Payloads are among it where they are asked for by name, and in dead letters; what is being deleted is
//! not shown.

mod page;
mod records;

use std::ops::Range;

use async_trait::async_trait;
use serde::Serialize;
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

use crate::SqliteBackend;
use crate::batch::{Hex, to_json};
use crate::entry;
use crate::error::During;
use crate::row::Columns;
use page::{Bound, Rows, limit_of};

/// More than any id, which has 16 bytes.
const LAST: [u8; 17] = [0xff; 17];

#[async_trait]
impl Inspect for SqliteBackend {
    async fn list_executions(
        &self,
        filter: &ExecutionFilter,
        page: Page<ExecutionId>,
    ) -> Result<Vec<ExecutionRecord>, BackendError> {
        let rows = tasks("list_executions");
        let filter = Executions::new(rows.operation, filter)?;
        let after = page.after.map_or(LAST.to_vec(), |last| last.as_bytes().to_vec());
        self.read(rows.operation, move |connection| {
            Box::pin(async move {
                let query = |after: Vec<u8>, limit: i64| {
                    let query = sqlx::query(include_str!("../sql/inspect/executions.sql")).bind(after);
                    filter.bind(query).bind(limit)
                };
                rows.page(connection, after, limit_of(&page), query, records::execution).await
            })
        })
        .await
    }

    async fn count_executions(&self, filter: &ExecutionFilter) -> Result<u64, BackendError> {
        const OPERATION: &str = "count_executions";
        let filter = Executions::new(OPERATION, filter)?;
        // The parameters are numbered as in the list; the first is not used.
        let query = sqlx::query(include_str!("../sql/inspect/count_executions.sql")).bind(None::<Vec<u8>>);
        self.count(OPERATION, filter.bind(query)).await
    }

    async fn count_ended(&self, span: Range<Timestamp>) -> Result<Vec<TaskCount>, BackendError> {
        let query = sqlx::query(include_str!("../sql/inspect/count_ended.sql"));
        self.counts("count_ended", query.bind(span.start.as_micros()).bind(span.end.as_micros())).await
    }

    async fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, BackendError> {
        let rows = tasks("execution");
        let query = sqlx::query(include_str!("../sql/inspect/execution.sql")).bind(id.as_bytes().to_vec());
        self.read(rows.operation, move |connection| Box::pin(rows.one(connection, query, records::execution))).await
    }

    async fn list_tasks(&self, filter: &TaskFilter, page: Page<TaskId>) -> Result<Vec<TaskRecord>, BackendError> {
        let rows = tasks("list_tasks");
        let filter = Tasks::new(rows.operation, filter)?;
        let after = page.after.map_or(Vec::new(), |last| last.as_bytes().to_vec());
        self.read(rows.operation, move |connection| {
            Box::pin(async move {
                let query = |after: Vec<u8>, limit: i64| {
                    let (all, some) = (
                        include_str!("../sql/inspect/tasks.sql"),
                        include_str!("../sql/inspect/tasks_of_execution.sql"),
                    );
                    let query = sqlx::query(if filter.is_of_one() { some } else { all }).bind(after);
                    filter.bind(query).bind(limit)
                };
                rows.page(connection, after, limit_of(&page), query, records::task).await
            })
        })
        .await
    }

    async fn count_tasks(&self, filter: &TaskFilter) -> Result<u64, BackendError> {
        const OPERATION: &str = "count_tasks";
        let filter = Tasks::new(OPERATION, filter)?;
        let (all, some) = (
            include_str!("../sql/inspect/count_tasks.sql"),
            include_str!("../sql/inspect/count_tasks_of_execution.sql"),
        );
        let query = sqlx::query(if filter.is_of_one() { some } else { all }).bind(None::<Vec<u8>>);
        self.count(OPERATION, filter.bind(query)).await
    }

    async fn count_children(&self, parent: TaskId) -> Result<Vec<TaskCount>, BackendError> {
        let query = sqlx::query(include_str!("../sql/inspect/count_children.sql")).bind(parent.as_bytes().to_vec());
        self.counts("count_children", query).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<TaskRecord>, BackendError> {
        let rows = tasks("task");
        let query = sqlx::query(include_str!("../sql/inspect/task.sql")).bind(id.as_bytes().to_vec());
        self.read(rows.operation, move |connection| Box::pin(rows.one(connection, query, records::task))).await
    }

    async fn payloads(&self, tasks: &[TaskId]) -> Result<Vec<Option<TaskPayloads>>, BackendError> {
        const OPERATION: &str = "payloads";
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<_> = tasks.iter().map(|task| Hex(task.as_bytes())).collect();
        let query = sqlx::query(include_str!("../sql/inspect/payloads.sql")).bind(to_json(OPERATION, &asked)?);
        let mut answers = vec![None; tasks.len()];
        self.read(OPERATION, move |connection| {
            Box::pin(async move {
                for row in &query.fetch_all(connection).await.during(OPERATION)? {
                    let (key, payloads) = records::payloads(Columns::new(OPERATION, "tasks", "id", row))?;
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
        const OPERATION: &str = "waits";
        let query = sqlx::query(include_str!("../sql/inspect/waits.sql")).bind(task.as_bytes().to_vec());
        self.read(OPERATION, move |connection| {
            Box::pin(async move {
                let rows = query.fetch_all(connection).await.during(OPERATION)?;
                rows.iter().map(|row| records::wait(Columns::new(OPERATION, "waits", "task", row))).collect()
            })
        })
        .await
    }

    async fn list_journal(&self, task: TaskId, page: Page<u32>) -> Result<Vec<JournalEntry>, BackendError> {
        const OPERATION: &str = "list_journal";
        let query = sqlx::query(include_str!("../sql/inspect/journal.sql"))
            .bind(task.as_bytes().to_vec())
            .bind(page.after.map_or(-1, i64::from))
            .bind(i64::try_from(limit_of(&page)).unwrap_or(i64::MAX));
        self.read(OPERATION, move |connection| {
            Box::pin(async move {
                let rows = query.fetch_all(connection).await.during(OPERATION)?;
                rows.iter().map(|row| entry::entry(&journal(OPERATION).columns(row))).collect()
            })
        })
        .await
    }

    async fn list_progress(
        &self,
        execution: ExecutionId,
        page: Page<ProgressCursor>,
    ) -> Result<Vec<ProgressEntry>, BackendError> {
        const OPERATION: &str = "list_progress";
        let query = sqlx::query(include_str!("../sql/inspect/progress.sql"))
            .bind(execution.as_bytes().to_vec())
            .bind(page.after.map_or(i64::MIN, |last| last.at.as_micros()))
            .bind(page.after.map_or(Vec::new(), |last| last.task.as_bytes().to_vec()))
            .bind(page.after.map_or(-1, |last| i64::from(last.seq)))
            .bind(i64::try_from(limit_of(&page)).unwrap_or(i64::MAX));
        self.read(OPERATION, move |connection| {
            Box::pin(async move {
                let rows = query.fetch_all(connection).await.during(OPERATION)?;
                let progress = rows.iter().map(|row| records::progress(journal(OPERATION).columns(row)));
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
        let filter = filter.clone();
        let after = page.after.map_or(Vec::new(), |last| last.as_bytes().to_vec());
        self.read(rows.operation, move |connection| {
            Box::pin(async move {
                let query = |after: Vec<u8>, limit: i64| {
                    let (all, some) = (
                        include_str!("../sql/inspect/dead_letters.sql"),
                        include_str!("../sql/inspect/dead_letters_of_execution.sql"),
                    );
                    let query = sqlx::query(if filter.execution.is_some() { some } else { all });
                    let query = query.bind(after).bind(text(filter.function.as_deref())).bind(limit);
                    match filter.execution {
                        Some(execution) => query.bind(execution.as_bytes().to_vec()),
                        None => query,
                    }
                };
                rows.page(connection, after, limit_of(&page), query, records::dead_letter).await
            })
        })
        .await
    }

    async fn count_dead_letters(&self, filter: &DeadLetterFilter) -> Result<u64, BackendError> {
        let query = sqlx::query(include_str!("../sql/inspect/count_dead_letters.sql"))
            .bind(filter.execution.map(|execution| execution.as_bytes().to_vec()))
            .bind(text(filter.function.as_deref()));
        self.count("count_dead_letters", query).await
    }

    async fn dead_letter(&self, task: TaskId) -> Result<Option<DeadLetter>, BackendError> {
        let rows = dead_letters("dead_letter");
        let query = sqlx::query(include_str!("../sql/inspect/dead_letter.sql")).bind(task.as_bytes().to_vec());
        self.read(rows.operation, move |connection| Box::pin(rows.one(connection, query, records::dead_letter))).await
    }

    async fn queues(&self, now: Timestamp) -> Result<Vec<QueueRecord>, BackendError> {
        let rows = Rows { operation: "queues", table: "tasks", key: "queue" };
        let query = sqlx::query(include_str!("../sql/inspect/queues.sql")).bind(now.as_micros());
        self.read(rows.operation, move |connection| Box::pin(rows.all(connection, query, records::queue))).await
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, BackendError> {
        let rows = Rows { operation: "workers", table: "workers", key: "id" };
        let query = sqlx::query(include_str!("../sql/inspect/workers.sql"));
        self.read(rows.operation, move |connection| Box::pin(rows.all(connection, query, records::worker))).await
    }

    async fn limits(&self) -> Result<Vec<LimitRecord>, BackendError> {
        let rows = Rows { operation: "limits", table: "limits", key: "function" };
        let query = sqlx::query(include_str!("../sql/inspect/limits.sql"));
        self.read(rows.operation, move |connection| Box::pin(rows.all(connection, query, records::limit))).await
    }
}

impl SqliteBackend {
    async fn count(&self, operation: &'static str, query: Bound) -> Result<u64, BackendError> {
        let rows = Rows { operation, table: "tasks", key: "count" };
        let one = self.read(operation, move |connection| {
            Box::pin(rows.one(connection, query, |columns| columns.number("count")))
        });
        Ok(one.await?.unwrap_or(0))
    }

    /// Counts by function and by state as the states are declared, whatever order their texts have.
    async fn counts(&self, operation: &'static str, query: Bound) -> Result<Vec<TaskCount>, BackendError> {
        let rows = Rows { operation, table: "tasks", key: "function" };
        let counts = self.read(operation, move |connection| Box::pin(rows.all(connection, query, records::task_count)));
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

/// States as JSON; none: any.
fn states<T: Serialize>(operation: &'static str, states: &[T]) -> Result<Option<String>, BackendError> {
    if states.is_empty() { Ok(None) } else { to_json(operation, &states).map(Some) }
}

/// A filter of executions, as ?2 to ?6.
struct Executions {
    states: Option<String>,
    filter: ExecutionFilter,
}

impl Executions {
    fn new(operation: &'static str, filter: &ExecutionFilter) -> Result<Self, BackendError> {
        Ok(Self { states: states::<ExecutionState>(operation, &filter.states)?, filter: filter.clone() })
    }

    fn bind(&self, query: Bound) -> Bound {
        query
            .bind(self.states.clone())
            .bind(text(self.filter.function.as_deref()))
            .bind(text(self.filter.queue.as_deref()))
            .bind(text(self.filter.tag.as_deref()))
            .bind(self.filter.since.map(Timestamp::as_micros))
    }
}

/// A filter of tasks, as ?2 to ?4; of an execution's or a task's as ?2 to ?6.
struct Tasks {
    states: Option<String>,
    filter: TaskFilter,
}

impl Tasks {
    fn new(operation: &'static str, filter: &TaskFilter) -> Result<Self, BackendError> {
        Ok(Self { states: states::<TaskState>(operation, &filter.states)?, filter: filter.clone() })
    }

    fn is_of_one(&self) -> bool {
        self.filter.execution.is_some() || self.filter.parent.is_some()
    }

    fn bind(&self, query: Bound) -> Bound {
        let query = query
            .bind(self.states.clone())
            .bind(text(self.filter.function.as_deref()))
            .bind(text(self.filter.queue.as_deref()));
        if !self.is_of_one() {
            return query;
        }
        let parent = self.filter.parent.map(|parent| parent.as_bytes().to_vec());
        query.bind(parent).bind(self.filter.execution.map(|execution| execution.as_bytes().to_vec()))
    }
}
