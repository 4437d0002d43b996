//! The children of a task by function and state: counts, so that a map of any size is a few lines.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stent_core::backend::{Page, TaskFilter};
use stent_core::journal::EntryBody;
use stent_core::name::FunctionName;
use stent_core::task::{TaskRecord, TaskState};
use stent_core::{Backend, BackendError, limits};

use crate::print;

/// The states, those first in which most children are.
const LIKELY: [TaskState; 8] = [
    TaskState::Completed,
    TaskState::Pending,
    TaskState::Running,
    TaskState::Failed,
    TaskState::Suspended,
    TaskState::Cancelled,
    TaskState::Scheduled,
    TaskState::TimedOut,
];

/// How many children of one function are in one state; `None`: of all functions that are not counted alone.
pub(super) struct Group {
    function: Option<FunctionName>,
    state: TaskState,
    count: u64,
}

/// Counts the children of a task. The functions are those of its first thousand children and of its maps.
pub(super) async fn groups(backend: &dyn Backend, parent: &TaskRecord) -> Result<Vec<Group>, BackendError> {
    let filter = TaskFilter { parent: Some(parent.id), ..TaskFilter::default() };
    let first = backend.list_tasks(&filter, Page::first(limits::PAGE)).await?;
    let is_all = u32::try_from(first.len()).is_ok_and(|found| found < limits::PAGE);
    if is_all {
        return Ok(counted(&first));
    }
    let mut functions: BTreeSet<String> = first.iter().map(|child| child.function.to_string()).collect();
    functions.extend(maps(backend, parent).await?);
    // Each count reads all children: none is made that the others answer.
    let mut left = backend.count_tasks(&filter).await?;
    let mut groups = Vec::new();
    for name in functions.into_iter().filter_map(|name| FunctionName::new(name).ok()) {
        for state in LIKELY {
            if left == 0 {
                return Ok(groups);
            }
            let (function, states) = (Some(name.clone()), vec![state]);
            let filter = TaskFilter { function: function.clone(), states, ..filter.clone() };
            let count = backend.count_tasks(&filter).await?;
            left = left.saturating_sub(count);
            groups.extend((count > 0).then_some(Group { function, state, count }));
        }
    }
    if left > 0 {
        groups.extend(others(backend, &filter, &groups).await?);
    }
    Ok(groups)
}

/// The children of functions that were not counted alone.
async fn others(backend: &dyn Backend, filter: &TaskFilter, known: &[Group]) -> Result<Vec<Group>, BackendError> {
    let mut groups = Vec::new();
    for state in LIKELY {
        let all = backend.count_tasks(&TaskFilter { states: vec![state], ..filter.clone() }).await?;
        let known: u64 = known.iter().filter(|group| group.state == state).map(|group| group.count).sum();
        let count = all.saturating_sub(known);
        groups.extend((count > 0).then_some(Group { function: None, state, count }));
    }
    Ok(groups)
}

/// The functions of the maps that a journal tells of.
async fn maps(backend: &dyn Backend, task: &TaskRecord) -> Result<Vec<String>, BackendError> {
    let entries = backend.list_journal(task.id, Page::first(limits::PAGE)).await?;
    let map = |body: &EntryBody| match body {
        EntryBody::Chunk { map, .. } => Some(map.name.to_string()),
        EntryBody::Made(operation, stent_core::journal::Made::Map { .. }) => Some(operation.name.to_string()),
        _ => None,
    };
    Ok(entries.iter().filter_map(|entry| map(&entry.body)).collect())
}

fn counted(children: &[TaskRecord]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for child in children {
        let same = |group: &&mut Group| group.function.as_ref() == Some(&child.function) && group.state == child.state;
        match groups.iter_mut().find(same) {
            Some(group) => group.count += 1,
            None => groups.push(Group { function: Some(child.function.clone()), state: child.state, count: 1 }),
        }
    }
    groups.sort_by(|a, b| (&a.function, a.state).cmp(&(&b.function, b.state)));
    groups
}

pub(super) fn as_text(groups: &[Group]) -> String {
    let name = |group: &Group| group.function.as_ref().map_or("other functions".to_owned(), ToString::to_string);
    let row = |group: &Group| vec![name(group), group.state.to_string(), group.count.to_string()];
    let rows: Vec<Vec<String>> = groups.iter().map(row).collect();
    if rows.is_empty() { String::new() } else { print::table(&["FUNCTION", "STATE", "#TASKS"], &rows) }
}

pub(super) fn as_json(groups: &[Group]) -> Value {
    let record = |group: &Group| {
        let function = group.function.as_ref().map(|name| name.as_str());
        json!({"function": function, "state": group.state.as_str(), "tasks": group.count})
    };
    groups.iter().map(record).collect()
}
