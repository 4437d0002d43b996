//! What clients were answered: S1, S5, S8, S22.

use std::collections::{BTreeMap, BTreeSet};

use stent_core::task::TaskState;
use stent_core::{ExecutionId, TaskId};

use super::{Evidence, Violation};
use crate::history::{Answer, Call};
use crate::ledger::What;

pub(super) fn judge(evidence: &Evidence) -> Vec<Violation> {
    let mut found = dispatches(evidence);
    found.extend(cancels(evidence));
    found.extend(results(evidence));
    found
}

/// S5: what was accepted is there, what was refused is not. S22: nothing is there twice.
fn dispatches(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut by_number: BTreeMap<u64, Vec<ExecutionId>> = BTreeMap::new();
    for (_, root) in evidence.roots() {
        if let Some(number) = root.input.first().and_then(serde_json::Value::as_u64) {
            by_number.entry(number).or_default().push(root.execution);
        }
    }
    let mut known: BTreeMap<u64, Option<bool>> = BTreeMap::new();
    for recorded in &evidence.calls {
        let Call::Dispatch { number } = recorded.call else { continue };
        match &recorded.answer {
            Answer::Ok { execution: Some(execution), .. } => {
                known.insert(number, Some(true));
                if !evidence.tasks.contains_key(&execution.root()) {
                    found.push(Violation::of(
                        "S5",
                        *execution,
                        format!("number {number} was accepted and is not there"),
                    ));
                }
            }
            Answer::Ok { .. } | Answer::Unknown { .. } => {
                known.entry(number).or_insert(None);
            }
            Answer::Error { .. } => {
                known.entry(number).or_insert(Some(false));
            }
        }
    }
    for (number, known) in known {
        let there = by_number.get(&number).map_or(&[][..], Vec::as_slice);
        match (known, there) {
            (Some(false), [execution, ..]) => {
                found.push(Violation::of("S5", *execution, format!("number {number} was refused and is there")));
            }
            (_, [execution, _, ..]) => {
                let what = format!("number {number} is there {} times: {there:?}", there.len());
                found.push(Violation::of("S22", *execution, what));
            }
            _ => {}
        }
    }
    found
}

/// S8: what was answered cancelled is, and all below it; what was answered ended ended so.
fn cancels(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut cancelled = BTreeSet::new();
    for recorded in &evidence.calls {
        let Call::Cancel { execution } = recorded.call else { continue };
        let Some(root) = evidence.tasks.get(&execution.root()) else { continue };
        let said = match &recorded.answer {
            Answer::Ok { .. } => "cancelled",
            Answer::Error { state: Some(state), .. } => state,
            Answer::Error { .. } | Answer::Unknown { .. } => continue,
        };
        if said == "cancelled" {
            cancelled.insert(execution);
        }
        if root.state.as_str() != said {
            let what = format!("the cancel was answered {said}, and it is {}", root.state);
            found.push(Violation::of("S8", execution, what));
        }
    }
    let open = evidence.tasks.iter().filter(|(_, task)| !task.state.is_final());
    let below = open.filter(|(_, task)| cancelled.contains(&task.execution));
    found.extend(
        below.map(|(id, task)| Violation::of("S8", task.execution, format!("task {id} is {} still", task.state))),
    );
    found
}

/// S1: one result, which every client gets, and which a run of the function returned.
fn results(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    for recorded in &evidence.calls {
        let Call::Wait { execution } = recorded.call else { continue };
        let Some(root) = evidence.tasks.get(&execution.root()) else { continue };
        match &recorded.answer {
            Answer::Ok { value, .. } if *value != root.output || root.state != TaskState::Completed => {
                let what = format!("a client got {value:?}; it is {}, {:?}", root.state, root.output);
                found.push(Violation::of("S1", execution, what));
            }
            Answer::Error { state: Some(state), .. } if root.state.as_str() != state => {
                let what = format!("a client was told {state}; it is {}", root.state);
                found.push(Violation::of("S1", execution, what));
            }
            _ => {}
        }
    }
    let mut returned: BTreeMap<TaskId, Vec<&str>> = BTreeMap::new();
    for effect in evidence.effects.iter().filter(|effect| effect.what == What::Return) {
        returned.entry(effect.task).or_default().extend(effect.value.as_deref());
    }
    for (task, values) in returned {
        let Some(root) = evidence.tasks.get(&task) else { continue };
        if let Some(output) = root.output.as_deref().filter(|output| !values.contains(output)) {
            found.push(Violation::of(
                "S1",
                root.execution,
                format!("its result is {output}; its runs returned {values:?}"),
            ));
        }
    }
    found
}
