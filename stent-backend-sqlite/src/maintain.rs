//! Maintenance: schema, health and retention.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use stent_core::backend::{Maintenance, Pruned};
use stent_core::error::BackendError;
use stent_core::id::TaskId;
use stent_core::limits;
use stent_core::time::Timestamp;

use crate::SqliteBackend;
use crate::batch::{Hex, to_json};
use crate::error::During;
use crate::migrate;
use crate::row::Columns;

const PRUNE: &str = "prune";

/// What hangs on executions, in the order in which it goes: the root last, so that a step that is cut short is taken up by the next.
const DELETIONS: [&str; 10] = [
    include_str!("../sql/maintain/delete_journals.sql"),
    include_str!("../sql/maintain/delete_waits.sql"),
    include_str!("../sql/maintain/delete_reservations.sql"),
    include_str!("../sql/maintain/delete_dead_letters.sql"),
    include_str!("../sql/maintain/delete_signals.sql"),
    include_str!("../sql/maintain/delete_sends.sql"),
    include_str!("../sql/maintain/delete_counters.sql"),
    include_str!("../sql/maintain/delete_values.sql"),
    include_str!("../sql/maintain/delete_children.sql"),
    include_str!("../sql/maintain/delete_roots.sql"),
];

#[async_trait]
impl Maintenance for SqliteBackend {
    async fn migrate(&self) -> Result<(), BackendError> {
        self.database().migrate("migrate").await
    }

    async fn schema_version(&self) -> Result<u32, BackendError> {
        const OPERATION: &str = "schema_version";
        self.read(OPERATION, |connection| Box::pin(migrate::look(connection, OPERATION))).await
    }

    async fn ping(&self) -> Result<Option<Timestamp>, BackendError> {
        const OPERATION: &str = "ping";
        self.read(OPERATION, |connection| {
            Box::pin(async move {
                sqlx::query(include_str!("../sql/maintain/ping.sql")).fetch_one(connection).await.during(OPERATION)?;
                // All who share the file share this machine's clock.
                Ok(None)
            })
        })
        .await
    }

    async fn prune(&self, now: Timestamp, before: Timestamp) -> Result<Pruned, BackendError> {
        // Mostly there is nothing to do, which needs no transaction.
        if !self.read(PRUNE, move |connection| Box::pin(has_more(connection, now, before))).await? {
            return Ok(Pruned::default());
        }
        self.write(PRUNE, move |connection| Box::pin(prune(connection, now, before))).await
    }

    async fn discard_dead_letter(&self, task: TaskId) -> Result<bool, BackendError> {
        const OPERATION: &str = "discard_dead_letter";
        self.write(OPERATION, move |connection| {
            Box::pin(async move {
                let discarded = sqlx::query(include_str!("../sql/maintain/discard.sql"))
                    .bind(task.as_bytes().as_slice())
                    .execute(connection)
                    .await
                    .during(OPERATION)?;
                Ok(discarded.rows_affected() > 0)
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
        connection: &mut SqliteConnection,
        statement: &'static str,
        which: Which<'_>,
    ) -> Result<(), BackendError> {
        if self.0 == 0 {
            return Ok(());
        }
        let query = match which {
            Which::Executions(executions) => sqlx::query(statement).bind(executions),
            Which::Until(at) => sqlx::query(statement).bind(at.as_micros()),
        };
        let most = i64::try_from(self.0).unwrap_or(i64::MAX);
        let deleted = query.bind(most).execute(connection).await.during(PRUNE)?;
        self.0 = self.0.saturating_sub(deleted.rows_affected());
        Ok(())
    }
}

/// Which rows are deleted.
#[derive(Clone, Copy)]
enum Which<'a> {
    /// Those of these executions, as JSON.
    Executions(&'a str),
    /// Those whose time came before this.
    Until(Timestamp),
}

async fn prune(connection: &mut SqliteConnection, now: Timestamp, before: Timestamp) -> Result<Pruned, BackendError> {
    let batch = i64::from(limits::BATCH);
    sqlx::query(include_str!("../sql/maintain/mark.sql"))
        .bind(before.as_micros())
        .bind(batch)
        .execute(&mut *connection)
        .await
        .during(PRUNE)?;
    let marked = sqlx::query(include_str!("../sql/maintain/marked.sql"))
        .bind(batch)
        .fetch_all(&mut *connection)
        .await
        .during(PRUNE)?;
    let marked: Result<Vec<TaskId>, _> =
        marked.iter().map(|row| Columns::new(PRUNE, "tasks", "id", row).id("id")).collect();
    let marked = marked?;
    let marked: Vec<_> = marked.iter().map(|id| Hex(id.as_bytes())).collect();
    let marked = to_json(PRUNE, &marked)?;

    let most = u64::from(limits::BATCH);
    let mut budget = Budget(most);
    for statement in DELETIONS {
        budget.delete(connection, statement, Which::Executions(&marked)).await?;
    }
    budget.delete(connection, include_str!("../sql/maintain/delete_memos.sql"), Which::Until(now)).await?;
    budget.delete(connection, include_str!("../sql/maintain/delete_workers.sql"), Which::Until(before)).await?;
    Ok(Pruned { rows: most - budget.0, more: has_more(connection, now, before).await? })
}

async fn has_more(connection: &mut SqliteConnection, now: Timestamp, before: Timestamp) -> Result<bool, BackendError> {
    sqlx::query_scalar(include_str!("../sql/maintain/has_more.sql"))
        .bind(now.as_micros())
        .bind(before.as_micros())
        .fetch_one(connection)
        .await
        .during(PRUNE)
}
