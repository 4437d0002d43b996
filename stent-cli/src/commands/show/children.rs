//! The children of a task by function and state: counts, so that a map of any size is a few lines.

use serde_json::{Value, json};
use stent_core::backend::TaskCount;

use crate::print;

pub(super) fn as_text(counts: &[TaskCount]) -> String {
    let row = |count: &TaskCount| vec![count.function.to_string(), count.state.to_string(), count.tasks.to_string()];
    let rows: Vec<Vec<String>> = counts.iter().map(row).collect();
    if rows.is_empty() { String::new() } else { print::table(&["FUNCTION", "STATE", "#TASKS"], &rows) }
}

pub(super) fn as_json(counts: &[TaskCount]) -> Value {
    let record = |count: &TaskCount| json!({"function": count.function.as_str(), "state": count.state.as_str(), "tasks": count.tasks});
    counts.iter().map(record).collect()
}
