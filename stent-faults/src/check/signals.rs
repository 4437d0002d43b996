//! What waits were given of what was sent: S9, as one register an execution.

use std::collections::{BTreeMap, BTreeSet};

use stent_core::ExecutionId;

use super::{Evidence, Violation};
use crate::history::{Answer, Call, Recorded};
use crate::ledger::What;

pub(super) fn judge(evidence: &Evidence) -> Vec<Violation> {
    let mut sends: BTreeMap<ExecutionId, BTreeMap<u64, &Recorded>> = BTreeMap::new();
    for recorded in &evidence.calls {
        if let Call::Signal { execution, value } = recorded.call {
            sends.entry(execution).or_default().insert(value, recorded);
        }
    }
    let given = given(evidence);
    let mut found = Vec::new();
    for (execution, sends) in &sends {
        let given = given.get(execution).map_or(&[][..], Vec::as_slice);
        one(evidence, *execution, sends, given, &mut found);
    }
    found
}

/// The values that waits were given, in the order of the waits; replays aside.
fn given(evidence: &Evidence) -> BTreeMap<ExecutionId, Vec<u64>> {
    let mut waits = BTreeSet::new();
    let mut given: BTreeMap<ExecutionId, Vec<u64>> = BTreeMap::new();
    let effects =
        evidence.effects.iter().filter(|effect| effect.what == What::Given && effect.key.starts_with("wait "));
    for effect in effects {
        let value = effect.value.as_ref().and_then(|value| value.parse().ok());
        if let (true, Some(value)) = (waits.insert((effect.task, effect.key.as_str())), value) {
            given.entry(effect.execution).or_default().push(value);
        }
    }
    given
}

fn one(
    evidence: &Evidence,
    execution: ExecutionId,
    sends: &BTreeMap<u64, &Recorded>,
    given: &[u64],
    found: &mut Vec<Violation>,
) {
    let mut say = |what: String| found.push(Violation::of("S9", execution, what));
    let is_before = |first: &Recorded, second: &Recorded| first.end.is_some_and(|end| end < second.begin);
    let mut seen = BTreeSet::new();
    for (at, value) in given.iter().enumerate() {
        if !seen.insert(*value) {
            say(format!("{value} was given to two waits"));
        }
        let Some(send) = sends.get(value) else {
            say(format!("{value} was given, and never sent"));
            continue;
        };
        if let Answer::Error { text, .. } = &send.answer {
            say(format!("{value} was given, and its send was answered: {text}"));
        }
        let later = given.iter().skip(at + 1).filter_map(|later| Some((later, sends.get(later)?)));
        for (later, earlier_send) in later.filter(|(_, later)| is_before(later, send)) {
            say(format!("{later} was given after {value}: its send had ended at {:?}", earlier_send.end));
        }
    }
    let ended = evidence.tasks.get(&execution.root()).is_none_or(|root| root.state.is_final());
    if ended {
        return;
    }
    // Accepted and not given: it waits in the slot, or a later one took its place.
    for (value, send) in sends.iter().filter(|(value, send)| !seen.contains(*value) && is_ok(send)) {
        let is_pending = evidence.slots.get(&execution) == Some(value);
        let overwritten =
            sends.iter().any(|(other, later)| other != value && !is_error(later) && !is_before(later, send));
        if !is_pending && !overwritten {
            say(format!("{value} was accepted last, and is neither given nor pending"));
        }
    }
}

fn is_ok(recorded: &Recorded) -> bool {
    matches!(recorded.answer, Answer::Ok { .. })
}

fn is_error(recorded: &Recorded) -> bool {
    matches!(recorded.answer, Answer::Error { .. })
}
