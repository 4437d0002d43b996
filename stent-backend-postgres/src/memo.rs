//! Memo: shared results.

use async_trait::async_trait;
use stent_core::backend::Memos;
use stent_core::claim::Claim;
use stent_core::commit::Reserved;
use stent_core::error::{BackendError, ErrorKind};
use stent_core::id::TaskId;
use stent_core::payload::{Fingerprint, Payload};
use stent_core::time::Timestamp;

use crate::PostgresBackend;
use crate::batch::ids;
use crate::connection::Session;
use crate::row::{At, Columns};

const RECALL_KEYS: &str = "recall";
const RESERVE_KEY: &str = "reserve";

pub(crate) const RECALL: &str = include_str!("../sql/memo/recall.sql");
pub(crate) const RESERVE: &str = include_str!("../sql/memo/reserve.sql");
pub(crate) const LOCK: &str = include_str!("../sql/memo/lock.sql");
pub(crate) const HOLDER: &str = include_str!("../sql/memo/holder.sql");
pub(crate) const TAKE_OVER: &str = include_str!("../sql/memo/take_over.sql");
pub(crate) const STORE: &str = include_str!("../sql/memo/store.sql");

#[async_trait]
impl Memos for PostgresBackend {
    async fn recall(&self, now: Timestamp, keys: &[Fingerprint]) -> Result<Vec<Option<Payload>>, BackendError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<Vec<u8>> = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
        let mut values = vec![None; keys.len()];
        self.read(RECALL_KEYS, move |session| {
            Box::pin(async move {
                for row in &session.query(RECALL, &[&asked, &At(now)]).await? {
                    let columns = Columns::new(RECALL_KEYS, "memos", "key", row);
                    if let Some(value) = values.get_mut(columns.number::<usize>("key")?) {
                        *value = Some(columns.payload("value")?);
                    }
                }
                Ok(values)
            })
        })
        .await
    }

    async fn reserve(&self, now: Timestamp, claim: Claim, key: Fingerprint) -> Result<Reserved, BackendError> {
        self.write(RESERVE_KEY, move |session| Box::pin(async move { reserve(session, now, claim, key).await })).await
    }
}

async fn reserve(
    session: &Session<'_>,
    now: Timestamp,
    claim: Claim,
    key: Fingerprint,
) -> Result<Reserved, BackendError> {
    let (task, token, key, now) = (claim.task.as_uuid(), claim.token.as_uuid(), &key.as_bytes()[..], At(now));
    let (_, _, holder) = tokio::try_join!(
        biased;
        async { session.execute(RESERVE, &[task, token, &key]).await },
        async { session.execute(LOCK, &[&key]).await },
        async { session.query_opt(HOLDER, &[task, token, &key, &now]).await },
    )?;
    let Some(row) = holder else { return Ok(Reserved::ClaimLost) };
    let columns = Columns::new(RESERVE_KEY, "memos", "owner", &row);
    if let Some(value) = columns.optional_payload("value")? {
        return Ok(Reserved::Value(value));
    }
    match columns.optional_id::<TaskId>("owner")? {
        Some(owner) if owner == claim.task => return Ok(Reserved::Yours),
        Some(owner) => return Ok(Reserved::Held { by: owner, is_ancestor: columns.flag("is_above")? }),
        None => {}
    }
    match session.execute(TAKE_OVER, &[&key, task]).await? {
        // It expired, and was deleted between the first statement and the second.
        0 => Err(BackendError::new(ErrorKind::Busy, RESERVE_KEY)),
        _ => Ok(Reserved::Yours),
    }
}

/// Stores the results of tasks that have completed, in their order; the first of a key wins.
pub(crate) async fn store<'a>(
    session: &Session<'_>,
    now: Timestamp,
    tasks: impl IntoIterator<Item = &'a TaskId>,
) -> Result<(), BackendError> {
    let tasks = ids(tasks);
    if !tasks.is_empty() {
        session.execute(STORE, &[&tasks, &At(now)]).await?;
    }
    Ok(())
}
