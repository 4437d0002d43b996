//! Workers announce themselves with their renewals, and lose their claims when their process is known to be gone.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnection;
use stent_core::claim::{Claim, ClaimFunction, Renewal};
use stent_core::error::BackendError;
use stent_core::id::{TaskId, WorkerId};
use stent_core::name::{FunctionName, Version};
use stent_core::time::Timestamp;
use stent_core::worker::WorkerRecord;

use crate::batch::{Hex, to_json};
use crate::error::During;
use crate::row::Columns;

const RENEW: &str = "renew";

/// A function of a worker, as its row has it.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredFunction {
    name: FunctionName,
    version: Option<Version>,
    max_concurrent: Option<u32>,
}

impl From<&ClaimFunction> for StoredFunction {
    fn from(function: &ClaimFunction) -> Self {
        let ClaimFunction { name, version, max_concurrent } = function.clone();
        Self { name, version, max_concurrent }
    }
}

impl From<StoredFunction> for ClaimFunction {
    fn from(function: StoredFunction) -> Self {
        let StoredFunction { name, version, max_concurrent } = function;
        Self { name, version, max_concurrent }
    }
}

/// Stores a worker's record, heard of `now`.
pub(crate) async fn announce(
    connection: &mut SqliteConnection,
    now: Timestamp,
    worker: &WorkerRecord,
) -> Result<(), BackendError> {
    let functions: Vec<_> = worker.functions.iter().map(StoredFunction::from).collect();
    sqlx::query(include_str!("../sql/claim/announce.sql"))
        .bind(worker.id.as_bytes().as_slice())
        .bind(to_json(RENEW, &worker.process)?)
        .bind(worker.state.as_str())
        .bind(i64::from(worker.concurrency))
        .bind(to_json(RENEW, &functions)?)
        .bind(to_json(RENEW, &worker.queues)?)
        .bind(to_json(RENEW, &worker.tags)?)
        .bind(i64::try_from(worker.lease.as_micros()).unwrap_or(i64::MAX))
        .bind(now.as_micros())
        .execute(connection)
        .await
        .during(RENEW)
        .map(drop)
}

/// Renews claims until a time; answers per claim.
pub(crate) async fn renew(
    connection: &mut SqliteConnection,
    until: Timestamp,
    claims: &[Claim],
) -> Result<Vec<Renewal>, BackendError> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let given: Vec<_> = claims.iter().map(|claim| (Hex(claim.task.as_bytes()), Hex(claim.token.as_bytes()))).collect();
    let renewed = sqlx::query(include_str!("../sql/claim/renew.sql"))
        .bind(to_json(RENEW, &given)?)
        .bind(until.as_micros())
        .fetch_all(&mut *connection)
        .await
        .during(RENEW)?;
    let renewed = ids(&renewed)?;
    let others: Vec<_> = claims.iter().filter(|claim| !renewed.contains(&claim.task)).collect();
    let mut cancelled = HashSet::new();
    if !others.is_empty() {
        let others: Vec<_> = others.iter().map(|claim| Hex(claim.task.as_bytes())).collect();
        let rows = sqlx::query(include_str!("../sql/claim/cancelled.sql"))
            .bind(to_json(RENEW, &others)?)
            .fetch_all(connection)
            .await
            .during(RENEW)?;
        cancelled = ids(&rows)?;
    }
    let renewal = |claim: &Claim| match claim.task {
        task if renewed.contains(&task) => Renewal::Renewed,
        task if cancelled.contains(&task) => Renewal::Cancelled,
        _ => Renewal::Lost,
    };
    Ok(claims.iter().map(renewal).collect())
}

/// Lets a worker's claims run out; answers with how many there were.
pub(crate) async fn lapse(
    connection: &mut SqliteConnection,
    now: Timestamp,
    worker: WorkerId,
) -> Result<u32, BackendError> {
    const OPERATION: &str = "lapse";
    let held = sqlx::query(include_str!("../sql/claim/lapse.sql"))
        .bind(worker.as_bytes().as_slice())
        .bind(now.as_micros())
        .execute(&mut *connection)
        .await
        .during(OPERATION)?;
    sqlx::query(include_str!("../sql/claim/stop.sql"))
        .bind(worker.as_bytes().as_slice())
        .execute(connection)
        .await
        .during(OPERATION)?;
    Ok(u32::try_from(held.rows_affected()).unwrap_or(u32::MAX))
}

fn ids(rows: &[sqlx::sqlite::SqliteRow]) -> Result<HashSet<TaskId>, BackendError> {
    rows.iter().map(|row| Columns::new(RENEW, "tasks", "id", row).id("id")).collect()
}
