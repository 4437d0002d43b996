//! Outcomes: what those who wait read.

use std::ops;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use stent_core::backend::{Outcomes, Watch};
use stent_core::error::BackendError;
use stent_core::execution::{ExecutionState, ExecutionStatus};
use stent_core::id::{ExecutionId, TaskId};
use stent_core::operation::OperationId;
use stent_core::outcome::{Ended, Outcome};
use stent_core::task::{MapItem, TaskState};

use crate::SqliteBackend;
use crate::batch::{Hex, to_json};
use crate::error::During;
use crate::row::Columns;

const TASKS_OF: &str = "tasks";
const MAP_ITEMS_OF: &str = "map items";
const EXECUTIONS_OF: &str = "executions";
const NEWS: &str = "news";

pub(crate) const TASKS: &str = include_str!("../sql/wait/tasks.sql");
pub(crate) const MAP_ITEMS: &str = include_str!("../sql/wait/map_items.sql");
pub(crate) const EXECUTIONS: &str = include_str!("../sql/wait/executions.sql");
pub(crate) const ENDED_TASKS: &str = include_str!("../sql/wait/ended_tasks.sql");
pub(crate) const CLOSED_RANGES: &str = include_str!("../sql/wait/closed_ranges.sql");
pub(crate) const FILLED_SLOTS: &str = include_str!("../sql/wait/filled_slots.sql");
pub(crate) const ENDED_EXECUTIONS: &str = include_str!("../sql/wait/ended_executions.sql");

/// A range of a map as statements read it from JSON.
#[derive(Serialize)]
pub(crate) struct Range<'a> {
    op_turn: u32,
    op_name: &'a str,
    op_number: u32,
    first: u32,
    past: u32,
    settled: bool,
}

impl<'a> Range<'a> {
    pub(crate) fn new(operation: &'a OperationId, items: &ops::Range<u32>, settled: bool) -> Self {
        Self {
            op_turn: operation.turn,
            op_name: &operation.name,
            op_number: operation.number,
            first: items.start,
            past: items.end,
            settled,
        }
    }
}

/// How a task ended; `None` if it is open.
pub(crate) fn ended(columns: &Columns<'_>) -> Result<Option<Ended>, BackendError> {
    let outcome = match columns.state("state")? {
        TaskState::Completed => Outcome::Completed(columns.payload("output")?),
        TaskState::Failed => Outcome::Failed(columns.failure("failure")?),
        TaskState::TimedOut => Outcome::TimedOut,
        TaskState::Cancelled => Outcome::Cancelled,
        TaskState::Scheduled | TaskState::Pending | TaskState::Running | TaskState::Suspended => return Ok(None),
    };
    Ok(Some(Ended { outcome, at: columns.time("ended_at")? }))
}

#[async_trait]
impl Outcomes for SqliteBackend {
    async fn tasks(&self, tasks: &[TaskId]) -> Result<Vec<Option<Ended>>, BackendError> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<_> = tasks.iter().map(|task| Hex(task.as_bytes())).collect();
        let asked = to_json(TASKS_OF, &asked)?;
        let mut answers = vec![None; tasks.len()];
        self.read(TASKS_OF, |connection| {
            Box::pin(async move {
                let rows = sqlx::query(TASKS).bind(asked).fetch_all(connection).await.during(TASKS_OF)?;
                for row in &rows {
                    let columns = Columns::new(TASKS_OF, "tasks", "id", row);
                    if let Some(answer) = answers.get_mut(columns.number::<usize>("key")?) {
                        *answer = ended(&columns)?;
                    }
                }
                Ok(answers)
            })
        })
        .await
    }

    async fn map_items(
        &self,
        parent: TaskId,
        generation: u32,
        operation: &OperationId,
        items: ops::Range<u32>,
    ) -> Result<Vec<MapItem>, BackendError> {
        let operation = operation.clone();
        self.read(MAP_ITEMS_OF, |connection| {
            Box::pin(async move {
                let query = sqlx::query(MAP_ITEMS)
                    .bind(&parent.as_bytes()[..])
                    .bind(generation)
                    .bind(operation.turn)
                    .bind(operation.number)
                    .bind(items.start)
                    .bind(items.end)
                    .bind(&*operation.name);
                // One by one: a row takes ten times the memory of the item.
                let (mut rows, mut items) = (query.fetch(connection), Vec::new());
                while let Some(row) = rows.try_next().await.during(MAP_ITEMS_OF)? {
                    items.push(map_item(&Columns::new(MAP_ITEMS_OF, "tasks", "id", &row))?);
                }
                Ok(items)
            })
        })
        .await
    }

    async fn executions(&self, executions: &[ExecutionId]) -> Result<Vec<ExecutionStatus>, BackendError> {
        if executions.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<_> = executions.iter().map(|execution| Hex(execution.as_bytes())).collect();
        let asked = to_json(EXECUTIONS_OF, &asked)?;
        let mut answers = vec![ExecutionStatus::Unknown; executions.len()];
        self.read(EXECUTIONS_OF, |connection| {
            Box::pin(async move {
                let rows = sqlx::query(EXECUTIONS).bind(asked).fetch_all(connection).await.during(EXECUTIONS_OF)?;
                for row in &rows {
                    let columns = Columns::new(EXECUTIONS_OF, "tasks", "id", row);
                    if let Some(answer) = answers.get_mut(columns.number::<usize>("key")?) {
                        *answer = status(&columns)?;
                    }
                }
                Ok(answers)
            })
        })
        .await
    }

    async fn news(&self, watches: &[Watch]) -> Result<Vec<bool>, BackendError> {
        let asked = Watched::new(watches)?;
        let mut news = vec![false; watches.len()];
        self.read(NEWS, |connection| {
            Box::pin(async move {
                for (statement, places, asked) in asked.0 {
                    for place in over(connection, statement, asked).await? {
                        let place = places.get(place).copied();
                        if let Some(is_over) = place.and_then(|place| news.get_mut(place)) {
                            *is_over = true;
                        }
                    }
                }
                Ok(news)
            })
        })
        .await
    }
}

fn map_item(columns: &Columns<'_>) -> Result<MapItem, BackendError> {
    let (index, fingerprint) = (columns.number("map_index")?, columns.fingerprint("fingerprint")?);
    Ok(MapItem { index, fingerprint, ended: ended(columns)? })
}

fn status(columns: &Columns<'_>) -> Result<ExecutionStatus, BackendError> {
    if let Some(ended) = ended(columns)? {
        return Ok(ExecutionStatus::Ended(ended));
    }
    let is_started = columns.optional_time("started_at")?.is_some();
    Ok(ExecutionStatus::Open(ExecutionState::of_root(columns.state("state")?, is_started)))
}

/// Watches by kind: the statement that answers, their places among all, and what it is asked. A kind that nobody waits
/// for is left out.
struct Watched(Vec<(&'static str, Vec<usize>, String)>);

#[derive(Serialize)]
struct WatchedRange<'a> {
    parent: Hex<'a>,
    generation: u32,
    #[serde(flatten)]
    range: Range<'a>,
}

#[derive(Serialize)]
struct WatchedSlot<'a> {
    execution: Hex<'a>,
    name: &'a str,
}

impl Watched {
    fn new(watches: &[Watch]) -> Result<Self, BackendError> {
        let (mut tasks, mut ranges, mut slots, mut executions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (place, watch) in watches.iter().enumerate() {
            match watch {
                Watch::Task(task) => tasks.push((place, Hex(task.as_bytes()))),
                Watch::Map { parent, generation, operation, items, settled } => {
                    let range = Range::new(operation, items, *settled);
                    let parent = Hex(parent.as_bytes());
                    ranges.push((place, WatchedRange { parent, generation: *generation, range }));
                }
                Watch::Signal(execution, name) => {
                    slots.push((place, WatchedSlot { execution: Hex(execution.as_bytes()), name }));
                }
                Watch::Execution(execution) => executions.push((place, Hex(execution.as_bytes()))),
            }
        }
        let mut watched = Self(Vec::new());
        watched.push(ENDED_TASKS, tasks)?;
        watched.push(CLOSED_RANGES, ranges)?;
        watched.push(FILLED_SLOTS, slots)?;
        watched.push(ENDED_EXECUTIONS, executions)?;
        Ok(watched)
    }

    fn push<T: Serialize>(&mut self, statement: &'static str, kind: Vec<(usize, T)>) -> Result<(), BackendError> {
        if !kind.is_empty() {
            let (places, asked): (Vec<_>, Vec<_>) = kind.into_iter().unzip();
            self.0.push((statement, places, to_json(NEWS, &asked)?));
        }
        Ok(())
    }
}

/// The places of what is over among what was asked.
async fn over(
    connection: &mut SqliteConnection,
    statement: &'static str,
    asked: String,
) -> Result<Vec<usize>, BackendError> {
    let rows = sqlx::query(statement).bind(asked).fetch_all(connection).await.during(NEWS)?;
    rows.iter().map(|row| Columns::new(NEWS, "tasks", "key", row).number("key")).collect()
}
