//! Reads what a run has left: the files, and the database through its backend; the audit and the slots by statements.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use stent_core::backend::{Page, TaskFilter};
use stent_core::journal::EntryBody;
use stent_core::task::{TaskRecord, TaskState};
use stent_core::{Backend, TaskId};

use super::{Edge, Evidence, Task};
use crate::Result;
use crate::place::{Look, Place};
use crate::{history, ledger};

/// Rows of a page.
const PAGE: u32 = 1_000;

/// Writes every change of a task's state or claim down. For SQLite.
pub(crate) const AUDIT_SQLITE: &str = "
    CREATE TABLE audit (number INTEGER PRIMARY KEY, task TEXT, was TEXT, is_now TEXT, token TEXT, reopened INTEGER);
    CREATE TRIGGER audit_made AFTER INSERT ON tasks BEGIN
        INSERT INTO audit (task, is_now, token, reopened) VALUES (lower(hex(NEW.id)), NEW.state, lower(hex(NEW.token)), 0);
    END;
    CREATE TRIGGER audit_changed AFTER UPDATE OF state, token ON tasks
    WHEN OLD.state IS NOT NEW.state OR (NEW.state = 'running' AND OLD.token IS NOT NEW.token) BEGIN
        INSERT INTO audit (task, was, is_now, token, reopened)
        VALUES (lower(hex(NEW.id)), OLD.state, NEW.state, lower(hex(NEW.token)), NEW.reopened_at IS NOT NULL);
    END;";
/// The same for PostgreSQL.
pub(crate) const AUDIT_POSTGRES: &str = "
    CREATE TABLE audit (number bigserial, task text, was text, is_now text, token text, reopened integer);
    CREATE FUNCTION audit_made() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO audit (task, is_now, token, reopened) VALUES (NEW.id, NEW.state, NEW.token, 0);
        RETURN NULL;
    END $$;
    CREATE FUNCTION audit_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO audit (task, was, is_now, token, reopened)
        VALUES (NEW.id, OLD.state, NEW.state, NEW.token, (NEW.reopened_at IS NOT NULL)::integer);
        RETURN NULL;
    END $$;
    CREATE TRIGGER audit_made AFTER INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION audit_made();
    CREATE TRIGGER audit_changed AFTER UPDATE ON tasks FOR EACH ROW
        WHEN (OLD.state IS DISTINCT FROM NEW.state OR (NEW.state = 'running' AND OLD.token IS DISTINCT FROM NEW.token))
        EXECUTE FUNCTION audit_changed();";

/// Reads it.
pub(crate) async fn gather(place: &Place, effects: &Path, histories: &[PathBuf]) -> Result<Evidence> {
    let backend = place.open(2, false).await?;
    let mut look = place.look().await?;
    let mut evidence = Evidence { effects: ledger::read(effects)?, ..Evidence::default() };
    for history in histories {
        evidence.calls.extend(history::read(history)?);
    }
    evidence.edges = edges(&mut look).await?;
    evidence.slots = slots(&mut look).await?;
    tasks(&*backend, &mut evidence).await?;
    evidence.limbo = super::witness::limbo(&mut look).await?;
    Ok(evidence)
}

async fn tasks(backend: &dyn Backend, evidence: &mut Evidence) -> Result {
    let mut after = None;
    loop {
        let page = backend.list_tasks(&TaskFilter::default(), Page { after, limit: PAGE }).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        let roots: Vec<TaskId> = page.iter().filter(|task| task.parent.is_none()).map(|task| task.id).collect();
        let payloads = backend.payloads(&roots).await?;
        let mut payloads: BTreeMap<_, _> = roots.into_iter().zip(payloads).collect();
        for record in page {
            if record.parent.is_none() {
                repeated(backend, &record, evidence).await?;
            }
            let payload = payloads.remove(&record.id).flatten();
            let json = |payload: &stent_core::Payload| String::from_utf8_lossy(payload.as_bytes()).into_owned();
            let input = payload.as_ref().map(|payload| json(&payload.input)).unwrap_or_default();
            let task = Task {
                execution: record.execution,
                parent: record.parent,
                index: record.index,
                function: record.function.to_string(),
                state: record.state,
                attempt: record.attempt,
                input: serde_json::from_str(&input).unwrap_or_default(),
                output: payload.and_then(|payload| payload.output.as_ref().map(json)),
            };
            evidence.tasks.insert(record.id, task);
        }
    }
}

/// Operations of a journal with two outcomes.
async fn repeated(backend: &dyn Backend, task: &TaskRecord, evidence: &mut Evidence) -> Result {
    let mut seen = BTreeSet::new();
    let mut after = None;
    loop {
        let page = backend.list_journal(task.id, Page { after, limit: PAGE }).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.seq);
        for entry in page {
            if let EntryBody::Outcome(operation, _) = entry.body {
                let text = format!("turn {}: {operation}", operation.turn);
                if !seen.insert(operation) {
                    evidence.repeated.push((task.id, text));
                }
            }
        }
    }
}

async fn edges(look: &mut Look) -> Result<Option<Vec<Edge>>> {
    let there = look
        .number(
            "SELECT CAST(count(*) AS TEXT) FROM sqlite_schema WHERE name = 'audit'",
            "SELECT count(*) FROM pg_class WHERE oid = to_regclass('audit')",
        )
        .await?;
    if there == 0 {
        return Ok(None);
    }
    let all = "SELECT task, was, is_now, token, CAST(reopened AS TEXT) FROM audit ORDER BY number";
    let mut edges = Vec::new();
    for row in look.rows(all, all).await? {
        let mut cells = row.into_iter();
        let mut next = || cells.next().flatten();
        let (task, was, is, token, reopened) = (next(), next(), next(), next(), next());
        let state = |text: Option<String>| text.as_deref().and_then(TaskState::parse);
        let (Some(task), Some(is)) = (task.and_then(|task| task.parse().ok()), state(is)) else {
            return Err("a row of the audit cannot be read".into());
        };
        edges.push(Edge { task, was: state(was), is, token, reopened: reopened.as_deref() == Some("1") });
    }
    Ok(Some(edges))
}

async fn slots(look: &mut Look) -> Result<BTreeMap<stent_core::ExecutionId, u64>> {
    let sqlite = "SELECT lower(hex(execution)), CAST(value AS TEXT) FROM signals WHERE value IS NOT NULL";
    let postgres = "SELECT execution::text, convert_from(value, 'UTF8') FROM signals WHERE value IS NOT NULL";
    let mut slots = BTreeMap::new();
    for row in look.rows(sqlite, postgres).await? {
        let mut cells = row.into_iter().flatten();
        let (execution, value) = (cells.next(), cells.next());
        if let (Some(Ok(execution)), Some(Ok(value))) =
            (execution.map(|text| text.parse()), value.map(|text| text.parse()))
        {
            slots.insert(execution, value);
        }
    }
    Ok(slots)
}
