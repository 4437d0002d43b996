//! Group commit: the loop of the thread that writes.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use stent_core::backend::Hint;
use stent_core::error::{BackendError, ErrorKind};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::{Job, Lasting, Message, Pause, begin, begin_with, commit, roll_back};
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

/// What comes to the thread.
struct Inbox {
    queue: mpsc::Receiver<Message>,
    /// A job for the next transaction.
    kept: Option<Box<dyn Job>>,
    /// When to look whether another process has written.
    look_at: Instant,
    /// Who is told that nothing is left to write.
    done: Vec<oneshot::Sender<()>>,
}

impl Inbox {
    /// The job that a message is; others are heeded.
    fn read(&mut self, message: Message) -> Option<Box<dyn Job>> {
        match message {
            Message::Job(job) => return Some(job),
            Message::Watch => self.look_at = Instant::now(),
            Message::Close(tell) => {
                // What is queued already is still written; nothing more is taken.
                self.queue.close();
                self.done.push(tell);
            }
        }
        None
    }

    /// The next job that waits.
    fn next(&mut self) -> Option<Box<dyn Job>> {
        loop {
            let message = self.queue.try_recv().ok()?;
            if let Some(job) = self.read(message) {
                return Some(job);
            }
        }
    }

    /// True if nobody waits to write.
    fn is_empty(&self) -> bool {
        self.kept.is_none() && self.queue.is_empty()
    }

    /// The next job that waits and may go with a transaction that lasts like this.
    fn next_with(&mut self, lasting: Lasting) -> Option<Box<dyn Job>> {
        if self.kept.is_some() {
            return None;
        }
        let job = self.next()?;
        if lasting == Lasting::NeedNot && job.lasting() == Lasting::Must {
            self.kept = Some(job);
            return None;
        }
        Some(job)
    }
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
    pub(super) async fn run(mut self, queue: mpsc::Receiver<Message>) {
        let mut inbox = Inbox { queue, kept: None, look_at: Instant::now(), done: Vec::new() };
        loop {
            let first = match inbox.kept.take() {
                Some(kept) => Some(Message::Job(kept)),
                None if self.hints.receiver_count() == 0 => {
                    self.seen = None;
                    inbox.queue.recv().await
                }
                None => match timeout_at(inbox.look_at, inbox.queue.recv()).await {
                    Ok(first) => first,
                    Err(_) => {
                        self.look().await;
                        inbox.look_at = Instant::now() + WATCH;
                        continue;
                    }
                },
            };
            let Some(first) = first else { break };
            let mut jobs: Vec<_> = inbox.read(first).into_iter().collect();
            while jobs.len() < BATCH
                && let Some(job) = inbox.next()
            {
                jobs.push(job);
            }
            self.write(jobs, &mut inbox).await;
        }
        if let Some(connection) = self.connection.take() {
            close(connection).await;
        }
        for tell in inbox.done {
            let _ = tell.send(());
        }
    }

    /// Writes jobs, together if all of them succeed.
    async fn write(&mut self, mut jobs: Vec<Box<dyn Job>>, inbox: &mut Inbox) {
        if let [job] = &mut jobs[..]
            && inbox.is_empty()
            && let Some(outcome) = self.transact_alone(&mut **job).await
        {
            return self.answer(jobs, outcome, true);
        }
        if jobs.is_empty() {
            return;
        }
        match self.transact(&mut jobs, Some(inbox)).await {
            Err(Failed::Job(_)) if jobs.len() > 1 => {
                for job in jobs {
                    let mut alone = vec![job];
                    let outcome = self.transact(&mut alone, None).await;
                    self.answer(alone, outcome, false);
                }
            }
            outcome => self.answer(jobs, outcome, true),
        }
    }

    /// A job as a transaction of its own, if it can be one: the thread of the connection is woken once then, not for each statement.
    async fn transact_alone(&mut self, job: &mut dyn Job) -> Option<Result<(), Failed>> {
        const OPERATION: &str = "write";
        if self.is_relaxed || self.database.check_identity(OPERATION).is_err() {
            return None;
        }
        let mut connection = self.connection.take()?;
        let deadline = Instant::now() + self.database.busy_timeout();
        let mut pause = Pause::default();
        loop {
            let Some(alone) = job.run_alone(&mut connection) else {
                self.connection = Some(connection);
                return None;
            };
            match alone.await {
                Ok(written) => {
                    self.connection = Some(connection);
                    self.transactions.fetch_add(u64::from(written), Ordering::Relaxed);
                    return written.then_some(Ok(()));
                }
                // Another process writes: nothing was begun.
                Err(error) if *error.kind() == ErrorKind::Busy && Instant::now() < deadline => pause.wait().await,
                Err(error) => {
                    // Where it failed, and whether it has left a transaction open, is not known.
                    close(connection).await;
                    self.seen = None;
                    return Some(Err(Failed::Job(error)));
                }
            }
        }
    }

    /// One transaction with all of these jobs, or none; on the disk, if that matters for any of them.
    async fn transact(&mut self, jobs: &mut Vec<Box<dyn Job>>, mut inbox: Option<&mut Inbox>) -> Result<(), Failed> {
        let all_alike = self.database.synchronous() == Synchronous::Normal;
        if all_alike || must_last(jobs) || !self.try_transact(jobs, Lasting::NeedNot, inbox.as_deref_mut()).await? {
            self.try_transact(jobs, Lasting::Must, inbox).await?;
        }
        Ok(())
    }

    /// False if it was rolled back because it must last, which was not known before the jobs had run.
    async fn try_transact(
        &mut self,
        jobs: &mut Vec<Box<dyn Job>>,
        lasting: Lasting,
        inbox: Option<&mut Inbox>,
    ) -> Result<bool, Failed> {
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
        let outcome = transact(&mut connection, jobs, lasting, inbox, self.database.busy_timeout()).await;
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
    fn answer(&self, mut jobs: Vec<Box<dyn Job>>, outcome: Result<(), Failed>, is_first: bool) {
        let outcome = outcome.map_err(|(Failed::Job(error) | Failed::Transaction(error))| error);
        if outcome.is_ok() {
            let told: HashSet<Hint> = jobs.iter_mut().flat_map(|job| job.hints(is_first)).collect();
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
    jobs: &mut Vec<Box<dyn Job>>,
    lasting: Lasting,
    mut inbox: Option<&mut Inbox>,
    patience: Duration,
) -> Result<Ended, Failed> {
    let begun = match lasting {
        Lasting::Must => begin(connection, patience, "write").await,
        Lasting::NeedNot => begin_relaxed(connection, patience, "write").await,
    };
    begun.map_err(Failed::Transaction)?;
    let mut done = 0;
    loop {
        while let Some(job) = jobs.get_mut(done) {
            job.run(connection).await.map_err(Failed::Job)?;
            done += 1;
        }
        // What came meanwhile goes along: who was told of tasks early claims them with what makes them.
        match inbox.as_mut().filter(|_| done < BATCH).and_then(|inbox| inbox.next_with(lasting)) {
            Some(job) => jobs.push(job),
            None => break,
        }
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
