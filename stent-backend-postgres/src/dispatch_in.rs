//! Dispatch in a transaction of the caller's: the execution exists if and only if that commits.

use stent_core::backend::Hint;
use stent_core::commit::Dispatched;
use stent_core::error::{BackendError, ErrorKind};
use stent_core::execution::NewExecution;
use stent_core::time::Timestamp;
use tokio_postgres::Transaction;

use crate::PostgresBackend;
use crate::connection::Session;
use crate::dispatch;
use crate::error::During;
use crate::row::Columns;

const OPERATION: &str = "dispatch_in";

impl PostgresBackend {
    /// Dispatches executions in a transaction of yours on the same database: they exist if and only if it commits, together with what else it writes.
    /// The executions come from `Stent::prepare`; `now` is the time of the client's clock. Answers are in their order, one each.
    ///
    /// Workers see them once the transaction has committed, and are told then, by a `NOTIFY` of your transaction. The server lets only one transaction
    /// that notifies commit at a time: where that is too few, open the backend that is called here with
    /// [`hints(false)`](crate::PostgresOptions::hints), and workers find the executions when they next ask.
    ///
    /// As long as your transaction is open, whoever dispatches with the same dedup key waits for it, as it does for a transaction that did so before: without a
    /// bound, unless you `SET LOCAL lock_timeout`, which is answered as `Busy`. A turn of a durable function that dispatches with that key is tried again and
    /// again, and with it what its worker writes at the same time. So commit soon, and wait for nothing in between. Your transaction may be one of any isolation level; one that is
    /// serializable may fail as `Busy`, and is then to be begun again.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if your transaction's database has not the schema of this backend; [`BackendError`] if the store is in trouble. What was
    /// written of these executions before an error is undone; your transaction is as it was, and goes on.
    pub async fn dispatch_in(
        &self,
        transaction: &mut Transaction<'_>,
        now: Timestamp,
        executions: &[NewExecution],
    ) -> Result<Vec<Dispatched>, BackendError> {
        if executions.is_empty() {
            return Ok(Vec::new());
        }
        // A savepoint, which is rolled back when it is dropped: an error in the middle leaves nothing behind.
        let savepoint = transaction.transaction().await.during(OPERATION)?;
        let session = Session::of_callers(&savepoint, self.database(), OPERATION);
        let dispatched = self.dispatch_within(&session, now, executions).await?;
        drop(session);
        savepoint.commit().await.during(OPERATION)?;
        Ok(dispatched)
    }

    async fn dispatch_within(
        &self,
        session: &Session<'_>,
        now: Timestamp,
        executions: &[NewExecution],
    ) -> Result<Vec<Dispatched>, BackendError> {
        let schema = &self.database().schema;
        let before = session.query_one(include_str!("../sql/dispatch/enter.sql"), &[schema]).await?;
        let before = Columns::new(OPERATION, "schema_version", "search_path", &before);
        if !before.flag("is_ours")? {
            let text = format!("the transaction's database has no schema {schema} of Stent's");
            return Err(BackendError::new(ErrorKind::Invalid, OPERATION).with_message(text));
        }
        let dispatched = dispatch::insert(session, now, executions).await?;
        if let Some((channel, text)) = self.hints().notification(&[Hint::TasksReady]) {
            session.query(include_str!("../sql/dispatch/notify.sql"), &[&channel, &text]).await?;
        }
        session.query(include_str!("../sql/dispatch/leave.sql"), &[&before.text("search_path")?]).await?;
        Ok(dispatched)
    }
}
