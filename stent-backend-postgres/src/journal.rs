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

use crate::PostgresBackend;
use crate::connection::Values;
use crate::entry::entry;
use crate::row::{Columns, int};
use crate::turn;
use crate::wait::ended;

const LOAD: &str = "load";
const WRITE: &str = "write";

pub(crate) const ENTRIES: &str = include_str!("../sql/journal/entries.sql");
pub(crate) const CALLS: &str = include_str!("../sql/journal/calls.sql");

#[async_trait]
impl Journal for PostgresBackend {
    async fn load(&self, task: TaskId, generation: u32) -> Result<LoadedJournal, BackendError> {
        self.read_together(LOAD, move |session| {
            Box::pin(async move {
                let (task, generation) = (task.as_uuid(), int(generation));
                let values: Values<'_> = &[task, &generation];
                let (entries, children) =
                    tokio::try_join!(biased; session.query(ENTRIES, values), session.query(CALLS, values))?;
                let entries = entries.iter().map(|row| entry(&Columns::new(LOAD, "journal", "seq", row)));
                let children = children.iter().map(|row| child(&Columns::new(LOAD, "tasks", "id", row)));
                Ok(LoadedJournal {
                    entries: entries.collect::<Result<_, _>>()?,
                    children: children.collect::<Result<_, _>>()?,
                })
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
        let is_at_once = turn::are_at_once(turns);
        let turns: Arc<[TurnWrite]> = turns.into();
        if is_at_once {
            return self
                .write_at_once_hinting(WRITE, move |session| {
                    let turns = Arc::clone(&turns);
                    Box::pin(async move { turn::write_at_once(session, now, &turns).await })
                })
                .await;
        }
        self.write_hinting(WRITE, move |session| {
            let turns = Arc::clone(&turns);
            Box::pin(async move { turn::write(session, now, &turns).await })
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
