//! Suspension: tasks that only wait leave memory, unless one of their waits is over.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use stent_core::claim::Claim;
use stent_core::commit::Suspended;
use stent_core::error::BackendError;
use stent_core::id::TaskId;
use stent_core::task::{Suspension, TaskState, Wait};
use stent_core::time::Timestamp;

use crate::batch::{Hex, to_json};
use crate::complete::states;
use crate::error::During;
use crate::row::Columns;
use crate::wait::Range;

pub(crate) const SUSPEND: &str = include_str!("../sql/complete/suspend.sql");
pub(crate) const WAITS: &str = include_str!("../sql/complete/waits.sql");
pub(crate) const DROP_WAITS: &str = include_str!("../sql/complete/drop_waits.sql");

/// Suspensions, with all that can be made ready before they have the database to themselves.
pub(crate) struct Prepared {
    operation: &'static str,
    now: Timestamp,
    suspensions: Vec<Suspension>,
    json: String,
}

#[derive(Serialize)]
struct StoredSuspension<'a> {
    task: Hex<'a>,
    token: Hex<'a>,
    until: Option<i64>,
    children: Vec<Hex<'a>>,
    signals: Vec<&'a str>,
    maps: Vec<Range<'a>>,
}

#[derive(Serialize)]
struct StoredWait<'a> {
    task: Hex<'a>,
    number: usize,
    signal: Option<&'a str>,
    #[serde(flatten)]
    map: Option<Range<'a>>,
}

impl<'a> From<&'a Suspension> for StoredSuspension<'a> {
    fn from(suspension: &'a Suspension) -> Self {
        let mut stored = Self {
            task: Hex(suspension.claim.task.as_bytes()),
            token: Hex(suspension.claim.token.as_bytes()),
            until: suspension.until.map(Timestamp::as_micros),
            children: Vec::new(),
            signals: Vec::new(),
            maps: Vec::new(),
        };
        for wait in &suspension.waits {
            match wait {
                Wait::Child(child) => stored.children.push(Hex(child.as_bytes())),
                Wait::Map { operation, items, settled } => stored.maps.push(Range::new(operation, items, *settled)),
                Wait::Signal(name) => stored.signals.push(name),
            }
        }
        stored
    }
}

impl Prepared {
    pub(crate) fn new(
        operation: &'static str,
        now: Timestamp,
        suspensions: &[Suspension],
    ) -> Result<Self, BackendError> {
        let stored: Vec<_> = suspensions.iter().map(StoredSuspension::from).collect();
        Ok(Self { operation, now, json: to_json(operation, &stored)?, suspensions: suspensions.to_vec() })
    }
}

/// Suspends tasks; answers per suspension.
pub(crate) async fn suspend(
    connection: &mut SqliteConnection,
    prepared: &Prepared,
) -> Result<Vec<Suspended>, BackendError> {
    let operation = prepared.operation;
    let query = sqlx::query(SUSPEND).bind(prepared.json.clone()).bind(prepared.now.as_micros());
    let rows = query.fetch_all(&mut *connection).await.during(operation)?;
    let mut suspended: HashMap<TaskId, bool> = HashMap::new();
    for row in &rows {
        let columns = Columns::new(operation, "tasks", "id", row);
        suspended.insert(columns.id("id")?, columns.flag("has_waits")?);
    }
    let is_suspended = |claim: &Claim| suspended.contains_key(&claim.task);
    replace_waits(connection, prepared, &suspended).await?;
    let claims: Vec<_> = prepared.suspensions.iter().map(|suspension| suspension.claim).collect();
    if claims.iter().all(is_suspended) {
        return Ok(vec![Suspended::Yes; claims.len()]);
    }
    let states = states(connection, operation, &claims).await?;
    let answers = states.into_iter().map(|state| match state {
        Some(TaskState::Suspended) => Suspended::Yes,
        // The claim holds: it was a wait that kept the task awake.
        Some(TaskState::Running) => Suspended::Awake,
        _ => Suspended::ClaimLost,
    });
    Ok(answers.collect())
}

/// Stores what the suspended tasks wait for, in place of what their suspensions before have left.
async fn replace_waits(
    connection: &mut SqliteConnection,
    prepared: &Prepared,
    suspended: &HashMap<TaskId, bool>,
) -> Result<(), BackendError> {
    let operation = prepared.operation;
    let left = suspended.iter().filter(|(_, has_waits)| **has_waits);
    let left: Vec<_> = left.map(|(task, _)| Hex(task.as_bytes())).collect();
    if !left.is_empty() {
        let query = sqlx::query(DROP_WAITS).bind(to_json(operation, &left)?);
        query.execute(&mut *connection).await.during(operation)?;
    }
    let mut waits = Vec::new();
    for suspension in &prepared.suspensions {
        let task = suspension.claim.task;
        if !suspended.contains_key(&task) {
            continue;
        }
        for (number, wait) in suspension.waits.iter().enumerate() {
            let (signal, map) = match wait {
                // The end of any call's child wakes its parent.
                Wait::Child(_) => continue,
                Wait::Map { operation, items, settled } => (None, Some(Range::new(operation, items, *settled))),
                Wait::Signal(name) => (Some(&**name), None),
            };
            waits.push(StoredWait { task: Hex(suspension.claim.task.as_bytes()), number, signal, map });
        }
    }
    if !waits.is_empty() {
        let query = sqlx::query(WAITS).bind(to_json(operation, &waits)?);
        query.execute(connection).await.during(operation)?;
    }
    Ok(())
}
