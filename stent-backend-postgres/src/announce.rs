//! Workers announce themselves with their renewals, and lose their claims when their process is known to be gone.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use stent_core::claim::{Claim, ClaimFunction, Renewal};
use stent_core::error::BackendError;
use stent_core::id::{TaskId, WorkerId};
use stent_core::name::{FunctionName, Version};
use stent_core::time::Timestamp;
use stent_core::worker::WorkerRecord;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::batch::to_json;
use crate::connection::{Session, Values};
use crate::error::is_conflict;
use crate::row::{At, Columns};

/// How long a renewal waits for those who hold a task: its other claims are renewed by then, and a lease is some seconds.
const PATIENCE: &str = "1s";

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
pub(crate) async fn announce(session: &Session<'_>, now: Timestamp, worker: &WorkerRecord) -> Result<(), BackendError> {
    let operation = session.operation();
    let functions: Vec<_> = worker.functions.iter().map(StoredFunction::from).collect();
    let values: Values<'_> = &[
        worker.id.as_uuid(),
        &to_json(operation, &worker.process)?,
        &worker.state.as_str(),
        &i64::from(worker.concurrency),
        &to_json(operation, &functions)?,
        &to_json(operation, &worker.queues)?,
        &to_json(operation, &worker.tags)?,
        &i64::try_from(worker.lease.as_micros()).unwrap_or(i64::MAX),
        &At(now),
    ];
    session.execute(include_str!("../sql/claim/announce.sql"), values).await.map(drop)
}

/// Renews claims until a time; answers per claim, `None` for one that holds and whose row another transaction has at present, be it the claim's own.
pub(crate) async fn renew(
    session: &Session<'_>,
    until: Timestamp,
    claims: &[Claim],
) -> Result<Vec<Option<Renewal>>, BackendError> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let (tasks, tokens) = columns_of(claims);
    let renewed = session.query(include_str!("../sql/claim/renew.sql"), &[&tasks, &tokens, &At(until)]).await?;
    let renewed = renewed.iter().map(|row| Columns::new(session.operation(), "tasks", "id", row).id("id"));
    let renewed: HashSet<TaskId> = renewed.collect::<Result<_, _>>()?;
    let others: Vec<Claim> = claims.iter().filter(|claim| !renewed.contains(&claim.task)).copied().collect();
    let others = not_renewed(session, &others).await?;
    let renewal = |claim: &Claim| match others.get(&claim.task) {
        _ if renewed.contains(&claim.task) => Some(Renewal::Renewed),
        Some(renewal) => *renewal,
        None => Some(Renewal::Lost),
    };
    Ok(claims.iter().map(renewal).collect())
}

/// What became of claims that were not renewed.
async fn not_renewed(
    session: &Session<'_>,
    claims: &[Claim],
) -> Result<HashMap<TaskId, Option<Renewal>>, BackendError> {
    if claims.is_empty() {
        return Ok(HashMap::new());
    }
    let (tasks, tokens) = columns_of(claims);
    let rows = session.query(include_str!("../sql/claim/not_renewed.sql"), &[&tasks, &tokens]).await?;
    let renewal = |row: &Row| {
        let columns = Columns::new(session.operation(), "tasks", "id", row);
        let renewal = match (columns.flag("is_cancelled")?, columns.get::<Option<bool>>("holds")?) {
            (true, _) => Some(Renewal::Cancelled),
            (false, Some(true)) => None,
            (false, _) => Some(Renewal::Lost),
        };
        Ok((columns.id("id")?, renewal))
    };
    rows.iter().map(renewal).collect()
}

/// Renews claims whose rows others have: waits for them, for a while. `None` for those that cannot be had.
pub(crate) async fn wait_and_renew(
    session: &Session<'_>,
    until: Timestamp,
    claims: &[Claim],
) -> Result<Vec<Option<Renewal>>, BackendError> {
    match wait_for(session, claims).await {
        Err(error) if is_conflict(&error) => Ok(vec![None; claims.len()]),
        Err(error) => Err(error),
        Ok(()) => renew(session, until, claims).await,
    }
}

/// Locks claims whose rows others have: waits for them, for a while.
async fn wait_for(session: &Session<'_>, claims: &[Claim]) -> Result<(), BackendError> {
    let (tasks, tokens) = columns_of(claims);
    let (patience, locked): (Values<'_>, Values<'_>) = (&[&PATIENCE], &[&tasks, &tokens]);
    tokio::try_join!(
        biased;
        session.query(include_str!("../sql/complete/patience.sql"), patience),
        session.query(include_str!("../sql/claim/lock_claims.sql"), locked),
    )
    .map(drop)
}

/// What became of the claims of a worker that is gone.
pub(crate) struct Lapsed {
    /// The tasks that are free.
    pub(crate) tasks: HashSet<TaskId>,
    /// The claims that hold: others have their rows at present.
    pub(crate) held: Vec<Claim>,
}

/// Lets a worker's claims run out; waits for some of them, for a while.
pub(crate) async fn lapse(
    session: &Session<'_>,
    now: Timestamp,
    worker: WorkerId,
    waits_for: &[Claim],
) -> Result<Lapsed, BackendError> {
    if !waits_for.is_empty() {
        match wait_for(session, waits_for).await {
            // It waited in vain; the transaction is as good as rolled back.
            Err(error) if is_conflict(&error) => return Ok(Lapsed { tasks: HashSet::new(), held: waits_for.to_vec() }),
            waited => waited?,
        }
    }
    let of_worker: Values<'_> = &[worker.as_uuid(), &At(now)];
    let stopped: Values<'_> = &[worker.as_uuid()];
    let (lapsed, held, _) = tokio::try_join!(
        biased;
        session.query(include_str!("../sql/claim/lapse.sql"), of_worker),
        session.query(include_str!("../sql/claim/held.sql"), of_worker),
        session.execute(include_str!("../sql/claim/stop.sql"), stopped),
    )?;
    let columns = |row| Columns::new(session.operation(), "tasks", "id", row);
    let tasks = lapsed.iter().map(|row| columns(row).id("id")).collect::<Result<_, _>>()?;
    let claim = |row| Ok(Claim { task: columns(row).id("id")?, token: columns(row).id("token")? });
    Ok(Lapsed { tasks, held: held.iter().map(claim).collect::<Result<_, BackendError>>()? })
}

fn columns_of(claims: &[Claim]) -> (Vec<Uuid>, Vec<Uuid>) {
    claims.iter().map(|claim| (*claim.task.as_uuid(), *claim.token.as_uuid())).unzip()
}
