//! One history on two backends at once: the reference model answers first, the other must answer alike.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use stent_core::{BackendError, Timestamp};
use tokio::runtime::Runtime;

use super::act::Moment;
use super::call::{Answer, Call};
use super::choices::Choices;
use super::history::History;
use super::plan::{self, Deed};
use super::{look, report};
use crate::conformance::{Fixture, Opening, Trouble};
use crate::memory::MemoryBackend;

/// How long one history may take: whoever reaches it hangs.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// How often all that can be read is compared: when a history says so and at its end, or after every call, to find the first that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    Some,
    AfterEveryCall,
}

/// What was done.
#[derive(Debug)]
pub(super) enum Done {
    /// When, what, and what was answered, if it was.
    Call(Timestamp, Box<Call>, Option<Box<Answer>>),
    Reopened,
}

/// Why a history does not go on.
#[derive(Debug)]
pub(super) enum Failed {
    /// Two answers to the last call that should be one.
    Differs(Box<Difference>),
    /// A backend that panics, hangs or cannot be opened.
    Broken(String),
}

/// Two answers.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) model: Answer,
    pub(super) other: Answer,
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Broken(format!("{trouble:?}"))
    }
}

impl From<BackendError> for Failed {
    fn from(error: BackendError) -> Self {
        Self::Broken(format!("the model is in trouble: {error:?}"))
    }
}

/// Runs a history on a fresh store.
///
/// # Errors
/// What was done, and why it does not go on.
pub(super) fn live(runtime: &Runtime, moments: &[Moment], store: Opening, looks: Looks) -> Result<Vec<Done>, String> {
    let done = RefCell::new(Vec::new());
    let story = async {
        let told = tokio::time::timeout(TIME_LIMIT, tell(moments, store, looks, &done)).await;
        told.unwrap_or_else(|_| Err(Failed::Broken(format!("no end after {} s", TIME_LIMIT.as_secs()))))
    };
    // What panics is told by the calls that it takes, too.
    let told = catch_unwind(AssertUnwindSafe(|| runtime.block_on(story)));
    let told = told.unwrap_or_else(|panic| Err(Failed::Broken(format!("a panic: {}", words(panic.as_ref())))));
    match told {
        Ok(()) => Ok(done.into_inner()),
        Err(failed) => Err(report::report(&done.into_inner(), &failed)),
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

async fn tell(moments: &[Moment], store: Opening, looks: Looks, done: &RefCell<Vec<Done>>) -> Result<(), Failed> {
    let model = MemoryBackend::new();
    let mut both = Both { model: &model, fixture: Fixture::new(store.await).await?, done };
    let mut history = History::new(&model);
    for moment in moments {
        match plan::plan(&mut history, &mut Choices::of(moment)).await? {
            Deed::Calls(calls) => {
                for call in calls {
                    both.make(&mut history, call).await?;
                }
            }
            Deed::Reopen => both.reopen().await?,
            Deed::Look => both.look(&mut history).await?,
        }
        if looks == Looks::AfterEveryCall {
            both.look(&mut history).await?;
        }
    }
    both.look(&mut history).await
}

struct Both<'a> {
    model: &'a MemoryBackend,
    fixture: Fixture,
    done: &'a RefCell<Vec<Done>>,
}

impl Both<'_> {
    async fn make(&mut self, history: &mut History<'_>, call: Call) -> Result<(), Failed> {
        let answer = self.compare(history.now, &call).await?;
        history.learn(&call, &answer);
        if let Some(Done::Call(_, _, told)) = self.done.borrow_mut().last_mut() {
            *told = Some(Box::new(answer));
        }
        Ok(())
    }

    /// Makes a call on both, and demands one answer.
    async fn compare(&mut self, now: Timestamp, call: &Call) -> Result<Answer, Failed> {
        self.done.borrow_mut().push(Done::Call(now, Box::new(call.clone()), None));
        let model = call.make(self.model, now).await;
        let other = call.make(&*self.fixture, now).await;
        if model == other { Ok(model) } else { Err(Failed::Differs(Box::new(Difference { model, other }))) }
    }

    /// Compares all that can be read. It is told only where it differs.
    async fn look(&mut self, history: &mut History<'_>) -> Result<(), Failed> {
        history.look().await?;
        for call in look::everything(history).await? {
            self.compare(history.now, &call).await?;
            self.done.borrow_mut().pop();
        }
        Ok(())
    }

    async fn reopen(&mut self) -> Result<(), Failed> {
        self.done.borrow_mut().push(Done::Reopened);
        Ok(self.fixture.reopen().await?)
    }
}
