//! What histories meet: how often each answer was given to each call. Histories that never get somewhere prove nothing of it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use stent_core::commit::{Commit, Redriven, RefusedRedrive, Reserved, Sent, TurnCommit};
use stent_core::journal::TurnWrite;
use stent_core::outcome::OperationOutcome;
use stent_core::task::{End, Resume, TaskEnd};

use super::call::{Answer, Call};
use super::run::Done;

/// How often each was met, by what it was.
pub type Tally = BTreeMap<String, u64>;

/// Adds what was done.
pub(super) fn count(tally: &mut Tally, done: &[Done]) {
    for done in done {
        let met = match done {
            Done::Call(_, call, Some(answer)) => met(call, answer),
            Done::Call(..) => Vec::new(),
            Done::Reopened => vec!["reopened".to_owned()],
        };
        for one in met {
            *tally.entry(one).or_default() += 1;
        }
    }
}

/// What a call met; of a batch, what each of its items did.
fn met(call: &Call, answer: &Answer) -> Vec<String> {
    let call_word = word(call);
    match (call, answer) {
        (_, Answer::Dispatched(answers)) => each(&call_word, answers),
        (_, Answer::Renewed(answers)) => each(&call_word, answers),
        (_, Answer::Suspended(answers)) => each(&call_word, answers),
        (Call::Write(turns), Answer::Written(answers)) => {
            turns.iter().zip(answers).flat_map(|(turn, answer)| written(turn, answer)).collect()
        }
        (Call::Complete(ends), Answer::Completed(answers)) => {
            ends.iter().zip(answers).map(|(end, answer)| ended(end, *answer)).collect()
        }
        (_, Answer::Claimed(taken)) => {
            let tasks = taken.tasks.iter().map(|task| match (task.is_fresh, task.deliveries) {
                (true, _) => "Claim fresh".to_owned(),
                (false, 0) => "Claim with a journal".to_owned(),
                (false, _) => "Claim after an idle one".to_owned(),
            });
            let all = [format!("Claim gave {}", some(taken.tasks.len()))];
            tasks.chain(all).collect()
        }
        (_, Answer::Redriven(Redriven::Refused(RefusedRedrive::NotResumable { .. }))) => {
            vec!["Redrive NotResumable".to_owned()]
        }
        (_, Answer::Redriven(Redriven::Refused(refused))) => vec![format!("Redrive {}", word(refused))],
        (_, Answer::Sent(Sent::Stored { overwrote: true })) => vec!["Send Overwrote".to_owned()],
        (_, Answer::Reserved(Reserved::Held { is_ancestor: true, .. })) => {
            vec!["Reserve Held by an ancestor".to_owned()]
        }
        (_, Answer::Ids(ids)) => vec![format!("{call_word} gave {}", some(ids.len()))],
        (_, Answer::Pruned(pruned)) => vec![format!("Prune {}", if pruned.rows > 0 { "some" } else { "none" })],
        (_, Answer::Lapsed(count)) => vec![format!("Lapse {}", if *count > 0 { "some" } else { "none" })],
        (_, Answer::Discarded(is)) => vec![format!("Discard {is}")],
        (_, Answer::Cancelled(answer)) => vec![format!("{call_word} {}", word(answer))],
        (_, Answer::Sent(answer)) => vec![format!("{call_word} {}", word(answer))],
        (_, Answer::Reserved(answer)) => vec![format!("{call_word} {}", word(answer))],
        (_, Answer::Redriven(answer)) => vec![format!("{call_word} {}", word(answer))],
        (_, Answer::Trouble(kind)) => vec![format!("{call_word} {}", word(kind))],
        _ => vec![call_word],
    }
}

fn written(turn: &TurnWrite, answer: &TurnCommit) -> Vec<String> {
    let TurnCommit::Applied { taken } = answer else { return vec!["Write ClaimLost".to_owned()] };
    let parts = [
        (!turn.entries.is_empty(), "entries"),
        (turn.children.iter().any(|child| child.index.is_none()), "calls"),
        (turn.children.iter().any(|child| child.index.is_some()), "items"),
        (!turn.dispatches.is_empty(), "dispatches"),
        (!turn.cancels.is_empty(), "cancels"),
        (!turn.variables.is_empty(), "variables"),
        (matches!(taken, Some(OperationOutcome::Completed(_))), "a signal"),
        (matches!(taken, Some(OperationOutcome::Elapsed)), "a wait's end"),
        (turn.take.is_some() && taken.is_none(), "no signal"),
    ];
    parts.into_iter().filter(|(is, _)| *is).map(|(_, part)| format!("Write {part}")).collect()
}

fn ended(end: &TaskEnd, answer: Commit) -> String {
    let resume = match &end.end {
        End::Failed { resume, .. } | End::Retry { resume, .. } => resume,
        other => return format!("Complete {} {answer:?}", word(other)),
    };
    let from = match resume {
        Resume::At(point) if point.child.is_some() => "At a child".to_owned(),
        Resume::At(point) if point.operation.is_some() => "At an operation".to_owned(),
        Resume::At(_) => "At the end".to_owned(),
        other => word(other),
    };
    format!("Complete {} {from} {answer:?}", word(&end.end))
}

fn each<T: Debug>(call: &str, answers: &[T]) -> Vec<String> {
    answers.iter().map(|answer| format!("{call} {}", word(answer))).collect()
}

fn some(count: usize) -> &'static str {
    if count > 0 { "some" } else { "none" }
}

/// The name of an enum's variant.
fn word(of: &impl Debug) -> String {
    format!("{of:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}
