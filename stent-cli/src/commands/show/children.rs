//! The children of a task by function and state: counts, so that a map of any size is a few lines.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use stent_core::backend::{Page, TaskFilter};
use stent_core::journal::EntryBody;
use stent_core::name::FunctionName;
use stent_core::task::{TaskRecord, TaskState};
use stent_core::{Backend, BackendError, limits};

use crate::print;

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
    let by_state = of_each_state(backend, &filter).await?;
    let names: Vec<FunctionName> = functions.into_iter().filter_map(|name| FunctionName::new(name).ok()).collect();
    if let [only] = names.as_slice() {
        let all: u64 = by_state.iter().map(|(_, count)| count).sum();
        let filter = TaskFilter { function: Some(only.clone()), ..filter };
        let is_alone = backend.count_tasks(&filter).await? == all;
        let name = is_alone.then(|| only.clone());
        return Ok(by_state.into_iter().map(|(state, count)| Group { function: name.clone(), state, count }).collect());
    }
    let mut rest = by_state;
    let mut groups = Vec::new();
    for name in names {
        let filter = TaskFilter { function: Some(name.clone()), ..filter.clone() };
        for (state, count) in of_each_state(backend, &filter).await? {
            if let Some((_, left)) = rest.iter_mut().find(|(other, _)| *other == state) {
                *left = left.saturating_sub(count);
            }
            groups.push(Group { function: Some(name.clone()), state, count });
        }
    }
    groups.extend(rest.into_iter().filter(|(_, count)| *count > 0).map(|(state, count)| Group {
        function: None,
        state,
        count,
    }));
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

/// The numbers of tasks in each state that some are in; read side by side.
async fn of_each_state(backend: &dyn Backend, filter: &TaskFilter) -> Result<Vec<(TaskState, u64)>, BackendError> {
    let counts = try_join_all(TaskState::ALL.map(|state| {
        let filter = TaskFilter { states: vec![state], ..filter.clone() };
        async move { backend.count_tasks(&filter).await.map(|count| (state, count)) }
    }));
    Ok(counts.await?.into_iter().filter(|(_, count)| *count > 0).collect())
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
