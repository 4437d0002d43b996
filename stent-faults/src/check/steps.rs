//! What user code did: S3, S4, S10, and that code runs under a claim alone (S11).

use std::collections::BTreeMap;

use stent_core::TaskId;
use stent_core::task::TaskState;

use super::{Evidence, Violation};
use crate::functions::{BODY, max_attempts};
use crate::ledger::{Effect, What};

pub(super) fn judge(evidence: &Evidence) -> Vec<Violation> {
    let mut found = outcomes(evidence);
    found.extend(attempts(evidence));
    found.extend(naps(evidence));
    let repeated = evidence.repeated.iter();
    found.extend(repeated.map(|(task, operation)| {
        Violation::of("S4", evidence.execution_of(*task), format!("task {task}: {operation} has two outcomes"))
    }));
    found
}

/// S3: no start after the outcome was given, which it was once it was committed; every replay is given the same.
fn outcomes(evidence: &Evidence) -> Vec<Violation> {
    let mut given: BTreeMap<(TaskId, &str), &Effect> = BTreeMap::new();
    let mut found = Vec::new();
    for effect in &evidence.effects {
        let key = (effect.task, effect.key.as_str());
        let Effect { execution, key: name, pid, at, .. } = effect;
        match (effect.what, given.get(&key)) {
            (What::Start, Some(first)) if name != BODY && name != "nap" => {
                let what = format!(
                    "{name} was started again by process {pid} at {at}: it was given to {} at {}",
                    first.pid, first.at
                );
                found.push(Violation::of("S3", *execution, what));
            }
            (What::Given, Some(first)) if first.value != effect.value => {
                let what = format!("{name} was given as {:?}, and then as {:?}", first.value, effect.value);
                found.push(Violation::of("S3", *execution, what));
            }
            (What::Given, None) => {
                given.insert(key, effect);
            }
            _ => {}
        }
    }
    found
}

/// S11: starts with an empty journal are bounded by attempts and releases, and by the claims there were.
fn attempts(evidence: &Evidence) -> Vec<Violation> {
    let mut starts: BTreeMap<TaskId, u32> = BTreeMap::new();
    for effect in evidence.effects.iter().filter(|effect| effect.what == What::Start && effect.key == BODY) {
        *starts.entry(effect.task).or_default() += 1;
    }
    let [mut claims, mut releases, mut redrives]: [BTreeMap<TaskId, u32>; 3] = Default::default();
    for edge in evidence.edges.iter().flatten() {
        match (edge.was, edge.is) {
            (_, TaskState::Running) => *claims.entry(edge.task).or_default() += 1,
            (Some(TaskState::Running), TaskState::Pending | TaskState::Scheduled) => {
                *releases.entry(edge.task).or_default() += 1;
            }
            (Some(was), _) if was.is_final() => *redrives.entry(edge.task).or_default() += 1,
            _ => {}
        }
    }
    let mut found = Vec::new();
    for (task, starts) in starts {
        let Some(row) = evidence.tasks.get(&task) else { continue };
        let most = max_attempts(&row.function);
        let mut say = |what: String| found.push(Violation::of("S11", row.execution, format!("task {task}: {what}")));
        let released = releases.get(&task).copied().unwrap_or(0);
        // What is at most once is claimed durably.
        let forgotten = if most > 1 { evidence.crashes } else { 0 };
        // Each gives fresh attempts, and begins to count again.
        let redriven = redrives.get(&task).copied().unwrap_or(0);
        if starts > most * (1 + redriven) + released + forgotten {
            say(format!("{starts} starts, {most} attempts, {redriven} redrives and {released} releases"));
        }
        if row.attempt + released + most * redriven + forgotten < starts {
            say(format!("{starts} starts and {released} releases, of which {} were counted", row.attempt));
        }
        let claims = claims.get(&task).copied().unwrap_or(0);
        if evidence.edges.is_some() && starts > claims + forgotten {
            say(format!("{starts} starts under {claims} claims"));
        }
    }
    found
}

/// S10: a sleep is not over before its time.
fn naps(evidence: &Evidence) -> Vec<Violation> {
    let mut since = BTreeMap::new();
    let mut found = Vec::new();
    for effect in evidence.effects.iter().filter(|effect| effect.key == "nap") {
        let millis = effect.value.as_ref().and_then(|millis| millis.parse::<u64>().ok());
        match (effect.what, millis) {
            (What::Start, Some(millis)) => {
                since.entry(effect.task).or_insert((effect.at, millis));
            }
            (What::Given, _) => {
                let Some((at, millis)) = since.get(&effect.task) else { continue };
                // Clocks of a millisecond's grain on both ends.
                let least = millis.saturating_sub(5) * 1_000_000;
                if effect.at.saturating_sub(*at) < least {
                    let slept = effect.at.saturating_sub(*at) / 1_000_000;
                    found.push(Violation::of("S10", effect.execution, format!("slept {slept} ms of {millis} ms")));
                }
            }
            _ => {}
        }
    }
    found
}
