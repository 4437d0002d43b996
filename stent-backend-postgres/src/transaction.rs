//! Transactions: begun again when another stood in their way, and told to listeners once they are committed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use stent_core::backend::Hint;
use stent_core::error::BackendError;
use tokio::time::sleep;

use crate::PostgresBackend;
use crate::connection::{Database, Session};
use crate::error::is_conflict;
use crate::migrate::ENTER;
use crate::options::Pooler;

/// What a job answers, and what is to be told to listeners once it is committed.
pub(crate) type Hinted<T> = (T, Vec<Hint>);

/// The lock rules hold at no other level, and a role may have another by default.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const BEGIN_READS: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
const COMMIT: &str = "COMMIT";
const ROLL_BACK: &str = "ROLLBACK";

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
        let hinted = self.retry(|| self.transact(operation, BEGIN, |session| job(session))).await?;
        Ok(self.told(hinted))
    }

    /// Like [`write_hinting`](Self::write_hinting), of a job whose every statement is a transaction of its own.
    pub(crate) async fn write_apart_hinting<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'s> Fn(&'s Session<'_>) -> BoxFuture<'s, Result<Hinted<T>, BackendError>> + Send + Sync,
    {
        if self.database().pooler == Pooler::Transaction {
            return self.write_hinting(operation, job).await;
        }
        let hinted = self.retry(|| self.apart(operation, |session| job(session))).await?;
        Ok(self.told(hinted))
    }

    /// Like [`write`](Self::write), of a job whose every statement is a transaction of its own.
    pub(crate) async fn write_apart<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'s> Fn(&'s Session<'_>) -> BoxFuture<'s, Result<T, BackendError>> + Send + Sync,
    {
        self.write_apart_hinting(operation, move |session| {
            let answer = job(session);
            Box::pin(async move { Ok((answer.await?, Vec::new())) })
        })
        .await
    }

    /// Tells listeners what was committed.
    fn told<T>(&self, (answer, hints): Hinted<T>) -> T {
        self.tell(hints);
        answer
    }

    /// Tries again while another stands in the way.
    async fn retry<T, R>(&self, attempt: impl Fn() -> R) -> Result<T, BackendError>
    where
        R: Future<Output = Result<T, BackendError>>,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            match attempt().await {
                Err(error) if is_conflict(&error) && tries < TRIES => sleep(pause(tries)).await,
                answer => return answer,
            }
        }
    }

    /// Like [`write_at_once`](Self::write_at_once), with hints that are given once the job is committed.
    pub(crate) async fn write_at_once_hinting<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'s> Fn(&'s Session<'_>) -> BoxFuture<'s, Result<Hinted<T>, BackendError>> + Send + Sync,
    {
        let hinted = self.write_at_once(operation, job).await?;
        Ok(self.told(hinted))
    }

    /// Like [`write`](Self::write), of a job whose first poll begins all its statements: they go out with the commit, in one round trip. What the job concludes
    /// from their answers changes nothing any more.
    pub(crate) async fn write_at_once<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'s> Fn(&'s Session<'_>) -> BoxFuture<'s, Result<T, BackendError>> + Send + Sync,
    {
        if self.database().pooler == Pooler::Transaction {
            return self.write(operation, job).await;
        }
        self.retry(|| async {
            let database = self.database();
            let session = Session::of_client(database.client(operation).await?, database, operation);
            let mut open = Open { session, is_over: false };
            let has_failed = AtomicBool::new(false);
            let (begun, done, committed) = tokio::join!(
                biased;
                open.session.frame(BEGIN),
                async { job(&open.session).await.inspect_err(|_| has_failed.store(true, Ordering::Relaxed)) },
                // What failed before all was begun leaves nothing behind.
                async { open.session.frame(if has_failed.load(Ordering::Relaxed) { ROLL_BACK } else { COMMIT }).await },
            );
            // A statement that failed has undone all of it, and the transaction is over all the same.
            open.is_over = committed.is_ok();
            begun.and(done).and_then(|answer| committed.map(|()| answer))
        })
        .await
    }

    /// Runs a job in a transaction that is begun so. The beginning goes out with the job's first statements.
    async fn transact<T, F>(&self, operation: &'static str, begin: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send,
        F: for<'s> FnOnce(&'s Session<'_>) -> BoxFuture<'s, Result<T, BackendError>> + Send,
    {
        let database = self.database();
        let session = Session::of_client(database.client(operation).await?, database, operation);
        let mut open = Open { session, is_over: false };
        let (begun, done) = tokio::join!(biased; open.session.frame(begin), async {
            enter(&open.session, database).await?;
            job(&open.session).await
        });
        match begun.and(done) {
            Ok(answer) => {
                open.session.frame(COMMIT).await?;
                open.is_over = true;
                Ok(answer)
            }
            Err(error) => {
                // Without an answer its connection is of no use, which the pool sees.
                open.is_over = open.session.frame(ROLL_BACK).await.is_ok();
                Err(error)
            }
        }
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
        self.apart(operation, job).await
    }

    async fn apart<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send,
        F: for<'s> FnOnce(&'s Session<'_>) -> BoxFuture<'s, Result<T, BackendError>> + Send,
    {
        let database = self.database();
        let session = Session::of_client(database.client(operation).await?, database, operation);
        job(&session).await
    }

    /// Runs reads that all see one state of the database.
    pub(crate) async fn read_together<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'s> FnOnce(&'s Session<'_>) -> BoxFuture<'s, Result<T, BackendError>> + Send,
    {
        self.transact(operation, BEGIN_READS, job).await
    }
}

/// A session with a transaction on it, which ends with it, also if its caller goes away.
struct Open<'d> {
    session: Session<'d>,
    is_over: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.session.abandon(ROLL_BACK);
        }
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
