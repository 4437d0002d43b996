//! Ends of claims, suspensions, signals.

use super::value::*;

use stent_core::claim::Claim;
use stent_core::operation::OperationId;
use stent_core::signal::SignalSend;
use stent_core::task::{End, Resume, ResumePoint, Suspension, TaskEnd, Wait};
use stent_core::{ExecutionId, SignalId, TaskId, Timestamp};

/// The claim ends with this result.
pub(crate) fn completed(claim: Claim, output: &str) -> TaskEnd {
    TaskEnd { claim, end: End::Completed { output: payload(output), variables: Vec::new(), notes: Vec::new() } }
}

/// The claim ends for good with a failure of this class, a dead letter, and its journal's end as its resume point.
pub(crate) fn failed(claim: Claim, class: &str) -> TaskEnd {
    failed_at(claim, class, Resume::At(ResumePoint::default()))
}

/// The claim ends for good with a failure of this class and a dead letter, and is to be redriven so.
pub(crate) fn failed_at(claim: Claim, class: &str, resume: Resume) -> TaskEnd {
    TaskEnd { claim, end: End::Failed { failure: failure(class), dead_letter: true, resume } }
}

/// The claim ends for good with a failure that it passes on from this child, which this turn was given.
pub(crate) fn passed_on(claim: Claim, class: &str, turn: u32, operation: OperationId, child: TaskId) -> TaskEnd {
    let point = ResumePoint { turn: Some(turn), operation: Some(operation), child: Some(child) };
    TaskEnd { claim, end: End::Failed { failure: failure(class), dead_letter: false, resume: Resume::At(point) } }
}

/// The claim ends with a retry at this time, of a function that made nothing or begins anew.
pub(crate) fn retried(claim: Claim, when: Timestamp) -> TaskEnd {
    retried_at(claim, when, Resume::Restart)
}

/// The claim ends with a retry at this time, from this point.
pub(crate) fn retried_at(claim: Claim, when: Timestamp, resume: Resume) -> TaskEnd {
    TaskEnd { claim, end: End::Retry { at: when, failure: failure("Timeout"), resume } }
}

/// The claim goes back unused.
pub(crate) fn released(claim: Claim) -> TaskEnd {
    released_until(claim, None, None)
}

/// The claim goes back unused until a time, for a reason.
pub(crate) fn released_until(claim: Claim, until: Option<Timestamp>, reason: Option<&str>) -> TaskEnd {
    TaskEnd { claim, end: End::Released { until, reason: reason.map(str::to_owned) } }
}

/// The claim is given up until a timer.
pub(crate) fn sleeping(claim: Claim, until: Timestamp) -> Suspension {
    Suspension { claim, until: Some(until), waits: Vec::new() }
}

/// The claim is given up for these waits.
pub(crate) fn waiting(claim: Claim, waits: Vec<Wait>) -> Suspension {
    Suspension { claim, until: None, waits }
}

/// A value for a slot of an execution.
pub(crate) fn send(execution: ExecutionId, name: &str, value: &str) -> SignalSend {
    SignalSend { id: SignalId::random(), execution, name: signal_name(name), value: payload(value) }
}
