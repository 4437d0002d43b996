//! Memo: shared results.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use stent_core::backend::Memos;
use stent_core::claim::Claim;
use stent_core::commit::Reserved;
use stent_core::error::BackendError;
use stent_core::id::TaskId;
use stent_core::payload::{Fingerprint, Payload};
use stent_core::time::Timestamp;

use crate::SqliteBackend;
use crate::batch::{Hex, to_json};
use crate::error::During;
use crate::row::Columns;

const RECALL_KEYS: &str = "recall";
const RESERVE_KEY: &str = "reserve";

pub(crate) const RECALL: &str = include_str!("../sql/memo/recall.sql");
pub(crate) const HOLDER: &str = include_str!("../sql/memo/holder.sql");
pub(crate) const RESERVE: &str = include_str!("../sql/memo/reserve.sql");
pub(crate) const STORE: &str = include_str!("../sql/memo/store.sql");

#[async_trait]
impl Memos for SqliteBackend {
    async fn recall(&self, now: Timestamp, keys: &[Fingerprint]) -> Result<Vec<Option<Payload>>, BackendError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<_> = keys.iter().map(|key| Hex(key.as_bytes())).collect();
        let asked = to_json(RECALL_KEYS, &asked)?;
        let mut values = vec![None; keys.len()];
        self.read(RECALL_KEYS, |connection| {
            Box::pin(async move {
                let query = sqlx::query(RECALL).bind(asked).bind(now.as_micros());
                let rows = query.fetch_all(connection).await.during(RECALL_KEYS)?;
                for row in &rows {
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
        self.write(RESERVE_KEY, move |connection| Box::pin(async move { reserve(connection, now, claim, key).await }))
            .await
    }
}

async fn reserve(
    connection: &mut SqliteConnection,
    now: Timestamp,
    claim: Claim,
    key: Fingerprint,
) -> Result<Reserved, BackendError> {
    let row = sqlx::query(HOLDER)
        .bind(&claim.task.as_bytes()[..])
        .bind(&claim.token.as_bytes()[..])
        .bind(&key.as_bytes()[..])
        .bind(now.as_micros())
        .fetch_optional(&mut *connection)
        .await
        .during(RESERVE_KEY)?;
    let Some(row) = row else { return Ok(Reserved::ClaimLost) };
    let columns = Columns::new(RESERVE_KEY, "memos", "owner", &row);
    if let Some(value) = columns.optional_payload("value")? {
        return Ok(Reserved::Value(value));
    }
    match columns.optional_id::<TaskId>("owner")? {
        Some(owner) if owner == claim.task => return Ok(Reserved::Yours),
        Some(owner) => return Ok(Reserved::Held { by: owner, is_ancestor: columns.flag("is_above")? }),
        None => {}
    }
    sqlx::query(RESERVE)
        .bind(&key.as_bytes()[..])
        .bind(&claim.task.as_bytes()[..])
        .execute(connection)
        .await
        .during(RESERVE_KEY)?;
    Ok(Reserved::Yours)
}

/// Stores the results of tasks that have completed, in their order; the first of a key wins.
pub(crate) async fn store(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    rows: &[i64],
) -> Result<(), BackendError> {
    if !rows.is_empty() {
        let query = sqlx::query(STORE).bind(to_json(operation, &rows)?).bind(now.as_micros());
        query.execute(connection).await.during(operation)?;
    }
    Ok(())
}
