//! The effect ledger: what user code did, written down outside of the database, one line a start or end by one write.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use stent_core::{ExecutionId, TaskId};

use crate::Result;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// User code of a key began.
    Start,
    /// It ended; its outcome is not recorded yet.
    End,
    /// The function was given the recorded outcome. Outcomes are given once they are committed, and so it was by then.
    Given,
    /// The function is about to return.
    Return,
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Effect {
    pub(crate) what: What,
    pub(crate) execution: ExecutionId,
    pub(crate) task: TaskId,
    /// The step, wait or item; `body` of a function without operations.
    pub(crate) key: String,
    /// What was made or given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    pub(crate) attempt: u32,
    pub(crate) pid: u32,
    /// Nanoseconds since the machine's start, the time it was asleep included.
    pub(crate) at: u64,
}

/// The file, open for appending. Clones are the same file; functions have it as a resource.
#[derive(Debug, Clone)]
pub(crate) struct Ledger(Arc<File>);

impl Ledger {
    /// Opens it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(OpenOptions::new().append(true).create(true).open(path)?)))
    }

    /// Writes something down.
    pub(crate) fn note(&self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        // One write: lines of several processes do not mix, and their order is that in which they happened.
        let written = (&*self.0).write(&text)?;
        if written == text.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

/// All lines so far of a file of such lines; one that was cut off by the end of its process is left out.
pub(crate) fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Vec<T>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Now, on the clock that no one sets.
pub(crate) fn boottime() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds * 1_000_000_000 + nanos
}
