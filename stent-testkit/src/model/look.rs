//! What is read: now and then some of it, by any filter and page; and sometimes all of it.

use stent_core::backend::{DeadLetterFilter, ExecutionFilter, Page, ProgressCursor, TaskFilter, Watch};
use stent_core::execution::ExecutionState;
use stent_core::journal::{EntryBody, Made};
use stent_core::operation::OperationKind;
use stent_core::task::TaskState;
use stent_core::{BackendError, ExecutionId, TaskId, Timestamp, limits};

use super::call::Call;
use super::choices::Choices;
use super::history::{Held, History};
use super::journal::Journal;
use super::plan::{SIGNALS, all_keys};
use crate::conformance::builders::{function, operation, queue, signal_name, tag};

/// What those who wait read.
pub(super) async fn waits(history: &History<'_>, choices: &mut Choices<'_>) -> Result<Vec<Call>, BackendError> {
    let task = history.task(choices);
    let execution = history.execution(choices);
    let parent = history.tasks.iter().find(|one| one.id == task);
    let generation = parent.map_or(0, |parent| parent.generation);
    let mut map = (operation(0, OperationKind::Map, "f"), 2);
    if parent.is_some() {
        let claim = stent_core::claim::Claim { task, token: stent_core::ClaimToken::from_bytes([0; 16]) };
        let held = Held { claim, worker: super::history::worker(0), generation };
        let journal = Journal::load(history, held).await?;
        map = choices.one(&journal.maps).map_or(map, |map| (map.operation.clone(), map.items));
    }
    let (map, count) = map;
    let items = u32::from(choices.chance(60)).min(count)..count + u32::from(choices.chance(60));
    let settled = choices.chance(128);
    Ok(vec![
        Call::Tasks(vec![task, history.task(choices), execution.root()]),
        Call::MapItems(task, generation, map.clone(), items.clone()),
        Call::Executions(vec![execution, history.execution(choices), task.as_execution()]),
        Call::News(vec![
            Watch::Task(task),
            Watch::Map { parent: task, generation, operation: map, items, settled },
            Watch::Signal(execution, signal_name(choices.among(SIGNALS))),
            Watch::Execution(execution),
        ]),
        Call::Recall(all_keys()),
        Call::Read(execution),
        Call::Load(task, generation),
    ])
}

/// What an operator reads.
pub(super) fn inspection(history: &History<'_>, choices: &mut Choices<'_>) -> Vec<Call> {
    match choices.below(7) {
        0 => {
            let filter = task_filter(history, choices);
            let parent = history.task(choices);
            vec![
                Call::CountTasks(filter.clone()),
                Call::CountChildren(parent),
                Call::ListTasks(filter, tasks_page(history, choices)),
            ]
        }
        1 | 2 => {
            let filter = execution_filter(history, choices);
            let after = choices.chance(100).then(|| history.execution(choices));
            let page = Page { after, limit: limit(choices) };
            let span = history.about_now(choices)..history.about_now(choices);
            vec![Call::CountExecutions(filter.clone()), Call::CountEnded(span), Call::ListExecutions(filter, page)]
        }
        3 => {
            let after = choices.chance(128).then(|| u32::try_from(choices.below(5)).unwrap_or(0));
            vec![Call::ListJournal(history.task(choices), Page { after, limit: limit(choices) })]
        }
        4 => {
            let cursor = |choices: &mut Choices<'_>| ProgressCursor {
                at: history.about_now(choices),
                task: history.task(choices),
                seq: u32::try_from(choices.below(5)).unwrap_or(0),
            };
            let after = choices.chance(128).then(|| cursor(choices));
            vec![Call::ListProgress(history.execution(choices), Page { after, limit: limit(choices) })]
        }
        5 => {
            let filter = DeadLetterFilter {
                execution: choices.chance(60).then(|| history.execution(choices)),
                function: choices.chance(60).then(|| function(choices.among(["f", "g", "h"]))),
            };
            vec![Call::CountDeadLetters(filter.clone()), Call::ListDeadLetters(filter, tasks_page(history, choices))]
        }
        _ => {
            let (task, execution) = (history.task(choices), history.execution(choices));
            vec![Call::Task(task), Call::Execution(execution), Call::DeadLetter(task), Call::Waits(task), Call::Queues]
        }
    }
}

fn limit(choices: &mut Choices<'_>) -> u32 {
    [3, 1, 2, 0, 1_000, u32::MAX][choices.below(6)]
}

fn tasks_page(history: &History<'_>, choices: &mut Choices<'_>) -> Page<TaskId> {
    Page { after: choices.chance(100).then(|| history.task(choices)), limit: limit(choices) }
}

fn task_filter(history: &History<'_>, choices: &mut Choices<'_>) -> TaskFilter {
    TaskFilter {
        execution: choices.chance(100).then(|| history.execution(choices)),
        parent: choices.chance(60).then(|| history.task(choices)),
        states: if choices.chance(60) { choices.some(&TaskState::ALL) } else { Vec::new() },
        function: choices.chance(40).then(|| function(choices.among(["f", "g", "h"]))),
        queue: choices.chance(30).then(|| queue("a")),
    }
}

fn execution_filter(history: &History<'_>, choices: &mut Choices<'_>) -> ExecutionFilter {
    ExecutionFilter {
        states: if choices.chance(90) { choices.some(&ExecutionState::ALL) } else { Vec::new() },
        function: choices.chance(40).then(|| function(choices.among(["f", "g", "h"]))),
        queue: choices.chance(40).then(|| queue("a")),
        tag: choices.chance(40).then(|| tag("x")),
        since: choices.chance(60).then(|| history.about_now(choices)),
    }
}

/// All that can be read of all that there is, and was.
pub(super) async fn everything(history: &History<'_>) -> Result<Vec<Call>, BackendError> {
    let all = Page::first(limits::PAGE);
    let tasks: Vec<TaskId> = history.tasks.iter().map(|task| task.id).collect();
    let known: Vec<ExecutionId> = history.executions.iter().map(|one| one.id).collect();
    let mut calls = vec![
        Call::ListTasks(TaskFilter::default(), Page::first(limits::PAGE)),
        Call::ListExecutions(ExecutionFilter::default(), Page::first(limits::PAGE)),
        Call::CountTasks(TaskFilter::default()),
        Call::CountExecutions(ExecutionFilter::default()),
        Call::CountEnded(Timestamp::EPOCH..Timestamp::MAX),
        Call::ListDeadLetters(DeadLetterFilter::default(), all),
        Call::Queues,
        Call::Workers,
        Call::Limits,
        Call::Recall(all_keys()),
        Call::Executions(known.iter().chain(&history.gone).copied().collect()),
        Call::Tasks(tasks.clone()),
        Call::Payloads(tasks),
    ];
    for task in &history.tasks {
        calls.push(Call::CountChildren(task.id));
        calls.extend((0..=task.generation).map(|generation| Call::Load(task.id, generation)));
        if task.state == TaskState::Suspended {
            calls.push(Call::Waits(task.id));
        }
        for entry in history.model.list_journal(task.id, Page::first(limits::PAGE)).await? {
            if let EntryBody::Made(map, Made::Map { .. }) = entry.body {
                calls.push(Call::MapItems(task.id, task.generation, map, 0..u32::MAX));
            }
        }
    }
    let slot = |execution: &ExecutionId| SIGNALS.map(|name| Watch::Signal(*execution, signal_name(name)));
    calls.push(Call::News(known.iter().flat_map(slot).collect()));
    for execution in known {
        calls.extend([Call::Read(execution), Call::ListProgress(execution, Page::first(limits::PAGE))]);
    }
    Ok(calls)
}
