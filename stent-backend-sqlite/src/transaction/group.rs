//! Group commit: the loop of the thread that writes.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use stent_core::backend::Hint;
use stent_core::error::BackendError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, timeout_at};

use super::{Job, Lasting, Message, begin, begin_with, commit, roll_back};
use crate::connection::{Database, Role, close, synchronize};
use crate::error::{During, ends_connection};
use crate::options::Synchronous;

/// Jobs of one transaction: enough to share an fsync, few enough that a job alone again is no long wait for the others.
const BATCH: usize = 256;
/// How often to look whether another process has written, while somebody listens.
const WATCH: Duration = Duration::from_millis(50);

/// How far a transaction came.
enum Failed {
    /// A job failed; alone, the others may succeed.
    Job(BackendError),
    /// It did not begin or did not commit; nothing was wrong with the jobs.
    Transaction(BackendError),
}

/// How a transaction ended.
#[derive(PartialEq, Eq)]
enum Ended {
    /// It was committed.
    Committed,
    /// It was committed, and later commits wait for no disk either.
    Relaxed,
    /// It must last, and its commit would not have waited for the disk.
    MustLast,
}

/// The loop of the thread.
pub(super) struct Group {
    database: Arc<Database>,
    /// `None` after trouble with it: the next transaction opens another.
    connection: Option<SqliteConnection>,
    hints: broadcast::Sender<Hint>,
    transactions: Arc<AtomicU64>,
    /// A transaction that need not last was rolled back: what the connection's commits wait for is to be set again.
    is_relaxed: bool,
    /// The last `data_version`, which changes when another connection commits, not with this one's own commits.
    seen: Option<i64>,
}

impl Group {
    pub(super) fn new(
        database: Arc<Database>,
        connection: SqliteConnection,
        hints: broadcast::Sender<Hint>,
        transactions: Arc<AtomicU64>,
    ) -> Self {
        Self { database, connection: Some(connection), hints, transactions, is_relaxed: false, seen: None }
    }

    /// Writes what comes until nobody is left who could write, or the queue is closed.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut look_at = Instant::now();
        let mut done = Vec::new();
        loop {
            let first = if self.hints.receiver_count() == 0 {
                self.seen = None;
                queue.recv().await
            } else if let Ok(first) = timeout_at(look_at, queue.recv()).await {
                first
            } else {
                self.look().await;
                look_at = Instant::now() + WATCH;
                continue;
            };
            let Some(first) = first else { break };
            let mut jobs = Vec::new();
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Job(job) => jobs.push(job),
                    Message::Watch => look_at = Instant::now(),
                    Message::Close(tell) => {
                        // What is queued already is still written; nothing more is taken.
                        queue.close();
                        done.push(tell);
                    }
                }
                next = if jobs.len() < BATCH { queue.try_recv().ok() } else { None };
            }
            self.write(jobs).await;
        }
        if let Some(connection) = self.connection.take() {
            close(connection).await;
        }
        for tell in done {
            let _ = tell.send(());
        }
    }

    /// Writes jobs, together if all of them succeed.
    async fn write(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        match self.transact(&mut jobs).await {
            Err(Failed::Job(_)) if jobs.len() > 1 => {
                for job in jobs {
                    let mut alone = vec![job];
                    let outcome = self.transact(&mut alone).await;
                    self.answer(alone, outcome);
                }
            }
            outcome => self.answer(jobs, outcome),
        }
    }

    /// One transaction with all of these jobs, or none; on the disk, if that matters for any of them.
    async fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Failed> {
        let all_alike = self.database.synchronous() == Synchronous::Normal;
        if all_alike || must_last(jobs) || !self.try_transact(jobs, Lasting::NeedNot).await? {
            self.try_transact(jobs, Lasting::Must).await?;
        }
        Ok(())
    }

    /// False if it was rolled back because it must last, which was not known before the jobs had run.
    async fn try_transact(&mut self, jobs: &mut [Box<dyn Job>], lasting: Lasting) -> Result<bool, Failed> {
        const OPERATION: &str = "write";
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.database.check_identity(OPERATION).map_err(Failed::Transaction).inspect_err(|_| self.connection = None)?;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.is_relaxed = false;
                self.database.connect(Role::Writer, OPERATION).await.map_err(Failed::Transaction)?
            }
        };
        if self.is_relaxed {
            // With an error the connection is dropped and not used again.
            let synchronous = self.database.synchronous();
            synchronize(&mut connection, synchronous, OPERATION).await.map_err(Failed::Transaction)?;
        }
        let outcome = transact(&mut connection, jobs, lasting, self.database.busy_timeout()).await;
        self.is_relaxed = lasting == Lasting::NeedNot && !matches!(outcome, Ok(Ended::Committed));
        let is_sound = match &outcome {
            Ok(Ended::Committed | Ended::Relaxed) => true,
            Ok(Ended::MustLast) => roll_back(&mut connection, OPERATION).await.is_ok(),
            Err(Failed::Job(error) | Failed::Transaction(error)) => {
                roll_back(&mut connection, OPERATION).await.is_ok() && !ends_connection(error)
            }
        };
        if is_sound {
            self.connection = Some(connection);
        } else {
            close(connection).await;
            self.seen = None;
        }
        outcome.map(|ended| ended != Ended::MustLast)
    }

    /// Answers jobs of one transaction; before, listeners are told what was committed, each thing once.
    fn answer(&self, mut jobs: Vec<Box<dyn Job>>, outcome: Result<(), Failed>) {
        let outcome = outcome.map_err(|(Failed::Job(error) | Failed::Transaction(error))| error);
        if outcome.is_ok() {
            let told: HashSet<Hint> = jobs.iter_mut().flat_map(|job| job.hints()).collect();
            for hint in told {
                // Nobody may be listening.
                let _ = self.hints.send(hint);
            }
        }
        for job in jobs {
            job.answer(outcome.clone());
        }
    }

    /// Whether another connection has written; if so, anything may have happened.
    async fn look(&mut self) {
        let Some(connection) = &mut self.connection else {
            // The store is in trouble: nothing is known until the next write has a connection again.
            let _ = self.hints.send(Hint::Anything);
            return;
        };
        let version = sqlx::query_scalar("PRAGMA data_version").fetch_one(connection).await.ok();
        if self.seen.is_some() && self.seen != version {
            let _ = self.hints.send(Hint::Anything);
        }
        self.seen = version;
    }
}

fn must_last(jobs: &[Box<dyn Job>]) -> bool {
    jobs.iter().any(|job| job.lasting() == Lasting::Must)
}

async fn transact(
    connection: &mut SqliteConnection,
    jobs: &mut [Box<dyn Job>],
    lasting: Lasting,
    patience: Duration,
) -> Result<Ended, Failed> {
    let begun = match lasting {
        Lasting::Must => begin(connection, patience, "write").await,
        Lasting::NeedNot => begin_relaxed(connection, patience, "write").await,
    };
    begun.map_err(Failed::Transaction)?;
    for job in &mut *jobs {
        job.run(connection).await.map_err(Failed::Job)?;
    }
    let ended = match lasting {
        Lasting::Must => commit(connection, "write").await.map(|()| Ended::Committed),
        Lasting::NeedNot if must_last(jobs) => return Ok(Ended::MustLast),
        Lasting::NeedNot => match commit_relaxed(connection, "write").await {
            Ok(true) => Ok(Ended::Committed),
            Ok(false) => Ok(Ended::Relaxed),
            Err(error) => Err(error),
        },
    };
    ended.map_err(Failed::Transaction)
}

/// Like [`begin`], of a transaction whose commit waits for no disk. The thread of the connection is slower to wake than to run a statement: what belongs
/// together is one.
async fn begin_relaxed(
    connection: &mut SqliteConnection,
    patience: Duration,
    operation: &'static str,
) -> Result<(), BackendError> {
    begin_with(connection, "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE", patience, operation).await
}

/// Commits without waiting for the disk, and has later commits wait for it again; false if they do not.
async fn commit_relaxed(connection: &mut SqliteConnection, operation: &'static str) -> Result<bool, BackendError> {
    let commit = sqlx::query_scalar("COMMIT; PRAGMA synchronous = FULL; PRAGMA synchronous");
    let synchronous: Vec<i64> = commit.fetch_all(connection).await.during(operation)?;
    Ok(synchronous == [2])
}
