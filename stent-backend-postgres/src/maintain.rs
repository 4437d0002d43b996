//! Maintenance: schema, health and retention.

use async_trait::async_trait;
use stent_core::backend::{Maintenance, Pruned};
use stent_core::error::BackendError;
use stent_core::id::TaskId;
use stent_core::limits;
use stent_core::time::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::PostgresBackend;
use crate::connection::Session;
use crate::migrate;
use crate::row::{At, Columns};

const PRUNE: &str = "prune";

#[async_trait]
impl Maintenance for PostgresBackend {
    async fn migrate(&self) -> Result<(), BackendError> {
        self.database().migrate("migrate").await
    }

    async fn schema_version(&self) -> Result<u32, BackendError> {
        const OPERATION: &str = "schema_version";
        let mut client = self.database().client(OPERATION).await?;
        migrate::look(&mut client, &self.database().schema, OPERATION).await
    }

    async fn ping(&self) -> Result<Option<Timestamp>, BackendError> {
        self.read("ping", |session| {
            Box::pin(async move {
                let row = session.query_one(include_str!("../sql/maintain/ping.sql"), &[]).await?;
                // All who share the database follow its clock (C-X2).
                Columns::new(session.operation(), "tasks", "now", &row).time("now").map(Some)
            })
        })
        .await
    }

    async fn prune(&self, now: Timestamp, before: Timestamp) -> Result<Pruned, BackendError> {
        // Mostly there is nothing to do, which needs no transaction.
        if !self.read(PRUNE, move |session| Box::pin(has_more(session, now, before))).await? {
            return Ok(Pruned::default());
        }
        self.write(PRUNE, move |session| Box::pin(prune(session, now, before))).await
    }

    async fn discard_dead_letter(&self, task: TaskId) -> Result<bool, BackendError> {
        self.write("discard_dead_letter", move |session| {
            Box::pin(async move {
                let discarded = session.execute(include_str!("../sql/maintain/discard.sql"), &[task.as_uuid()]).await?;
                Ok(discarded > 0)
            })
        })
        .await
    }
}

/// How many rows a step may still delete.
struct Budget(u64);

impl Budget {
    async fn delete(
        &mut self,
        session: &Session<'_>,
        statement: &'static str,
        which: &(dyn ToSql + Sync),
    ) -> Result<(), BackendError> {
        if self.0 > 0 {
            let most = i64::try_from(self.0).unwrap_or(i64::MAX);
            let deleted = session.execute(statement, &[which, &most]).await?;
            self.0 = self.0.saturating_sub(deleted);
        }
        Ok(())
    }
}

/// One step. It holds the roots of what it deletes, so that no other step does, and nobody else touches what hangs on them.
async fn prune(session: &Session<'_>, now: Timestamp, before: Timestamp) -> Result<Pruned, BackendError> {
    let batch = i64::from(limits::BATCH);
    session.execute(include_str!("../sql/maintain/mark.sql"), &[&At(before), &batch]).await?;
    let roots = session.query(include_str!("../sql/maintain/marked.sql"), &[&batch]).await?;
    let roots: Result<Vec<Uuid>, _> =
        roots.iter().map(|row| Columns::new(PRUNE, "tasks", "id", row).get("id")).collect();
    let roots = roots?;

    let most = u64::from(limits::BATCH);
    let mut budget = Budget(most);
    if !roots.is_empty() {
        delete(session, &mut budget, &roots).await?;
    }
    budget.delete(session, include_str!("../sql/maintain/delete_memos.sql"), &At(now)).await?;
    budget.delete(session, include_str!("../sql/maintain/delete_workers.sql"), &At(before)).await?;
    let rows = most - budget.0;
    // With nothing deleted, what is left is in the hands of another step.
    Ok(Pruned { rows, more: rows > 0 && has_more(session, now, before).await? })
}

/// Deletes what hangs on these executions, and then themselves. Each kind goes to its end before the next begins, so that a step that is cut short is taken
/// up by the next: a task goes after what hangs on it, the root last.
async fn delete(session: &Session<'_>, budget: &mut Budget, roots: &Vec<Uuid>) -> Result<(), BackendError> {
    for statement in [
        include_str!("../sql/maintain/delete_journals.sql"),
        include_str!("../sql/maintain/delete_dead_letters.sql"),
        include_str!("../sql/maintain/delete_signals.sql"),
        include_str!("../sql/maintain/delete_sends.sql"),
        include_str!("../sql/maintain/delete_counters.sql"),
        include_str!("../sql/maintain/delete_values.sql"),
    ] {
        budget.delete(session, statement, roots).await?;
    }
    // As many as the step could delete, and not all that a large execution has.
    let batch = i64::from(limits::BATCH);
    let children = session.query(include_str!("../sql/maintain/children.sql"), &[roots, &batch]).await?;
    let children = children.iter().map(|row| Columns::new(PRUNE, "tasks", "id", row).get("id"));
    let children = children.collect::<Result<Vec<Uuid>, _>>()?;
    let tasks: Vec<Uuid> = children.iter().chain(roots).copied().collect();
    budget.delete(session, include_str!("../sql/maintain/delete_waits.sql"), &tasks).await?;
    budget.delete(session, include_str!("../sql/maintain/delete_reservations.sql"), &tasks).await?;
    budget.delete(session, include_str!("../sql/maintain/delete_children.sql"), &children).await?;
    // Of these, children that were not asked for are left only if the step has come to its end.
    budget.delete(session, include_str!("../sql/maintain/delete_roots.sql"), roots).await
}

async fn has_more(session: &Session<'_>, now: Timestamp, before: Timestamp) -> Result<bool, BackendError> {
    let row = session.query_one(include_str!("../sql/maintain/has_more.sql"), &[&At(now), &At(before)]).await?;
    Columns::new(PRUNE, "tasks", "has_more", &row).flag("has_more")
}
