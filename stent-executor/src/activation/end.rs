//! The end of an activation: what becomes of a task whose function has returned (C-Y3, C-Y5).

use stent_core::failure::Origin;
use stent_core::operation::OperationKind;
use stent_core::retry::{OnRetry, backoff};
use stent_core::task::{End, Resume, ResumePoint};
use stent_core::{Failure, Payload};

use super::poll::Returned;
use super::turn::Driver;
use super::{Activation, Left, Stop};
use crate::backoff::random_unit;

impl Driver {
    /// The function has returned. What it changed and has not written rides with a good end; before a bad one the queue is written, so that what
    /// happened is recorded.
    pub(super) async fn finish(&mut self, returned: Returned) -> Result<Left, Stop> {
        while !self.queue.may_send() {
            self.settle().await?;
        }
        match returned {
            Ok(output) => Ok(Left::End(self.completed(output))),
            Err(failure) => {
                self.queue.drop_changes();
                while !self.queue.is_idle() {
                    self.send();
                    self.settle().await?;
                }
                Ok(Left::End(self.failed(failure)))
            }
        }
    }

    /// Waits for one thing of the store.
    async fn settle(&mut self) -> Result<(), Stop> {
        match self.work.next().await {
            Some(happening) => self.happened(happening),
            None => Ok(()),
        }
    }

    fn completed(&mut self, output: Payload) -> End {
        let (variables, notes) = self.queue.take_effects();
        End::Completed { output, variables, notes }
    }

    fn failed(&mut self, failure: Failure) -> End {
        let made_nothing = self.recorded.last_turn.is_none() && self.activation.shared().operations.is_empty();
        let resume = if made_nothing { Resume::Restart } else { self.resume(&failure) };
        end(&self.activation, failure, resume, made_nothing)
    }

    /// From where the task could go on: before the turn that was given the failure, if nothing was made in or after that turn.
    fn resume(&self, failure: &Failure) -> Resume {
        let Some(by) = failure.record().given_by else {
            return Resume::At(self.journals_end());
        };
        let shared = self.activation.shared();
        let Some(operation) = shared.operations.get(by.slot) else {
            return Resume::At(ResumePoint::default());
        };
        if shared.operations.iter().any(|other| other.id.turn >= by.turn) {
            return Resume::Refused(format!("it made operations after {} had failed", operation.id));
        }
        if self.queue.changed().is_some_and(|turn| turn >= by.turn) {
            return Resume::Refused(format!("it changed variables after {} had failed", operation.id));
        }
        let child = match operation.id.kind {
            // The child of a call that elapsed was cancelled: it is taken up again with the turn that cancelled it.
            OperationKind::Call if operation.has_elapsed => None,
            OperationKind::Call => Some(self.activation.child(&operation.id, None)),
            OperationKind::Map => failure.record().item.map(|index| self.activation.child(&operation.id, Some(index))),
            _ => None,
        };
        Resume::At(ResumePoint { turn: Some(by.turn), operation: Some(operation.id.clone()), child })
    }
}

impl Driver {
    /// The point after the last turn that did something: the turn in which the code failed by itself is made anew, by code that may have
    /// been mended, unless it has done something already.
    fn journals_end(&self) -> ResumePoint {
        let shared = self.activation.shared();
        let did = shared.operations.iter().rev().any(|operation| operation.id.turn >= shared.turn)
            || self.queue.changed().is_some_and(|turn| turn >= shared.turn);
        let turn = Some(shared.turn).filter(|turn| *turn > 0 && !did);
        ResumePoint { turn, operation: None, child: None }
    }
}

/// The end of a task that failed, by its policy: retried, or failed for good with a dead letter for a root cause.
fn end(activation: &Activation, mut failure: Failure, resume: Resume, made_nothing: bool) -> End {
    let task = &activation.task;
    if task.retry.retries(failure.class(), task.attempt) {
        let resume = match (task.retry.on_retry(), &resume) {
            _ if made_nothing => Some(Resume::Restart),
            (OnRetry::Restart, _) => Some(Resume::Restart),
            (OnRetry::Resume, Resume::At(_)) => Some(resume.clone()),
            _ => None,
        };
        if let Some(resume) = resume {
            let delay = backoff::delay(&task.retry, task.attempt, random_unit());
            return End::Retry { at: activation.engine.clock.now().after(delay), failure, resume };
        }
    }
    let own = task.claim.task;
    let dead_letter = failure.record().origin.as_ref().is_none_or(|origin| origin.task == own);
    failure.begin_at(Origin::new(own, task.function.clone()));
    End::Failed { failure, dead_letter, resume }
}

/// The end of a task whose code could not run to a return: its journal or input cannot be read, or a limit was passed.
pub(super) fn broken(activation: &Activation, failure: Failure) -> End {
    let fresh = activation.task.is_fresh;
    let resume = if fresh { Resume::Restart } else { Resume::At(ResumePoint::default()) };
    end(activation, failure, resume, fresh)
}
