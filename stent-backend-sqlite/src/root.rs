//! Roots as they are stored when executions are dispatched: one statement a batch, one more if some were there already.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use stent_core::backend::Hint;
use stent_core::claim::FirstClaim;
use stent_core::commit::Dispatched;
use stent_core::error::{BackendError, ErrorKind};
use stent_core::execution::NewExecution;
use stent_core::id::ExecutionId;
use stent_core::memo::MemoMode;
use stent_core::name::{FunctionName, Tag};
use stent_core::payload::{Fingerprint, Payload};
use stent_core::retry::RetryPolicy;
use stent_core::task::NewTask;
use stent_core::time::Timestamp;

use crate::batch::{Hex, Parcel, Parcels, to_json};
use crate::control;
use crate::error::During;
use crate::row::Columns;

/// A batch of roots, ready to be inserted.
pub(crate) struct NewRoots {
    parcels: Vec<Parcel>,
    shapes: String,
    /// Ids and dedup keys, asked for if some were not made.
    keys: String,
    compared: Vec<(FunctionName, Fingerprint)>,
    total: u64,
    ended: Vec<ExecutionId>,
    /// True if somebody may claim one of them.
    are_ready: bool,
    /// The only one, if it is made under a claim and without a key that another may bear.
    claimed: Option<(NewExecution, FirstClaim)>,
}

/// What a batch's items mostly have in common. Policies and tags that are one object are not compared deeply.
#[derive(PartialEq, Eq, Hash)]
struct Shape<'a> {
    function: &'a str,
    version: &'a str,
    queue: Option<&'a str>,
    tags: &'a [Tag],
    priority: i32,
    retry: *const RetryPolicy,
    memo_mode: Option<&'static str>,
    memo_ttl: Option<i64>,
    max_duration: Option<i64>,
    claim: Option<FirstClaim>,
}

/// An item, as `dispatch/insert.sql` reads it.
#[derive(Serialize)]
struct Item<'a>(
    usize,
    usize,
    usize,
    i64,
    Option<i64>,
    Option<usize>,
    Option<&'a str>,
    Option<Hex<'a>>,
    Option<&'a str>,
);

impl NewRoots {
    pub(crate) fn pack(operation: &'static str, executions: &[NewExecution]) -> Result<Self, BackendError> {
        let mut parcels = Parcels::new(operation);
        let mut shapes = Shapes::default();
        for new in executions {
            let shape = shapes.number(operation, new)?;
            let payloads = parcels.payloads();
            let offset = payloads.push(new.id.as_bytes()).offset;
            payloads.push(new.task.fingerprint.as_bytes());
            let input = payloads.push(new.task.input.as_bytes()).length;
            let born = new.born.as_ref().map(|result| payloads.push(result.as_bytes()).length);
            parcels.push(Item(
                shape,
                offset,
                input,
                new.task.due.as_micros(),
                new.deadline().map(Timestamp::as_micros),
                born,
                new.task.trace.as_deref(),
                new.task.memo.as_ref().map(|memo| Hex(memo.key.as_bytes())),
                new.dedup.as_deref(),
            ))?;
        }
        let keys: Vec<_> = executions.iter().map(|new| (Hex(new.id.as_bytes()), new.dedup.as_deref())).collect();
        Ok(Self {
            parcels: parcels.finish()?,
            shapes: to_json(operation, &shapes.stored)?,
            keys: to_json(operation, &keys)?,
            compared: executions.iter().map(|new| (new.task.function.clone(), new.task.fingerprint)).collect(),
            total: executions.len().try_into().unwrap_or(u64::MAX),
            are_ready: executions.iter().any(|new| new.born.is_none() && new.task.claim.is_none()),
            claimed: claimed(executions),
            ended: executions.iter().filter(|new| new.born.is_some()).map(|new| new.id).collect(),
        })
    }

    /// True if somebody may claim one of them.
    pub(crate) fn are_ready(&self) -> bool {
        self.are_ready
    }

    /// What is told once they are made.
    pub(crate) fn hints(&self) -> Vec<Hint> {
        let ended = self.ended.iter().copied().map(Hint::ExecutionEnded);
        ended.chain(self.are_ready.then_some(Hint::TasksReady)).collect()
    }
}

#[derive(Default)]
struct Shapes<'a> {
    numbers: HashMap<Shape<'a>, usize>,
    stored: Vec<StoredShape<'a>>,
}

#[derive(Serialize)]
struct StoredShape<'a>(
    &'a str,
    &'a str,
    Option<&'a str>,
    Option<String>,
    i32,
    Arc<str>,
    Option<&'static str>,
    Option<i64>,
    Option<i64>,
    Option<Hex<'a>>,
    Option<Hex<'a>>,
    Option<i64>,
);

impl<'a> Shapes<'a> {
    fn number(&mut self, operation: &'static str, new: &'a NewExecution) -> Result<usize, BackendError> {
        let task = &new.task;
        let (memo_mode, memo_ttl) = memo(task);
        let shape = Shape {
            function: &task.function,
            version: task.version.as_deref().unwrap_or_default(),
            queue: task.queue.as_deref(),
            tags: &task.tags,
            priority: task.priority,
            retry: Arc::as_ptr(&task.retry),
            memo_mode,
            memo_ttl,
            max_duration: new.max_duration.map(micros),
            claim: first_claim(task, new.born.as_ref()).copied(),
        };
        if let Some(number) = self.numbers.get(&shape) {
            return Ok(*number);
        }
        let (number, first) = (self.stored.len(), first_claim(task, new.born.as_ref()));
        self.stored.push(StoredShape(
            shape.function,
            shape.version,
            shape.queue,
            if shape.tags.is_empty() { None } else { Some(to_json(operation, &shape.tags)?) },
            shape.priority,
            task.retry.encode().into(),
            memo_mode,
            memo_ttl,
            shape.max_duration,
            first.map(|claim| Hex(claim.worker.as_bytes())),
            first.map(|claim| Hex(claim.token.as_bytes())),
            first.map(|claim| micros(claim.lease)),
        ));
        self.numbers.insert(shape, number);
        Ok(number)
    }
}

/// How a task's result is shared, and how long in microseconds.
pub(crate) fn memo(task: &NewTask) -> (Option<&'static str>, Option<i64>) {
    match task.memo.as_ref().map(|memo| memo.mode) {
        None => (None, None),
        Some(MemoMode::Idempotent) => (Some("idempotent"), None),
        Some(MemoMode::Cached { ttl }) => (Some("cached"), ttl.map(micros)),
    }
}

fn claimed(executions: &[NewExecution]) -> Option<(NewExecution, FirstClaim)> {
    let [new] = executions else { return None };
    let claim = first_claim(&new.task, new.born.as_ref()).filter(|_| new.dedup.is_none())?;
    Some((new.clone(), *claim))
}

/// The claim that it is made with: what has a result needs none.
pub(crate) fn first_claim<'a>(task: &'a NewTask, born: Option<&Payload>) -> Option<&'a FirstClaim> {
    task.claim.as_ref().filter(|_| born.is_none())
}

pub(crate) fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Inserts a root under its claim, by one statement, a transaction of its own; `None` if that is not all there is to do.
pub(crate) async fn insert_alone(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    roots: &NewRoots,
) -> Result<Option<Vec<Dispatched>>, BackendError> {
    let Some((new, claim)) = &roots.claimed else { return Ok(None) };
    let task = &new.task;
    let tags = if task.tags.is_empty() { None } else { Some(to_json(operation, &task.tags)?) };
    let (memo_mode, memo_ttl) = memo(task);
    let insert = sqlx::query(include_str!("../sql/dispatch/insert_one.sql"))
        .bind(&new.id.as_bytes()[..])
        .bind(task.function.as_str())
        .bind(task.version.as_deref().unwrap_or_default())
        .bind(task.input.as_bytes())
        .bind(&task.fingerprint.as_bytes()[..])
        .bind(task.queue.as_deref())
        .bind(tags)
        .bind(task.priority)
        .bind(task.retry.encode())
        .bind(task.trace.as_deref())
        .bind(task.memo.as_ref().map(|memo| &memo.key.as_bytes()[..]))
        .bind(memo_mode)
        .bind(memo_ttl)
        .bind(task.due.as_micros())
        .bind(new.max_duration.map(micros))
        .bind(new.deadline().map(Timestamp::as_micros))
        .bind(&claim.worker.as_bytes()[..])
        .bind(&claim.token.as_bytes()[..])
        .bind(now.after(claim.lease).as_micros())
        .bind(now.as_micros());
    let made = insert.execute(connection).await.during(operation)?.rows_affected();
    Ok((made == 1).then(|| vec![Dispatched::Created]))
}

/// Inserts the roots that are new; answers per item.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    roots: &NewRoots,
) -> Result<Vec<Dispatched>, BackendError> {
    let mut made = 0;
    for parcel in &roots.parcels {
        let inserted = sqlx::query(control::statement(include_str!("../sql/dispatch/insert.sql")))
            .bind(&*parcel.json)
            .bind(&*parcel.bytes)
            .bind(&*roots.shapes)
            .bind(now.as_micros())
            .execute(&mut *connection)
            .await
            .during(operation)?;
        made += inserted.rows_affected();
    }
    if made == roots.total {
        return Ok(vec![Dispatched::Created; roots.compared.len()]);
    }
    let rows = sqlx::query(include_str!("../sql/dispatch/known.sql"))
        .bind(&*roots.keys)
        .fetch_all(connection)
        .await
        .during(operation)?;
    let known = rows.iter().zip(&roots.compared).map(|(row, (function, fingerprint))| {
        let columns = Columns::new(operation, "tasks", "id", row);
        if columns.flag("is_made")? {
            return Ok(Dispatched::Created);
        }
        let Some(bearer) = columns.optional_id("id")? else {
            let text = "an execution was neither made nor was it there";
            return Err(BackendError::new(ErrorKind::Internal, operation).with_message(text));
        };
        let is_same =
            columns.text("function")? == function.as_str() && columns.fingerprint("fingerprint")? == *fingerprint;
        Ok(if is_same { Dispatched::Existing(bearer) } else { Dispatched::Conflict(bearer) })
    });
    known.collect()
}
