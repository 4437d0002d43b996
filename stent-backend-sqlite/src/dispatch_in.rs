//! Dispatch in a transaction of the caller's: the execution exists if and only if that commits.

use sqlx::{Connection as _, Sqlite, Transaction};
use stent_core::commit::Dispatched;
use stent_core::error::{BackendError, ErrorKind};
use stent_core::execution::NewExecution;
use stent_core::time::Timestamp;

use crate::SqliteBackend;
use crate::dispatch;
use crate::error::During;

const OPERATION: &str = "dispatch_in";

impl SqliteBackend {
    /// Dispatches executions in a transaction of yours on the same file: they exist if and only if it commits, together with what else it writes.
    /// The executions come from `Stent::prepare`; `now` is the time of the client's clock. Answers are in their order, one each.
    ///
    /// Workers see them once the transaction has committed. As long as it is open no other writer gets on, Stent's own among them: keep it short,
    /// and begin it with `BEGIN IMMEDIATE`, since one that has read before it writes fails as `Busy` if somebody wrote in between. How durable
    /// it is, is what your connection says (`PRAGMA synchronous`).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the connection has another file open; [`BackendError`] if the store is in trouble. What was written of these
    /// executions before an error is undone; your transaction is as it was.
    pub async fn dispatch_in(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        now: Timestamp,
        executions: &[NewExecution],
    ) -> Result<Vec<Dispatched>, BackendError> {
        if executions.is_empty() {
            return Ok(Vec::new());
        }
        let file: String = sqlx::query_scalar(include_str!("../sql/dispatch/main_file.sql"))
            .fetch_one(&mut **transaction)
            .await
            .during(OPERATION)?;
        if !self.database().is_file(file.as_ref()) {
            let text = format!("the transaction is on {file:?}, and not on the file of this backend");
            return Err(BackendError::new(ErrorKind::Invalid, OPERATION).with_message(text));
        }
        // A savepoint, so that an error in the middle leaves nothing behind.
        let mut savepoint = transaction.begin().await.during(OPERATION)?;
        let dispatched = dispatch::insert(&mut savepoint, OPERATION, now, executions).await?;
        savepoint.commit().await.during(OPERATION)?;
        Ok(dispatched)
    }
}
