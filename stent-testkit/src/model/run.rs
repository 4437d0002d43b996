//! One history on two backends at once: the reference model answers first, the other must answer alike.

use std::time::Duration;

use stent_core::Timestamp;

use super::act::Moment;
use super::call::{Answer, Call};
use super::choices::Choices;
use super::history::History;
use super::plan::{self, Deed};
use super::{look, report};
use crate::conformance::{Fixture, Opening};
use crate::memory::{MemoryBackend, MemoryStore};

/// How long one history may take: whoever reaches it hangs.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// How often all that can be read is compared: when a history says so and at its end, or after every call, to find the first that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    Some,
    AfterEveryCall,
}

/// What was done, for a report.
#[derive(Debug)]
pub(super) enum Done {
    Call(Timestamp, Box<Call>, Box<Answer>),
    Reopened,
}

/// Two answers that should be one.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) before: Vec<Done>,
    pub(super) now: Timestamp,
    pub(super) call: Call,
    pub(super) model: Answer,
    pub(super) other: Answer,
}

/// Runs a history on a fresh store.
///
/// # Errors
/// What the report says: a difference, or a store that cannot go on.
pub(super) async fn run(moments: &[Moment], store: Opening, looks: Looks) -> Result<Vec<Done>, String> {
    let story = async {
        let fixture = Fixture::new(store.await).await.map_err(|trouble| format!("{trouble:?}"))?;
        let model = MemoryBackend::open(&MemoryStore::new());
        let mut both = Both { model: &model, fixture, done: Vec::new(), looks };
        both.live(moments).await?;
        Ok(both.done)
    };
    let told = tokio::time::timeout(TIME_LIMIT, story).await;
    told.unwrap_or_else(|_| Err(format!("no end after {} s", TIME_LIMIT.as_secs())))
}

struct Both<'m> {
    model: &'m MemoryBackend,
    fixture: Fixture,
    done: Vec<Done>,
    looks: Looks,
}

impl Both<'_> {
    async fn live(&mut self, moments: &[Moment]) -> Result<(), String> {
        let model = self.model;
        let mut history = History::new(model);
        for moment in moments {
            let mut choices = Choices::of(moment);
            match plan::plan(&mut history, &mut choices).await.map_err(defect)? {
                Deed::Calls(calls) => {
                    for call in calls {
                        self.make(&mut history, call).await?;
                    }
                }
                Deed::Reopen => self.reopen().await?,
                Deed::Look => self.look(&mut history).await?,
            }
            if self.looks == Looks::AfterEveryCall {
                self.look(&mut history).await?;
            }
        }
        self.look(&mut history).await
    }

    async fn make(&mut self, history: &mut History<'_>, call: Call) -> Result<(), String> {
        let answer = self.compare(history.now, &call).await?;
        history.learn(&call, &answer);
        self.done.push(Done::Call(history.now, Box::new(call), Box::new(answer)));
        Ok(())
    }

    async fn compare(&mut self, now: Timestamp, call: &Call) -> Result<Answer, String> {
        let model = call.make(self.model, now).await;
        let other = call.make(&*self.fixture, now).await;
        if model == other {
            return Ok(model);
        }
        let before = std::mem::take(&mut self.done);
        Err(report::difference(&Difference { before, now, call: call.clone(), model, other }))
    }

    async fn look(&mut self, history: &mut History<'_>) -> Result<(), String> {
        history.go_on(&mut Choices::none()).await.map_err(defect)?;
        for call in look::everything(history).await.map_err(defect)? {
            self.compare(history.now, &call).await?;
        }
        Ok(())
    }

    async fn reopen(&mut self) -> Result<(), String> {
        self.done.push(Done::Reopened);
        self.fixture.reopen().await.map_err(|trouble| format!("{trouble:?}"))
    }
}

/// The model knows no trouble of its own.
fn defect(error: stent_core::BackendError) -> String {
    format!("the model is in trouble: {error:?}")
}
