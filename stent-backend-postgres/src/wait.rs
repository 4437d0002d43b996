//! Outcomes: what those who wait read.

use std::ops;

use async_trait::async_trait;
use stent_core::backend::{Outcomes, Watch};
use stent_core::error::BackendError;
use stent_core::execution::{ExecutionState, ExecutionStatus};
use stent_core::id::{ExecutionId, TaskId};
use stent_core::operation::OperationId;
use stent_core::outcome::{Ended, Outcome};
use stent_core::task::{MapItem, TaskState};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::PostgresBackend;
use crate::batch::ids;
use crate::connection::{Session, Values};
use crate::row::{Columns, int};

const TASKS_OF: &str = "tasks";
const MAP_ITEMS_OF: &str = "map items";
const EXECUTIONS_OF: &str = "executions";
const NEWS: &str = "news";

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
impl Outcomes for PostgresBackend {
    async fn tasks(&self, tasks: &[TaskId]) -> Result<Vec<Option<Ended>>, BackendError> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let asked = ids(tasks);
        self.read(TASKS_OF, move |session| {
            Box::pin(async move {
                let mut answers = vec![None; asked.len()];
                for row in &session.query(include_str!("../sql/wait/tasks.sql"), &[&asked]).await? {
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
        self.read(MAP_ITEMS_OF, move |session| {
            Box::pin(async move {
                let (turn, number) = (int(operation.turn), int(operation.number));
                let (first, past) = (int(items.start), int(items.end));
                let values: Values<'_> =
                    &[parent.as_uuid(), &int(generation), &turn, &number, &&*operation.name, &first, &past];
                let rows = session.query(include_str!("../sql/wait/map_items.sql"), values).await?;
                let items = rows.iter().map(|row| map_item(&Columns::new(MAP_ITEMS_OF, "tasks", "id", row)));
                items.collect()
            })
        })
        .await
    }

    async fn executions(&self, executions: &[ExecutionId]) -> Result<Vec<ExecutionStatus>, BackendError> {
        if executions.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<_> = executions.iter().map(|execution| *execution.as_uuid()).collect();
        self.read(EXECUTIONS_OF, move |session| {
            Box::pin(async move {
                let mut answers = vec![ExecutionStatus::Unknown; asked.len()];
                for row in &session.query(include_str!("../sql/wait/executions.sql"), &[&asked]).await? {
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
        if watches.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<Watch> = watches.into();
        self.read(NEWS, move |session| Box::pin(async move { news(session, &asked).await })).await
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

/// Watches by kind: their places among all, and what their statement is asked, an array a column.
#[derive(Default)]
struct Watched<'a> {
    tasks: (Vec<usize>, Vec<Uuid>),
    ranges: (Vec<usize>, Ranges<'a>),
    slots: (Vec<usize>, Vec<Uuid>, Vec<&'a str>),
    executions: (Vec<usize>, Vec<Uuid>),
}

#[derive(Default)]
struct Ranges<'a> {
    parents: Vec<Uuid>,
    generations: Vec<i32>,
    turns: Vec<i32>,
    names: Vec<&'a str>,
    numbers: Vec<i32>,
    firsts: Vec<i32>,
    pasts: Vec<i32>,
    settled: Vec<bool>,
}

impl<'a> From<&'a [Watch]> for Watched<'a> {
    fn from(watches: &'a [Watch]) -> Self {
        let mut watched = Self::default();
        let Self { tasks, ranges, slots, executions } = &mut watched;
        for (place, watch) in watches.iter().enumerate() {
            match watch {
                Watch::Task(task) => {
                    tasks.0.push(place);
                    tasks.1.push(*task.as_uuid());
                }
                Watch::Map { parent, generation, operation, items, settled } => {
                    ranges.0.push(place);
                    ranges.1.push((*parent, *generation), operation, items, *settled);
                }
                Watch::Signal(execution, name) => {
                    slots.0.push(place);
                    slots.1.push(*execution.as_uuid());
                    slots.2.push(name);
                }
                Watch::Execution(execution) => {
                    executions.0.push(place);
                    executions.1.push(*execution.as_uuid());
                }
            }
        }
        watched
    }
}

impl<'a> Ranges<'a> {
    fn push(&mut self, whose: (TaskId, u32), operation: &'a OperationId, items: &ops::Range<u32>, settled: bool) {
        let (parent, generation) = whose;
        self.parents.push(*parent.as_uuid());
        self.generations.push(int(generation));
        self.turns.push(int(operation.turn));
        self.names.push(&operation.name);
        self.numbers.push(int(operation.number));
        self.firsts.push(int(items.start));
        self.pasts.push(int(items.end));
        self.settled.push(settled);
    }
}

/// Which of these waits are over: a statement a kind that is waited for, all in one round trip.
async fn news(session: &Session<'_>, watches: &[Watch]) -> Result<Vec<bool>, BackendError> {
    let watched = Watched::from(watches);
    let Watched { tasks, ranges: (ranged, ranges), slots, executions } = &watched;
    let of_range: [&(dyn ToSql + Sync); 8] = [
        &ranges.parents,
        &ranges.generations,
        &ranges.turns,
        &ranges.names,
        &ranges.numbers,
        &ranges.firsts,
        &ranges.pasts,
        &ranges.settled,
    ];
    let (of_tasks, of_slots): (Values<'_>, Values<'_>) = (&[&tasks.1], &[&slots.1, &slots.2]);
    let of_executions: Values<'_> = &[&executions.1];
    let (tasks, ranges, slots, executions) = tokio::try_join!(
        over(session, include_str!("../sql/wait/ended_tasks.sql"), &tasks.0, of_tasks),
        over(session, include_str!("../sql/wait/closed_ranges.sql"), ranged, &of_range),
        over(session, include_str!("../sql/wait/filled_slots.sql"), &slots.0, of_slots),
        over(session, include_str!("../sql/wait/ended_executions.sql"), &executions.0, of_executions),
    )?;
    let mut news = vec![false; watches.len()];
    for place in [tasks, ranges, slots, executions].into_iter().flatten() {
        if let Some(is_over) = news.get_mut(place) {
            *is_over = true;
        }
    }
    Ok(news)
}

/// The places of what is over, of one kind.
async fn over(
    session: &Session<'_>,
    sql: &'static str,
    places: &[usize],
    values: Values<'_>,
) -> Result<Vec<usize>, BackendError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let mut over = Vec::new();
    for row in &session.query(sql, values).await? {
        let place = Columns::new(NEWS, "tasks", "key", row).number::<usize>("key")?;
        over.extend(places.get(place));
    }
    Ok(over)
}
