//! How claims are given up: ends of every shape, and suspensions.

use stent_core::operation::{OperationId, OperationKind};
use stent_core::task::{End, Resume, ResumePoint, Suspension, TaskEnd, Wait};
use stent_core::{BackendError, Failure};

use super::call::Call;
use super::choices::Choices;
use super::history::{Family, History};
use super::journal::Journal;
use super::plan::SIGNALS;
use super::turn::changes;
use crate::conformance::builders::{failure, operation, payload, secs, signal_name};

/// How the reasons begin that histories give for a failure that cannot be resumed.
pub(super) const REFUSED: &str = "handled";

/// Ends of one to three claims.
pub(super) async fn complete(history: &History<'_>, choices: &mut Choices<'_>) -> Result<Call, BackendError> {
    let mut ends = Vec::new();
    for held in history.claims(choices, Family::WithFailed) {
        let journal = Journal::load(history, held).await?;
        ends.push(TaskEnd { claim: held.claim, end: end(history, &journal, choices) });
    }
    Ok(Call::Complete(ends))
}

fn end(history: &History<'_>, journal: &Journal, choices: &mut Choices<'_>) -> End {
    let kind = choices.below(16);
    // A failure is mostly passed on.
    let kind = if kind < 5 && !journal.failures().is_empty() { 5 } else { kind };
    match kind {
        0..=4 => End::Completed {
            output: payload(choices.among(["done", "", "fine"])),
            variables: if choices.chance(40) { changes(choices) } else { Vec::new() },
            notes: if choices.chance(40) {
                vec![(journal.last_turn(), "a".into()), (9, "b".into())]
            } else {
                Vec::new()
            },
        },
        5..=10 => End::Failed {
            failure: why(journal, choices),
            dead_letter: choices.below(4) > 0 || journal.failures().is_empty(),
            resume: resume(journal, choices),
        },
        11..=13 => End::Retry {
            at: history.about_now(choices),
            failure: why(journal, choices),
            resume: resume(journal, choices),
        },
        _ => End::Released {
            until: choices.chance(128).then(|| history.about_now(choices)),
            reason: choices.chance(128).then(|| "drained".into()),
        },
    }
}

fn why(journal: &Journal, choices: &mut Choices<'_>) -> Failure {
    let failure = failure(choices.among(["Timeout", "Boom"]));
    if journal.failures().is_empty() { failure } else { failure.of_item(1).with_details(Some("details".into())) }
}

/// From where it goes on: mostly from what failed, if something did.
fn resume(journal: &Journal, choices: &mut Choices<'_>) -> Resume {
    let (failures, byte) = (journal.failures(), choices.below(16));
    match byte {
        0..=10 if !failures.is_empty() => Resume::At(point(journal, &failures, choices)),
        0..=4 => Resume::At(ResumePoint::default()),
        5..=10 => Resume::Restart,
        11..=13 => Resume::At(odd_point(journal, choices)),
        _ => Resume::Refused(format!("{REFUSED} {byte}")),
    }
}

/// Before the turn that was given a failure.
fn point(
    journal: &Journal,
    failures: &[(OperationId, Option<stent_core::TaskId>)],
    choices: &mut Choices<'_>,
) -> ResumePoint {
    let failed = choices.one(failures).cloned();
    let (operation, child) = failed.map_or((None, None), |(operation, child)| (Some(operation), child));
    ResumePoint { turn: Some(turn(journal, choices)), operation, child }
}

/// Before any turn, with an operation that may not have failed.
fn odd_point(journal: &Journal, choices: &mut Choices<'_>) -> ResumePoint {
    ResumePoint {
        turn: choices.chance(200).then(|| turn(journal, choices)),
        operation: choices.one(&journal.operations()).cloned().filter(|_| choices.chance(128)),
        child: choices.one(&journal.calls()).copied().filter(|_| choices.chance(128)),
    }
}

/// Mostly the last turn, which was given the failure; or any, also one that never was.
fn turn(journal: &Journal, choices: &mut Choices<'_>) -> u32 {
    let last = journal.last_turn();
    match choices.below(8) {
        0..=3 => last.max(1),
        4 => last + 1,
        _ => u32::try_from(choices.byte()).unwrap_or(0) % (last + 3),
    }
}

/// Suspensions of one to three claims.
pub(super) async fn suspend(history: &History<'_>, choices: &mut Choices<'_>) -> Result<Call, BackendError> {
    let mut suspensions = Vec::new();
    for held in history.claims(choices, Family::WithOpen) {
        let journal = Journal::load(history, held).await?;
        let mut waits = Vec::new();
        for _ in 0..choices.below(3) {
            waits.extend(wait(history, &journal, choices));
        }
        if choices.chance(128) {
            waits.extend(journal.calls().into_iter().map(Wait::Child));
            waits.extend(journal.maps.iter().map(|map| Wait::Map {
                operation: map.operation.clone(),
                items: 0..map.items,
                settled: choices.chance(100),
            }));
        }
        let until = choices.chance(90).then(|| match choices.below(4) {
            3 => history.about_now(choices),
            _ => history.now.after(secs(5)),
        });
        suspensions.push(Suspension { claim: held.claim, until, waits });
    }
    Ok(Call::Suspend(suspensions))
}

fn wait(history: &History<'_>, journal: &Journal, choices: &mut Choices<'_>) -> Option<Wait> {
    match choices.below(8) {
        0..=2 => Some(Wait::Signal(signal_name(choices.among(SIGNALS)))),
        3..=6 => {
            let map = choices.one(&journal.maps)?;
            let first = if choices.chance(40) { 1.min(map.items) } else { 0 };
            let past = if choices.chance(40) { map.items + 1 } else { map.items };
            let settled = choices.chance(100);
            Some(Wait::Map { operation: map.operation.clone(), items: first..past.max(first), settled })
        }
        _ if choices.chance(128) => Some(Wait::Child(history.task(choices))),
        _ => Some(Wait::Map { operation: operation(0, OperationKind::Map, "f"), items: 0..2, settled: false }),
    }
}
