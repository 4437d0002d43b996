//! The job: two durable functions. `tree` lists a directory, has `digest` run over every file, and reduces the sums to a report.
//!
//! What each of them has done is in the database before the next thing begins, so that a program that was killed goes on:
//! - the listing is recorded piece by piece (see `listing`): a resumed job digests the files that it listed, not those that are there now;
//! - the map makes one task a file, in chunks of 1,000, two of them in flight: a recorded sum is never computed again;
//! - names (about 100 bytes a file) and sums (48 bytes a file) are in memory, files are not: 100,000 files take some 20 MB. They are
//!   collected and not folded into a state, since identical files can only be told at the end.
//!
//! An unreadable file is a value, not a failure: a failure would be retried, and end the job as a dead letter, but there is nothing to
//! redrive: the report says which files these are, and why.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stent_executor::prelude::*;

use crate::listing::{self, Piece};
use crate::name;
use crate::report::{self, Report};
use crate::sum::{self, Outcome, Reading};

/// The name of the job's function: rows bear it.
pub(crate) const TREE: &str = "digest::tree";

/// Counters of the execution, which the progress is read from. They change with the task's own writes, so that they never count
/// twice, and reading them costs the same however many files there are.
pub(crate) mod counter {
    /// Files listed so far.
    pub(crate) const FOUND: &str = "found";
    /// 1 once the listing is complete.
    pub(crate) const LISTED: &str = "listed";
    /// Files whose outcome is recorded.
    pub(crate) const DONE: &str = "done";
    /// Bytes of them.
    pub(crate) const BYTES: &str = "bytes";
}

/// The value of the execution that names its directory.
pub(crate) const DIRECTORY: &str = "directory";

/// What this run of the program was told, and no other needs to be: a resource, not an argument.
pub(crate) struct Here {
    /// Files that belong to the program: not listed.
    pub(crate) excluded: Vec<PathBuf>,
    /// Gets a line for every file that is read.
    pub(crate) ledger: Option<File>,
    /// Where to write the list of sums.
    pub(crate) sums: Option<PathBuf>,
}

/// Digests all files below a directory.
// Every run of the program that is killed uses up an attempt of what it was at, so both functions have plenty.
#[durable(name = "digest::tree", retry(max_attempts = 1000))]
pub(crate) async fn tree(ctx: Ctx, directory: String) -> Result<Report> {
    let here = ctx.resource::<Here>()?;
    let started = ctx.now();
    ctx.value(DIRECTORY)?.set(&directory)?;
    let root: Arc<Path> = name::to_path(&directory).into();

    let (mut files, mut unreadable) = (Vec::new(), Vec::new());
    loop {
        let after = files.last();
        let mut piece: Piece = ctx
            .step("list", || {
                let (root, after, here) = (Arc::clone(&root), after.cloned(), Arc::clone(&here));
                blocking(move || Ok::<_, Failure>(listing::piece(&root, after.as_deref(), &here.excluded)))
            })
            .await?;
        ctx.counter(counter::FOUND)?.add(i64::try_from(piece.files.len())?)?;
        files.append(&mut piece.files);
        unreadable.append(&mut piece.unreadable);
        if piece.is_last {
            break;
        }
    }
    ctx.counter(counter::LISTED)?.add(1)?;

    let outcomes = ctx.map(files.iter().map(|file| digest(name::to_text(&root) + "/" + file))).await?;

    let (files, outcomes) = (Arc::new(files), Arc::new(outcomes));
    let mut report = ctx
        .step("report", || {
            let (files, outcomes, here) = (Arc::clone(&files), Arc::clone(&outcomes), Arc::clone(&here));
            let unreadable = unreadable.clone();
            blocking(move || report::reduce(&files, &outcomes, unreadable, here.sums.as_deref()))
        })
        .await?;
    report.directory = directory;
    report.seconds = ctx.now().since(started).as_secs_f64();
    Ok(report)
}

/// Digests one file.
#[durable(name = "digest::digest", retry(max_attempts = 1000))]
pub(crate) async fn digest(ctx: Ctx, path: String) -> Result<Outcome> {
    let here = ctx.resource::<Here>()?;
    let (_reading, stop) = Reading::new();
    let read = blocking(move || sum::read(&name::to_path(&path), here.ledger.as_ref(), &stop)).await;
    let outcome = match read {
        Ok((sha256, bytes)) => Outcome::Read { sha256, bytes },
        // Too many open files, a network drive that is away: perhaps not for long.
        Err(error) if may_pass(&error) && ctx.attempt() < 3 => return Err(error.into()),
        Err(error) => Outcome::Unreadable(error.to_string()),
    };
    ctx.counter(counter::DONE)?.add(1)?;
    if let Outcome::Read { bytes, .. } = outcome {
        ctx.counter(counter::BYTES)?.add(i64::try_from(bytes)?)?;
    }
    Ok(outcome)
}

fn may_pass(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// Runs what blocks on a thread where it may.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<io::Error> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error).into()))
}
