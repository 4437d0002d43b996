//! Transactions: one connection writes, on a thread of its own. What waits when a transaction has committed goes out together
//! in the next one: an idle store has the latency of one write, a busy one the throughput of group commit.
//!
//! The thread has its own runtime, so that code that blocks the user's never delays a write or a renewal.

mod group;
mod job;

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
use job::{Done, Job, Kind, Queued};

pub(crate) use job::Lasting;

/// Jobs that wait; more wait before they are queued.
const QUEUE: usize = 1_024;
/// Hints that a slow listener may be behind; past them it learns that anything may have happened.
const HINTS: usize = 1_024;

/// What a job answers, and what is to be told to listeners once it is committed.
pub(crate) type Hinted<T> = (T, Vec<Hint>);

/// What a job answers, and whether it must outlive a crash of the machine after all.
pub(crate) type Relaxed<T> = (T, Lasting);

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
        self.queue(operation, Kind::Plain, move |connection| {
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
        self.queue(operation, kind, move |connection| {
            let hinted = job(connection);
            Box::pin(async move {
                let (answer, hints) = hinted.await?;
                Ok(Done { answer, hints, lasting: Lasting::Must })
            })
        })
        .await
    }

    /// Like [`Writer::write`], of a job whose commit need not be on the disk when it is answered, unless it turns out that it must.
    pub(crate) async fn write_relaxed<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Relaxed<T>, BackendError>> + Send + 'static,
    {
        self.queue(operation, Kind::Relaxed, move |connection| {
            let relaxed = job(connection);
            Box::pin(async move {
                let (answer, lasting) = relaxed.await?;
                Ok(Done { answer, hints: Vec::new(), lasting })
            })
        })
        .await
    }

    async fn queue<T, F>(&self, operation: &'static str, kind: Kind, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Done<T>, BackendError>> + Send + 'static,
    {
        let closed = || BackendError::new(ErrorKind::Closed, operation);
        let (reply, answer) = oneshot::channel();
        let job = Queued { job, kind, done: None, reply };
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

/// Begins a transaction that writes, when no other process does.
///
/// SQLite's own busy handler comes to sleep 100 ms between two looks, and between two transactions of a busy writer the lock is free for some
/// microseconds only: whoever looks seldom starves.
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
    let mut looks = 0_u64;
    loop {
        let begun = sqlx::query(statement).execute(&mut *connection).await.during(operation);
        match begun {
            Err(error) if *error.kind() == ErrorKind::Busy && Instant::now() < deadline => {
                looks += 1;
                sleep(Duration::from_millis((looks / 8 + 1).min(5))).await;
            }
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

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::sync::atomic::AtomicU32;
    use std::task::{Context, Waker};

    use futures_util::future::join_all;
    use tempfile::TempDir;

    use super::*;
    use crate::SqliteBackend;

    async fn open() -> (TempDir, SqliteBackend) {
        let directory = TempDir::new().unwrap();
        let backend = SqliteBackend::open(directory.path().join("stent.db")).await.unwrap();
        (directory, backend)
    }

    /// Stores the limit of a function; none is refused by the schema.
    async fn put(backend: &SqliteBackend, function: String, places: Option<i64>) -> Result<(), BackendError> {
        let job = backend.write("put", move |connection| {
            let function = function.clone();
            Box::pin(async move {
                let put = sqlx::query("INSERT INTO limits (function, max_concurrent) VALUES (?1, ?2)");
                put.bind(function).bind(places).execute(connection).await.during("put").map(drop)
            })
        });
        job.await
    }

    async fn count(backend: &SqliteBackend) -> i64 {
        let count = backend.read("count", |connection| {
            Box::pin(async move {
                sqlx::query_scalar("SELECT count(*) FROM limits").fetch_one(connection).await.during("count")
            })
        });
        count.await.unwrap()
    }

    #[tokio::test]
    async fn writes_that_come_together_are_committed_together() {
        let (_directory, backend) = open().await;
        let before = backend.transactions();
        let writes = (0..1_000).map(|number| put(&backend, format!("f{number}"), Some(1)));
        assert!(join_all(writes).await.iter().all(Result::is_ok));
        assert_eq!(count(&backend).await, 1_000);
        let transactions = backend.transactions() - before;
        assert!(transactions <= 20, "{transactions} transactions for 1,000 writes");
    }

    #[tokio::test]
    async fn a_write_that_fails_harms_none_that_came_with_it() {
        let (_directory, backend) = open().await;
        let writes = (0..50).map(|number| put(&backend, format!("f{number}"), (number % 10 != 3).then_some(1)));
        for (number, answer) in join_all(writes).await.iter().enumerate() {
            assert_eq!(answer.is_err(), number % 10 == 3, "{number}: {answer:?}");
        }
        assert_eq!(count(&backend).await, 45);
    }

    #[tokio::test]
    async fn a_write_whose_caller_went_away_happens_whole() {
        let (_directory, backend) = open().await;
        let mut write = Box::pin(put(&backend, "f".into(), Some(1)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(write.as_mut().poll(&mut context).is_pending());
        drop(write);
        put(&backend, "g".into(), Some(1)).await.unwrap();
        assert_eq!(count(&backend).await, 2);
    }

    #[tokio::test]
    async fn after_trouble_with_the_machine_another_connection_is_opened() {
        let (_directory, backend) = open().await;
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let failing = backend.write("fail", move |connection| {
            counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                let half = sqlx::query("INSERT INTO limits (function, max_concurrent) VALUES ('half', 1)");
                half.execute(connection).await.during("fail")?;
                Err::<(), _>(BackendError::new(ErrorKind::Full, "fail"))
            })
        });
        assert_eq!(*failing.await.unwrap_err().kind(), ErrorKind::Full);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        put(&backend, "f".into(), Some(1)).await.unwrap();
        assert_eq!(count(&backend).await, 1);
    }

    #[tokio::test]
    async fn hints_come_after_the_commit_and_each_once() {
        let (_directory, backend) = open().await;
        let mut hints = backend.listen();
        let told = (0..5).map(|_| {
            backend.write_hinting("tell", |_| Box::pin(async { Ok(((), vec![Hint::TasksReady, Hint::TasksReady])) }))
        });
        assert!(join_all(told).await.iter().all(Result::is_ok));
        let mut heard = 0;
        while hints.try_recv().is_ok() {
            heard += 1;
        }
        assert!((1..=5).contains(&heard), "{heard} hints");
    }

    /// What the commit of a relaxed job would wait for, as often as it has run.
    async fn relaxed(backend: &SqliteBackend, lasting: Lasting) -> Vec<i64> {
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let here = Arc::clone(&seen);
        let job = backend.write_relaxed("relaxed", move |connection| {
            let here = Arc::clone(&here);
            Box::pin(async move {
                let found = sqlx::query_scalar("PRAGMA synchronous").fetch_one(connection).await.during("relaxed")?;
                here.lock().unwrap().push(found);
                Ok(((), lasting))
            })
        });
        job.await.unwrap();
        let seen = seen.lock().unwrap();
        seen.clone()
    }

    /// 1 is NORMAL, 2 is FULL.
    #[tokio::test]
    async fn only_what_need_not_last_waits_for_no_disk() {
        let (directory, backend) = open().await;
        assert_eq!(relaxed(&backend, Lasting::NeedNot).await, [1]);
        put(&backend, "f".into(), Some(1)).await.unwrap();
        assert_eq!(relaxed(&backend, Lasting::NeedNot).await, [1]);
        assert_eq!(relaxed(&backend, Lasting::Must).await, [1, 2], "it turns out that it must");
        let level = backend.write("level", |connection| {
            Box::pin(async move {
                sqlx::query_scalar::<_, i64>("PRAGMA synchronous").fetch_one(connection).await.during("level")
            })
        });
        assert_eq!(level.await.unwrap(), 2);
        backend.close().await;
        let options =
            crate::SqliteOptions::new(directory.path().join("stent.db")).synchronous(crate::Synchronous::Normal);
        let backend = options.open().await.unwrap();
        assert_eq!(relaxed(&backend, Lasting::Must).await, [1], "nothing waits, if that is how it was opened");
    }

    /// Makes tasks ready, in a transaction that a write joins by whoever hears of it; answers with the transactions and with what is heard afterwards.
    async fn make_ready(backend: &SqliteBackend, places: Option<i64>) -> (u64, Vec<Hint>) {
        let (mut hints, is_queued) = (backend.listen(), Arc::new(tokio::sync::Notify::new()));
        let (before, queued) = (backend.transactions(), Arc::clone(&is_queued));
        let made = backend.write_making("make", true, move |_| {
            let queued = Arc::clone(&queued);
            Box::pin(async move {
                queued.notified().await;
                // For the case that it is run again.
                queued.notify_one();
                Ok(((), vec![Hint::TasksReady]))
            })
        });
        let joined = async {
            assert_eq!(hints.recv().await.unwrap(), Hint::TasksReady);
            let mut write = Box::pin(put(backend, "f".into(), places));
            assert!(write.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            is_queued.notify_one();
            write.await
        };
        let (made, joined) = tokio::join!(made, joined);
        made.unwrap();
        assert_eq!(joined.is_ok(), places.is_some());
        let transactions = backend.transactions() - before;
        (transactions, std::iter::from_fn(|| hints.try_recv().ok()).collect())
    }

    #[tokio::test]
    async fn who_is_told_of_tasks_early_writes_with_what_makes_them() {
        let (_directory, backend) = open().await;
        assert_eq!(make_ready(&backend, Some(1)).await, (1, Vec::new()));
    }

    #[tokio::test]
    async fn tasks_that_were_made_after_all_are_told_again() {
        let (_directory, backend) = open().await;
        assert_eq!(make_ready(&backend, None).await, (3, vec![Hint::TasksReady]));
    }
}
