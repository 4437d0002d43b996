//! Transactions: begun again when another stood in their way, and told to listeners once they are committed.

use std::time::Duration;

use futures_util::future::BoxFuture;
use stent_core::backend::Hint;
use stent_core::error::BackendError;
use tokio::time::sleep;
use tokio_postgres::IsolationLevel;

use crate::PostgresBackend;
use crate::connection::{Database, Session};
use crate::error::{During, is_conflict};
use crate::migrate::ENTER;
use crate::options::Pooler;

/// What a job answers, and what is to be told to listeners once it is committed.
pub(crate) type Hinted<T> = (T, Vec<Hint>);

/// How often a transaction is begun in all before its conflict is answered.
const TRIES: u32 = 20;

impl PostgresBackend {
    /// Runs a job in a transaction (READ COMMITTED). The job may be run more than once, each time after a rollback: when the server says that another stood in
    /// its way, and when the job says so itself by an error of kind `Busy`.
    pub(crate) async fn write<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'s> Fn(&'s Session<'_>) -> BoxFuture<'s, Result<T, BackendError>> + Send + Sync,
    {
        self.write_hinting(operation, move |session| {
            let answer = job(session);
            Box::pin(async move { Ok((answer.await?, Vec::new())) })
        })
        .await
    }

    /// Like [`write`](Self::write), with hints that are given once the job is committed.
    pub(crate) async fn write_hinting<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'s> Fn(&'s Session<'_>) -> BoxFuture<'s, Result<Hinted<T>, BackendError>> + Send + Sync,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_write(operation, &job).await {
                Err(error) if is_conflict(&error) && tries < TRIES => sleep(pause(tries)).await,
                Err(error) => return Err(error),
                Ok((answer, hints)) => {
                    self.tell(hints);
                    return Ok(answer);
                }
            }
        }
    }

    async fn try_write<T, F>(&self, operation: &'static str, job: &F) -> Result<Hinted<T>, BackendError>
    where
        T: Send + 'static,
        F: for<'s> Fn(&'s Session<'_>) -> BoxFuture<'s, Result<Hinted<T>, BackendError>> + Send + Sync,
    {
        let database = self.database();
        let mut client = database.client(operation).await?;
        // Said each time: the lock rules hold at no other level, and a role may have another by default.
        let begin = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
        let session = Session::of_transaction(begin.start().await.during(operation)?, database, operation);
        enter(&session, database).await?;
        // Dropped without a commit, for whatever reason, it is rolled back.
        let answer = job(&session).await?;
        if let Some(transaction) = session.into_transaction() {
            transaction.commit().await.during(operation)?;
        }
        Ok(answer)
    }

    /// Runs one statement that writes, a transaction of its own.
    pub(crate) async fn write_one<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'s> Fn(&'s Session<'_>) -> BoxFuture<'s, Result<T, BackendError>> + Send + Sync,
    {
        let database = self.database();
        if database.pooler == Pooler::Transaction {
            return self.write(operation, job).await;
        }
        let session = Session::of_client(database.client(operation).await?, database, operation);
        job(&session).await
    }

    /// Runs one statement, or several of which each is a transaction of its own.
    pub(crate) async fn read<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'s> FnOnce(&'s Session<'_>) -> BoxFuture<'s, Result<T, BackendError>> + Send,
    {
        let database = self.database();
        if database.pooler == Pooler::Transaction {
            return self.read_together(operation, job).await;
        }
        let session = Session::of_client(database.client(operation).await?, database, operation);
        job(&session).await
    }

    /// Runs reads that all see one state of the database.
    pub(crate) async fn read_together<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'s> FnOnce(&'s Session<'_>) -> BoxFuture<'s, Result<T, BackendError>> + Send,
    {
        let database = self.database();
        let mut client = database.client(operation).await?;
        let begin = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let session = Session::of_transaction(begin.start().await.during(operation)?, database, operation);
        enter(&session, database).await?;
        let answer = job(&session).await?;
        if let Some(transaction) = session.into_transaction() {
            transaction.commit().await.during(operation)?;
        }
        Ok(answer)
    }
}

/// Behind a pooler nothing is kept on a connection: a transaction says itself where its tables are.
async fn enter(session: &Session<'_>, database: &Database) -> Result<(), BackendError> {
    if database.pooler == Pooler::Transaction {
        session.query(ENTER, &[&database.schema]).await?;
    }
    Ok(())
}

/// A little longer from try to try, and never the same for two that met.
fn pause(tries: u32) -> Duration {
    let spread = uuid::Uuid::new_v4().as_u128() % 1_000;
    let spread = u64::try_from(spread).unwrap_or(0);
    Duration::from_micros(u64::from(tries.min(10)) * (500 + spread))
}
