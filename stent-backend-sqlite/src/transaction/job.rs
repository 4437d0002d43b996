//! Jobs: what is written by one call, in a transaction that it may share.

use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnection;
use stent_core::backend::Hint;
use stent_core::error::{BackendError, ErrorKind};
use tokio::sync::oneshot;

use super::Hinted;

/// Whether what a job writes must outlive a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasting {
    Must,
    /// Nobody misses it: it is on the disk with the next commit that must be.
    NeedNot,
}

/// What is known of a job before it has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// Listeners were told that it makes tasks ready.
    Early,
    /// Its commit need not be on the disk.
    Relaxed,
}

/// What a job did.
pub(super) struct Done<T> {
    pub(super) answer: T,
    pub(super) hints: Vec<Hint>,
    pub(super) lasting: Lasting,
}

/// A job as a transaction of its own; `None` if that has not done it.
pub(super) type Alone<T> =
    Box<dyn for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Option<Hinted<T>>, BackendError>> + Send>;

pub(super) trait Job: Send {
    /// Runs it as a transaction of its own, if it can be: true if it was.
    fn run_alone<'c>(
        &'c mut self,
        connection: &'c mut SqliteConnection,
    ) -> Option<BoxFuture<'c, Result<bool, BackendError>>>;

    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, Result<(), BackendError>>;

    /// Whether its commit must be on the disk before it is answered: as it is believed before it has run, and as is known then.
    fn lasting(&self) -> Lasting;

    /// What listeners are to be told once it is committed: in the first transaction that it was in, or in a later one.
    fn hints(&mut self, is_first: bool) -> Vec<Hint>;

    /// Tells the caller.
    fn answer(self: Box<Self>, outcome: Result<(), BackendError>);
}

/// A job that lasts and has hints, as any job is.
pub(super) fn hinting<T, F>(
    job: F,
) -> impl for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Done<T>, BackendError>> + Send + 'static
where
    T: Send + 'static,
    F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Hinted<T>, BackendError>> + Send + 'static,
{
    move |connection| {
        let hinted = job(connection);
        Box::pin(async move {
            let (answer, hints) = hinted.await?;
            Ok(Done { answer, hints, lasting: Lasting::Must })
        })
    }
}

pub(super) struct Queued<T, F> {
    pub(super) job: F,
    pub(super) alone: Option<Alone<T>>,
    pub(super) kind: Kind,
    pub(super) done: Option<Done<T>>,
    pub(super) reply: oneshot::Sender<Result<T, BackendError>>,
}

impl<T, F> Job for Queued<T, F>
where
    T: Send,
    F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Done<T>, BackendError>> + Send,
{
    fn run_alone<'c>(
        &'c mut self,
        connection: &'c mut SqliteConnection,
    ) -> Option<BoxFuture<'c, Result<bool, BackendError>>> {
        let alone = self.alone.as_ref()?(connection);
        Some(Box::pin(async move {
            let hinted = alone.await?;
            self.done = hinted.map(|(answer, hints)| Done { answer, hints, lasting: Lasting::Must });
            Ok(self.done.is_some())
        }))
    }

    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, Result<(), BackendError>> {
        let done = (self.job)(connection);
        Box::pin(async move {
            self.done = Some(done.await?);
            Ok(())
        })
    }

    fn lasting(&self) -> Lasting {
        let believed = if self.kind == Kind::Relaxed { Lasting::NeedNot } else { Lasting::Must };
        self.done.as_ref().map_or(believed, |done| done.lasting)
    }

    fn hints(&mut self, is_first: bool) -> Vec<Hint> {
        let mut hints = self.done.as_mut().map(|done| std::mem::take(&mut done.hints)).unwrap_or_default();
        // Those who were told early have looked, or will: behind it, in the queue. Where it had to be run again they may have looked in vain.
        hints.retain(|hint| !(is_first && self.kind == Kind::Early && *hint == Hint::TasksReady));
        hints
    }

    fn answer(self: Box<Self>, outcome: Result<(), BackendError>) {
        let answer = match (outcome, self.done) {
            (Ok(()), Some(done)) => Ok(done.answer),
            (Ok(()), None) => Err(BackendError::new(ErrorKind::Internal, "transaction")),
            (Err(error), _) => Err(error),
        };
        // Whoever asked may be gone; what was written stays.
        let _ = self.reply.send(answer);
    }
}
