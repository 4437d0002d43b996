//! What a task did: the operations of its journal in the order in which they ended, with how long they took.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stent_core::backend::{Page, TaskFilter};
use stent_core::journal::{EntryBody, JournalEntry, Made};
use stent_core::operation::OperationId;
use stent_core::outcome::OperationOutcome;
use stent_core::task::TaskRecord;
use stent_core::{Backend, BackendError, Timestamp, limits};

use crate::{print, span};

/// Children of calls that are read, at most: a call's outcome is its child's.
const CALLS: u32 = 100;

/// The operations of a task.
pub(super) struct Timeline {
    events: Vec<Event>,
    /// Operations before the first that is shown.
    before: usize,
}

struct Event {
    /// When it ended, or was made if it has not.
    at: Timestamp,
    operation: String,
    outcome: String,
    /// From the turn that made it to its end.
    took: Option<std::time::Duration>,
}

/// Reads the last operations of a task, at most so many.
pub(super) async fn read(backend: &dyn Backend, task: &TaskRecord, most: u32) -> Result<Timeline, BackendError> {
    let mut reading = Reading { since: task.started_at.unwrap_or(task.created_at), ..Reading::default() };
    let mut page = Page::first(limits::PAGE);
    loop {
        let entries = backend.list_journal(task.id, page).await?;
        let Some(last) = entries.last() else { break };
        page.after = Some(last.seq);
        entries.iter().for_each(|entry| reading.take(entry));
    }
    let mut events = reading.end(task.ended_at);
    let children = TaskFilter { parent: Some(task.id), ..TaskFilter::default() };
    let children = backend.list_tasks(&children, Page::first(CALLS)).await?;
    events.extend(children.iter().filter(|child| child.index.is_none()).map(call));
    events.sort_by(|a, b| (a.at, &a.operation).cmp(&(b.at, &b.operation)));
    let before = events.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(Timeline { events: events.split_off(before), before })
}

fn call(child: &TaskRecord) -> Event {
    Event {
        at: child.ended_at.unwrap_or(child.created_at),
        operation: format!("call {}", child.function),
        outcome: child.state.to_string(),
        took: child.ended_at.map(|ended| ended.since(child.created_at)),
    }
}

/// What is known of an operation that has not ended.
enum Detail {
    Nothing,
    /// A sleep, and until when.
    Until(Timestamp),
    /// A map, and how many of its items are done.
    Closed(u32),
}

#[derive(Default)]
struct Reading {
    /// When the turn began in which the task is.
    since: Timestamp,
    /// When each turn began whose operations are still open, by the turn.
    turns: BTreeMap<u32, Timestamp>,
    /// What was made and has not ended.
    open: Vec<(OperationId, Timestamp, Detail)>,
    events: Vec<Event>,
}

impl Reading {
    fn take(&mut self, entry: &JournalEntry) {
        self.turns.entry(entry.turn).or_insert(self.since);
        match &entry.body {
            EntryBody::Made(operation, made) => {
                let detail = match made {
                    Made::Sleep { until } => Detail::Until(*until),
                    Made::Dispatch { execution } => {
                        return self.end_of(operation, entry.at, format!("dispatched {execution}"));
                    }
                    Made::Patch => return self.end_of(operation, entry.at, "passed".to_owned()),
                    _ => Detail::Nothing,
                };
                self.open.push((operation.clone(), entry.at, detail));
            }
            EntryBody::Outcome(operation, outcome) => {
                let outcome = match outcome {
                    OperationOutcome::Completed(_) => "completed".to_owned(),
                    OperationOutcome::Failed(failure) => format!("failed: {}: {failure}", failure.class()),
                    OperationOutcome::Elapsed => "timeout passed".to_owned(),
                };
                self.end_of(operation, entry.at, outcome);
                self.since = entry.at;
            }
            EntryBody::Order(operation) => {
                // The end of a call is told by its child.
                if self.open.iter().any(|(open, ..)| open == operation) {
                    self.end_of(operation, entry.at, "completed".to_owned());
                }
                self.since = entry.at;
            }
            EntryBody::Note(text) => self.push(entry.at, "note".to_owned(), text.clone(), None),
            EntryBody::Chunk { map, closed, .. } => {
                if let Some((_, _, detail)) = self.open.iter_mut().find(|(open, ..)| open == map) {
                    *detail = Detail::Closed(*closed);
                }
            }
            EntryBody::Variables => {}
        }
    }

    fn end_of(&mut self, operation: &OperationId, at: Timestamp, outcome: String) {
        let made = self.open.iter().position(|(open, ..)| open == operation);
        let made = made.map(|made| self.open.remove(made).1);
        // A step leaves no record when it is made: it began with its turn.
        let made = made.or_else(|| self.turns.get(&operation.turn).copied()).unwrap_or(self.since);
        self.push(at, operation.to_string(), outcome, Some(at.since(made)));
    }

    fn push(&mut self, at: Timestamp, operation: String, outcome: String, took: Option<std::time::Duration>) {
        self.events.push(Event { at, operation, outcome, took });
    }

    /// What a task did that ended at this time, or goes on. The last outcome that a function was given needs no entry: a sleep that is over is none that is open.
    fn end(mut self, ended: Option<Timestamp>) -> Vec<Event> {
        for (operation, at, detail) in std::mem::take(&mut self.open) {
            let (at, outcome, took) = match detail {
                Detail::Until(until) if ended.is_some_and(|ended| until <= ended) => {
                    (until, "passed".to_owned(), Some(until.since(at)))
                }
                Detail::Until(until) => (at, format!("open, until {until}"), None),
                Detail::Closed(items) => (at, format!("open, {items} items done"), None),
                Detail::Nothing => (at, "open".to_owned(), None),
            };
            self.push(at, operation.to_string(), outcome, took);
        }
        self.events
    }
}

impl Timeline {
    pub(super) fn title(&self) -> String {
        match self.before {
            0 => "operations".to_owned(),
            before => format!("operations ({before} earlier ones are not shown: --operations)"),
        }
    }

    pub(super) fn as_text(&self) -> String {
        let row = |event: &Event| {
            let took = event.took.map_or("-".to_owned(), span::short);
            // Of the time, the seconds are enough to read.
            let at = event.at.to_string().chars().take(19).collect();
            vec![at, took, event.operation.clone(), event.outcome.clone()]
        };
        let rows: Vec<Vec<String>> = self.events.iter().map(row).collect();
        if rows.is_empty() { String::new() } else { print::table(&["AT", "#TOOK", "OPERATION", "OUTCOME"], &rows) }
    }

    pub(super) fn as_json(&self) -> Value {
        let record = |event: &Event| {
            json!({
                "at": event.at.to_string(),
                "operation": event.operation,
                "outcome": event.outcome,
                "took_us": event.took.map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
            })
        };
        json!({"before": self.before, "shown": self.events.iter().map(record).collect::<Vec<_>>()})
    }
}
