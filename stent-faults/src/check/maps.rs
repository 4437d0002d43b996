//! Maps: S13.

use std::collections::{BTreeMap, BTreeSet};

use stent_core::TaskId;
use stent_core::task::TaskState;

use super::{Evidence, Violation};
use crate::functions::item_value;

pub(super) fn judge(evidence: &Evidence) -> Vec<Violation> {
    let mut items: BTreeMap<TaskId, BTreeSet<u32>> = BTreeMap::new();
    let mut found = Vec::new();
    for task in evidence.tasks.values() {
        let (Some(parent), Some(index)) = (task.parent, task.index) else { continue };
        if !items.entry(parent).or_default().insert(index) {
            found.push(Violation::of("S13", task.execution, format!("item {index} is there twice")));
        }
    }
    for (id, map) in evidence.tasks.iter().filter(|(_, task)| task.function.ends_with("::batch")) {
        let mut arguments = map.input.iter().map(|argument| argument.as_u64().unwrap_or(0));
        let (number, count) = (arguments.next().unwrap_or(0), arguments.next().unwrap_or(0));
        if map.state != TaskState::Completed {
            continue;
        }
        let there = items.get(id).map_or(0, BTreeSet::len);
        if u64::try_from(there).ok() != Some(count) {
            found.push(Violation::of("S13", map.execution, format!("{there} items are there of {count}")));
        }
        let output: Vec<u64> =
            map.output.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let expected: Vec<u64> = (0..count).map(|index| item_value(number, index)).collect();
        if output != expected {
            let at = output.iter().zip(&expected).position(|(is, should)| is != should);
            let what = format!("{} results of {count}, the first wrong one at {at:?}", output.len());
            found.push(Violation::of("S13", map.execution, what));
        }
    }
    found
}
