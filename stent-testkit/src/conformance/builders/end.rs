//! Ends of claims, suspensions, signals.

use super::value::*;

use stent_core::claim::Claim;
use stent_core::operation::OperationId;
use stent_core::signal::SignalSend;
use stent_core::task::{End, Resume, ResumePoint, Suspension, TaskEnd, Wait};
use stent_core::{ExecutionId, SignalId, TaskId, Timestamp};

/// The claim ends with this result.
pub(in crate::conformance) fn completed(claim: Claim, output: &str) -> TaskEnd {
    TaskEnd { claim, end: End::Completed { output: payload(output), variables: Vec::new(), notes: Vec::new() } }
}

/// The claim ends for good with a failure of this class, a dead letter, and its journal's end as its resume point.
pub(in crate::conformance) fn failed(claim: Claim, class: &str) -> TaskEnd {
    failed_at(claim, class, Resume::At(ResumePoint::default()))
}

/// The claim ends for good with a failure of this class and a dead letter, and is to be redriven so.
pub(in crate::conformance) fn failed_at(claim: Claim, class: &str, resume: Resume) -> TaskEnd {
    TaskEnd { claim, end: End::Failed { failure: failure(class), dead_letter: true, resume } }
}

/// The claim ends for good with a failure that it passes on from this child, which this turn was given.
pub(in crate::conformance) fn passed_on(
    claim: Claim,
    class: &str,
    turn: u32,
    operation: OperationId,
    child: TaskId,
) -> TaskEnd {
    let point = ResumePoint { turn: Some(turn), operation: Some(operation), child: Some(child) };
    TaskEnd { claim, end: End::Failed { failure: failure(class), dead_letter: false, resume: Resume::At(point) } }
}

/// The claim ends with a retry at this time, of a function that made nothing or begins anew.
pub(in crate::conformance) fn retried(claim: Claim, when: Timestamp) -> TaskEnd {
    retried_at(claim, when, Resume::Restart)
}

/// The claim ends with a retry at this time, from this point.
pub(in crate::conformance) fn retried_at(claim: Claim, when: Timestamp, resume: Resume) -> TaskEnd {
    TaskEnd { claim, end: End::Retry { at: when, failure: failure("Timeout"), resume } }
}

/// The claim goes back unused.
pub(in crate::conformance) fn released(claim: Claim) -> TaskEnd {
    released_until(claim, None, None)
}

/// The claim goes back unused until a time, for a reason.
pub(in crate::conformance) fn released_until(claim: Claim, until: Option<Timestamp>, reason: Option<&str>) -> TaskEnd {
    TaskEnd { claim, end: End::Released { until, reason: reason.map(str::to_owned) } }
}

/// The claim is given up until a timer.
pub(in crate::conformance) fn sleeping(claim: Claim, until: Timestamp) -> Suspension {
    Suspension { claim, until: Some(until), waits: Vec::new() }
}

/// The claim is given up for these waits.
pub(in crate::conformance) fn waiting(claim: Claim, waits: Vec<Wait>) -> Suspension {
    Suspension { claim, until: None, waits }
}

/// A value for a slot of an execution.
pub(in crate::conformance) fn send(execution: ExecutionId, name: &str, value: &str) -> SignalSend {
    SignalSend { id: SignalId::random(), execution, name: signal_name(name), value: payload(value) }
}
