//! The completer: ends of claims, batched, and what this process tells itself about them once they are committed.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use stent_core::claim::Claim;
use stent_core::commit::Commit;
use stent_core::outcome::{Ended, Outcome};
use stent_core::task::{End, TaskEnd};
use stent_core::{Backend, BackendError, Clock, TaskId, Timestamp};

use super::Shared;
use crate::batch::{BatchLimits, Batched, Batcher};
use crate::engine::Engine;
use crate::telemetry::metrics;

/// An end, and the time of the first try to write it: a repeat after an unknown commit bears the same, so that a parent
/// is told the time that is stored, and its replays see it too (C-R6).
#[derive(Debug, Clone)]
pub(super) struct Ending {
    end: TaskEnd,
    first_tried: Arc<OnceLock<Timestamp>>,
}

impl Ending {
    fn new(end: TaskEnd) -> Self {
        Self { end, first_tried: Arc::default() }
    }
}

/// What became of an end, and the time of its transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Committed {
    commit: Commit,
    at: Timestamp,
}

/// What is told once an end is committed.
enum News {
    Final(Outcome),
    Due(Timestamp),
    Ready,
}

/// Ends a claim, however long that takes; `is_root`, where it is known. What was applied is told to those who wait
/// here. True if it was applied.
pub(super) async fn end(shared: &Shared, claim: Claim, is_root: Option<bool>, end: End) -> bool {
    let news = match &end {
        End::Completed { output, .. } => News::Final(Outcome::Completed(output.clone())),
        End::Failed { failure, .. } => News::Final(Outcome::Failed(failure.clone())),
        End::Retry { at, .. } => News::Due(*at),
        End::Released { until, .. } => until.map_or(News::Ready, News::Due),
    };
    match shared.ends.submit(Ending::new(TaskEnd { claim, end })).await {
        Ok(Committed { commit: Commit::Applied, at }) => {
            tell(shared, claim.task, is_root, news, at);
            return true;
        }
        Ok(Committed { commit: Commit::ClaimLost, .. }) => {
            tracing::info!(task = %claim.task, "the claim was lost before its end was written");
            shared.engine.news.execution_doubted(claim.task.as_execution());
        }
        // The lease ends by itself then, and somebody tries again.
        Err(error) => {
            metrics::store_error("complete");
            tracing::error!(task = %claim.task, %error, "the end of the task cannot be written");
        }
    }
    false
}

fn tell(shared: &Shared, task: TaskId, is_root: Option<bool>, news: News, at: Timestamp) {
    match news {
        News::Final(outcome) => {
            let ended = Ended { outcome, at };
            shared.engine.news.task_ended(task, &ended);
            if is_root != Some(false) {
                shared.engine.news.execution_ended(task.as_execution(), &ended);
            }
            if !shared.nudges.has_hints() {
                shared.engine.news.poke();
            }
            // Its parent may be awake, a place free, a key given up.
            shared.nudges.tasks_ready();
        }
        News::Due(due) if due > at => shared.nudges.due(due),
        News::Due(_) | News::Ready => shared.nudges.tasks_ready(),
    }
}

/// The batcher of a worker's ends.
pub(super) fn completer(engine: &Engine) -> Batcher<Ending, Committed> {
    let ends = Ends { backend: Arc::clone(&engine.backend), clock: Arc::clone(&engine.clock) };
    Batcher::new(BatchLimits { items: 500, weight: 500, patience: None }, ends)
}

struct Ends {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Batched for Ends {
    type Item = Ending;
    type Answer = Committed;
    type Key = TaskId;
    type Beside = ();

    fn key(&self, ending: &Ending) -> TaskId {
        ending.end.claim.task
    }

    async fn call(&self, endings: &[Ending], _: &[()]) -> Result<Vec<Committed>, BackendError> {
        // One time for the batch: what was tried before is repeated as the same batch, or alone.
        let tried = endings.iter().filter_map(|ending| ending.first_tried.get()).max().copied();
        let at = tried.unwrap_or_else(|| self.clock.now());
        let ends: Vec<TaskEnd> = endings.iter().map(|ending| ending.end.clone()).collect();
        for ending in endings {
            ending.first_tried.get_or_init(|| at);
        }
        let commits = self.backend.complete(at, &ends).await?;
        Ok(commits.into_iter().map(|commit| Committed { commit, at }).collect())
    }
}
