//! The journal: what a replay reads and what turns write.

use std::sync::Arc;

use async_trait::async_trait;
use stent_core::backend::Journal;
use stent_core::commit::TurnCommit;
use stent_core::error::{BackendError, ErrorKind};
use stent_core::id::TaskId;
use stent_core::journal::{LoadedJournal, TurnWrite};
use stent_core::task::ChildRecord;
use stent_core::time::Timestamp;

use crate::SqliteBackend;
use crate::entry::entry;
use crate::error::During;
use crate::row::Columns;
use crate::turn::{self, Prepared};
use crate::wait::ended;

const LOAD: &str = "load";
const WRITE: &str = "write";

pub(crate) const ENTRIES: &str = include_str!("../sql/journal/entries.sql");
pub(crate) const CALLS: &str = include_str!("../sql/journal/calls.sql");

#[async_trait]
impl Journal for SqliteBackend {
    async fn load(&self, task: TaskId, generation: u32) -> Result<LoadedJournal, BackendError> {
        self.read_together(LOAD, move |connection| {
            Box::pin(async move {
                let rows = sqlx::query(ENTRIES)
                    .bind(&task.as_bytes()[..])
                    .bind(generation)
                    .fetch_all(&mut *connection)
                    .await
                    .during(LOAD)?;
                let entries = rows.iter().map(|row| entry(&Columns::new(LOAD, "journal", "seq", row)));
                let entries = entries.collect::<Result<_, _>>()?;
                let rows = sqlx::query(CALLS)
                    .bind(&task.as_bytes()[..])
                    .bind(generation)
                    .fetch_all(connection)
                    .await
                    .during(LOAD)?;
                let children = rows.iter().map(|row| child(&Columns::new(LOAD, "tasks", "id", row)));
                Ok(LoadedJournal { entries, children: children.collect::<Result<_, _>>()? })
            })
        })
        .await
    }

    async fn write(&self, now: Timestamp, turns: &[TurnWrite]) -> Result<Vec<TurnCommit>, BackendError> {
        if turns.iter().any(|turn| !turn.variables.is_empty() && turn.entries.is_empty()) {
            let rule = "a turn that changes variables bears an entry, by which a repeat is known";
            return Err(BackendError::new(ErrorKind::Invalid, WRITE).with_message(rule));
        }
        if turns.is_empty() {
            return Ok(Vec::new());
        }
        let prepared = Prepared::new(WRITE, now, turns)?;
        if !prepared.makes_ready() {
            return self
                .write_alone(
                    WRITE,
                    prepared,
                    |connection, prepared| Box::pin(async move { turn::write_alone(connection, &prepared).await }),
                    |connection, prepared| Box::pin(async move { turn::write(connection, &prepared).await }),
                )
                .await;
        }
        // Who is told that he may claim writes with it.
        let prepared = Arc::new(prepared);
        self.write_making(WRITE, true, move |connection| {
            let prepared = Arc::clone(&prepared);
            Box::pin(async move { turn::write(connection, &prepared).await })
        })
        .await
    }
}

fn child(columns: &Columns<'_>) -> Result<ChildRecord, BackendError> {
    let operation = columns.made_by()?;
    Ok(ChildRecord {
        id: columns.id("id")?,
        operation,
        input: columns.payload("input")?,
        since: columns.time("since")?,
        ended: ended(columns)?,
    })
}
