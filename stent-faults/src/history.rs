//! The history: every call of a client, when it began and ended, and what it was answered: ok, error, or unknown.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use stent_core::ExecutionId;
use stent_executor::StentError;

use crate::Result;
use crate::ledger::{self, Ledger, boottime};

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "call")]
pub(crate) enum Call {
    /// An execution of this number, which its input bears.
    Dispatch { number: u64 },
    /// That it is cancelled.
    Cancel { execution: ExecutionId },
    /// That it gets this value.
    Signal { execution: ExecutionId, value: u64 },
    /// That it is taken up again.
    Redrive { execution: ExecutionId },
    /// Its result.
    Wait { execution: ExecutionId },
}

/// What the client knows afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub(crate) enum Answer {
    /// It was done.
    Ok {
        #[serde(default)]
        execution: Option<ExecutionId>,
        /// The result, as JSON.
        #[serde(default)]
        value: Option<String>,
    },
    /// It was not done, and never will be. The state tells if the execution had ended.
    Error { text: String, state: Option<String> },
    /// It may have been done, or may still be: nothing follows from it.
    Unknown { text: String },
}

/// A line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    pid: u32,
    id: u64,
    at: u64,
    #[serde(flatten)]
    event: Event,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Event {
    Begin(Call),
    End(Answer),
}

/// One call with its answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recorded {
    pub(crate) call: Call,
    pub(crate) begin: u64,
    /// None if the client did not live to see it.
    pub(crate) end: Option<u64>,
    pub(crate) answer: Answer,
}

/// Where a client writes its calls down.
#[derive(Debug)]
pub(crate) struct History {
    file: Ledger,
    next: AtomicU64,
}

impl History {
    /// Opens the file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self { file: Ledger::open(path)?, next: AtomicU64::new(0) })
    }

    /// Makes a call, and writes it down before and after.
    pub(crate) async fn record(&self, call: Call, work: impl Future<Output = Answer>) -> Result<Answer> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let line = |event| Line { pid: std::process::id(), id, at: boottime(), event };
        self.file.note(&line(Event::Begin(call)))?;
        let answer = work.await;
        self.file.note(&line(Event::End(answer.clone())))?;
        Ok(answer)
    }
}

/// What an error says about the call that met it.
pub(crate) fn judged(error: &StentError) -> Answer {
    let text = error.to_string();
    match error {
        StentError::AlreadyFinal { state, .. } => Answer::Error { text, state: Some(state.as_str().to_owned()) },
        StentError::Backend(_) => Answer::Unknown { text },
        _ => Answer::Error { text, state: None },
    }
}

/// All calls of all clients of a file, in the order in which they began.
pub(crate) fn read(path: &Path) -> Result<Vec<Recorded>> {
    let mut calls: Vec<Recorded> = Vec::new();
    let mut open = BTreeMap::new();
    for line in ledger::read::<Line>(path)? {
        match line.event {
            Event::Begin(call) => {
                open.insert((line.pid, line.id), calls.len());
                let answer = Answer::Unknown { text: "the client died".into() };
                calls.push(Recorded { call, begin: line.at, end: None, answer });
            }
            Event::End(answer) => {
                let at = open.remove(&(line.pid, line.id));
                if let Some(recorded) = at.and_then(|at| calls.get_mut(at)) {
                    (recorded.end, recorded.answer) = (Some(line.at), answer);
                }
            }
        }
    }
    Ok(calls)
}
