//! Transactions: one connection writes, on a thread of its own. What waits when a transaction has committed goes out together
//! in the next one: an idle store has the latency of one write, a busy one the throughput of group commit.
//!
//! The thread has its own runtime, so that code that blocks the user's never delays a write or a renewal.

mod group;
mod job;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
#[cfg(test)]
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnection;
use stent_core::backend::Hint;
use stent_core::error::{BackendError, ErrorKind};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::connection::Database;
use crate::error::During;
use group::Group;
use job::{Alone, Done, Job, Kind, Queued, hinting};

pub(crate) use job::Lasting;

/// Jobs that wait; more wait before they are queued.
const QUEUE: usize = 1_024;
/// Hints that a slow listener may be behind; past them it learns that anything may have happened.
const HINTS: usize = 1_024;

/// What a job answers, and what is to be told to listeners once it is committed.
pub(crate) type Hinted<T> = (T, Vec<Hint>);

/// What a job answers, and whether it must outlive a crash of the machine after all.
pub(crate) type Relaxed<T> = (T, Lasting);

/// What is done with what was made ready before.
pub(crate) type Step<P, T> = for<'c> fn(&'c mut SqliteConnection, Arc<P>) -> BoxFuture<'c, Result<T, BackendError>>;

/// The one who writes.
pub(crate) struct Writer {
    messages: mpsc::Sender<Message>,
    hints: broadcast::Sender<Hint>,
    #[cfg_attr(not(test), expect(dead_code, reason = "a test counts them"))]
    transactions: Arc<AtomicU64>,
}

enum Message {
    Job(Box<dyn Job>),
    /// Somebody listens from now on.
    Watch,
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Starts the thread, which ends with the last handle.
    pub(crate) fn start(database: Arc<Database>, connection: SqliteConnection) -> Result<Self, BackendError> {
        let (messages, queue) = mpsc::channel(QUEUE);
        let hints = broadcast::Sender::new(HINTS);
        let transactions = Arc::new(AtomicU64::new(0));
        let group = Group::new(database, connection, hints.clone(), Arc::clone(&transactions));
        let unsupported = |error| BackendError::new(ErrorKind::Unsupported, "open").with_source(error);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(unsupported)?;
        thread::Builder::new()
            .name("stent-sqlite".into())
            .spawn(move || runtime.block_on(group.run(queue)))
            .map_err(unsupported)?;
        Ok(Self { messages, hints, transactions })
    }

    /// Runs a job in a transaction, which it may share. The job may be run more than once, each time after a rollback. Once queued it
    /// happens whole, also if the caller goes away.
    pub(crate) async fn write<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, BackendError>> + Send + 'static,
    {
        self.queue(operation, Kind::Plain, None, move |connection| {
            let answer = job(connection);
            Box::pin(async move { Ok(Done { answer: answer.await?, hints: Vec::new(), lasting: Lasting::Must }) })
        })
        .await
    }

    /// Like [`Writer::write`], with hints that are given once the job is committed.
    pub(crate) async fn write_hinting<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Hinted<T>, BackendError>> + Send + 'static,
    {
        self.write_making(operation, false, job).await
    }

    /// Like [`Writer::write_hinting`]; of a job that makes tasks ready listeners are told when it is queued, so that their claims go with it.
    pub(crate) async fn write_making<T, F>(
        &self,
        operation: &'static str,
        tasks: bool,
        job: F,
    ) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Hinted<T>, BackendError>> + Send + 'static,
    {
        let kind = if tasks { Kind::Early } else { Kind::Plain };
        self.queue(operation, kind, None, hinting(job)).await
    }

    /// Like [`Writer::write_hinting`], of a job that can be done by one statement, or one text of statements: if nobody else writes, `alone` does it as a
    /// transaction of its own. If that answers `None` the job runs like any other.
    pub(crate) async fn write_alone<T: Send + 'static, P: Send + Sync + 'static>(
        &self,
        operation: &'static str,
        prepared: P,
        alone: Step<P, Option<Hinted<T>>>,
        job: Step<P, Hinted<T>>,
    ) -> Result<T, BackendError> {
        let prepared = Arc::new(prepared);
        let here = Arc::clone(&prepared);
        let alone: Alone<T> = Box::new(move |connection| alone(connection, Arc::clone(&here)));
        self.queue(
            operation,
            Kind::Plain,
            Some(alone),
            hinting(move |connection| job(connection, Arc::clone(&prepared))),
        )
        .await
    }

    /// Like [`Writer::write`], of a job whose commit need not be on the disk when it is answered, unless it turns out that it must.
    pub(crate) async fn write_relaxed<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Relaxed<T>, BackendError>> + Send + 'static,
    {
        self.queue(operation, Kind::Relaxed, None, move |connection| {
            let relaxed = job(connection);
            Box::pin(async move {
                let (answer, lasting) = relaxed.await?;
                Ok(Done { answer, hints: Vec::new(), lasting })
            })
        })
        .await
    }

    async fn queue<T, F>(
        &self,
        operation: &'static str,
        kind: Kind,
        alone: Option<Alone<T>>,
        job: F,
    ) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Done<T>, BackendError>> + Send + 'static,
    {
        let closed = || BackendError::new(ErrorKind::Closed, operation);
        let (reply, answer) = oneshot::channel();
        let job = Queued { job, alone, kind, done: None, reply };
        self.messages.send(Message::Job(Box::new(job))).await.map_err(|_| closed())?;
        if kind == Kind::Early {
            // Whoever claims by this is queued behind it.
            let _ = self.hints.send(Hint::TasksReady);
        }
        answer.await.map_err(|_| closed())?
    }

    /// Hints from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Hint> {
        let listener = self.hints.subscribe();
        // If the queue is full the thread is awake already.
        let _ = self.messages.try_send(Message::Watch);
        listener
    }

    /// Writes what is queued, and no more.
    pub(crate) async fn close(&self) {
        let (done, is_done) = oneshot::channel();
        if self.messages.send(Message::Close(done)).await.is_ok() {
            let _ = is_done.await;
        }
    }

    /// How many transactions were begun.
    #[cfg(test)]
    pub(crate) fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }
}

/// Between two looks whether another process still writes.
///
/// SQLite's own busy handler comes to sleep 100 ms between two looks, and between two transactions of a busy writer the lock is free for some
/// microseconds only: whoever looks seldom starves.
#[derive(Default)]
struct Pause {
    looks: u64,
}

impl Pause {
    async fn wait(&mut self) {
        self.looks += 1;
        sleep(Duration::from_millis((self.looks / 8 + 1).min(5))).await;
    }
}

/// Begins a transaction that writes, when no other process does.
pub(crate) async fn begin(
    connection: &mut SqliteConnection,
    patience: Duration,
    operation: &'static str,
) -> Result<(), BackendError> {
    begin_with(connection, "BEGIN IMMEDIATE", patience, operation).await
}

async fn begin_with(
    connection: &mut SqliteConnection,
    statement: &'static str,
    patience: Duration,
    operation: &'static str,
) -> Result<(), BackendError> {
    let deadline = Instant::now() + patience;
    let mut pause = Pause::default();
    loop {
        let begun = sqlx::query(statement).execute(&mut *connection).await.during(operation);
        match begun {
            Err(error) if *error.kind() == ErrorKind::Busy && Instant::now() < deadline => pause.wait().await,
            begun => return begun.map(drop),
        }
    }
}

pub(crate) async fn commit(connection: &mut SqliteConnection, operation: &'static str) -> Result<(), BackendError> {
    sqlx::query("COMMIT").execute(connection).await.during(operation).map(drop)
}

pub(crate) async fn roll_back(connection: &mut SqliteConnection, operation: &'static str) -> Result<(), BackendError> {
    sqlx::query("ROLLBACK").execute(connection).await.during(operation).map(drop)
}
