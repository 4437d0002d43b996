//! Signals: values for executions.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use stent_core::backend::{Hint, Signals};
use stent_core::commit::Sent;
use stent_core::error::BackendError;
use stent_core::execution::ExecutionState;
use stent_core::signal::SignalSend;
use stent_core::task::TaskState;
use stent_core::time::Timestamp;

use crate::SqliteBackend;
use crate::error::During;
use crate::row::Columns;
use crate::transaction::Hinted;

const SEND: &str = "send";

pub(crate) const DELIVER: &str = include_str!("../sql/signal/deliver.sql");
pub(crate) const RECEIVER: &str = include_str!("../sql/signal/receiver.sql");
pub(crate) const STORE: &str = include_str!("../sql/signal/store.sql");
pub(crate) const RECORD: &str = include_str!("../sql/signal/record.sql");
pub(crate) const WAKE: &str = include_str!("../sql/signal/wake.sql");

#[async_trait]
impl Signals for SqliteBackend {
    async fn send(&self, now: Timestamp, send: &SignalSend) -> Result<Sent, BackendError> {
        self.write_alone(
            SEND,
            (now, send.clone()),
            |connection, prepared| Box::pin(async move { deliver_alone(connection, prepared.0, &prepared.1).await }),
            |connection, prepared| Box::pin(async move { deliver(connection, prepared.0, &prepared.1).await }),
        )
        .await
    }
}

/// Delivers a value by one text of statements, a transaction of its own; `None` if nobody gets it, or the send is a repeat.
async fn deliver_alone(
    connection: &mut SqliteConnection,
    now: Timestamp,
    signal: &SignalSend,
) -> Result<Option<Hinted<Sent>>, BackendError> {
    let rows = sqlx::query(DELIVER)
        .bind(&signal.execution.as_bytes()[..])
        .bind(signal.name.as_str())
        .bind(&signal.id.as_bytes()[..])
        .bind(signal.value.as_bytes())
        .bind(now.as_micros())
        .fetch_all(connection)
        .await
        .during(SEND)?;
    let Some(row) = rows.first() else { return Ok(None) };
    let columns = Columns::new(SEND, "signal_sends", "id", row);
    let sent = Sent::Stored { overwrote: columns.flag("overwrote")? };
    Ok(Some((sent, hints(signal, columns.flag("is_awaited")?))))
}

fn hints(signal: &SignalSend, is_awaited: bool) -> Vec<Hint> {
    let woken = is_awaited.then_some(Hint::TasksReady);
    [Hint::Signalled(signal.execution)].into_iter().chain(woken).collect()
}

/// Who is to get a value.
struct Receiver {
    state: TaskState,
    is_started: bool,
    /// What the first send of this id answered.
    sent: Option<bool>,
    overwrites: bool,
    is_awaited: bool,
}

async fn deliver(
    connection: &mut SqliteConnection,
    now: Timestamp,
    signal: &SignalSend,
) -> Result<Hinted<Sent>, BackendError> {
    let Some(receiver) = receiver(connection, signal).await? else {
        return Ok((Sent::Unknown, Vec::new()));
    };
    if let Some(overwrote) = receiver.sent {
        return Ok((Sent::Stored { overwrote }, Vec::new()));
    }
    if receiver.state.is_final() {
        let state = ExecutionState::of_root(receiver.state, receiver.is_started);
        return Ok((Sent::AlreadyFinal(state), Vec::new()));
    }
    let (execution, name) = (&signal.execution.as_bytes()[..], signal.name.as_str());
    sqlx::query(STORE)
        .bind(execution)
        .bind(name)
        .bind(signal.value.as_bytes())
        .bind(now.as_micros())
        .execute(&mut *connection)
        .await
        .during(SEND)?;
    sqlx::query(RECORD)
        .bind(&signal.id.as_bytes()[..])
        .bind(execution)
        .bind(receiver.overwrites)
        .execute(&mut *connection)
        .await
        .during(SEND)?;
    if receiver.is_awaited {
        let wake = sqlx::query(WAKE).bind(execution).bind(name).bind(now.as_micros());
        wake.execute(connection).await.during(SEND)?;
    }
    Ok((Sent::Stored { overwrote: receiver.overwrites }, hints(signal, receiver.is_awaited)))
}

async fn receiver(connection: &mut SqliteConnection, signal: &SignalSend) -> Result<Option<Receiver>, BackendError> {
    let row = sqlx::query(RECEIVER)
        .bind(&signal.execution.as_bytes()[..])
        .bind(signal.name.as_str())
        .bind(&signal.id.as_bytes()[..])
        .fetch_optional(connection)
        .await
        .during(SEND)?;
    let Some(row) = row else { return Ok(None) };
    let columns = Columns::new(SEND, "tasks", "id", &row);
    Ok(Some(Receiver {
        state: columns.state("state")?,
        is_started: columns.optional_time("started_at")?.is_some(),
        sent: columns.optional_number::<i64>("sent")?.map(|overwrote| overwrote != 0),
        overwrites: columns.flag("overwrites")?,
        is_awaited: columns.flag("is_awaited")?,
    }))
}
