//! Signals: values for executions.

use std::sync::Arc;

use async_trait::async_trait;
use stent_core::backend::{Hint, Signals};
use stent_core::commit::Sent;
use stent_core::error::{BackendError, ErrorKind};
use stent_core::execution::ExecutionState;
use stent_core::id::TaskId;
use stent_core::signal::SignalSend;
use stent_core::task::TaskState;
use stent_core::time::Timestamp;

use crate::PostgresBackend;
use crate::batch::ids;
use crate::connection::{Session, Values};
use crate::row::{At, Columns};
use crate::transaction::Hinted;

const SEND: &str = "send";

pub(crate) const SLOT: &str = include_str!("../sql/signal/slot.sql");
pub(crate) const FORGET: &str = include_str!("../sql/signal/forget.sql");
pub(crate) const LOCK: &str = include_str!("../sql/signal/lock.sql");
pub(crate) const RECEIVER: &str = include_str!("../sql/signal/receiver.sql");
pub(crate) const STORE: &str = include_str!("../sql/signal/store.sql");
pub(crate) const RECORD: &str = include_str!("../sql/signal/record.sql");
pub(crate) const WAITING: &str = include_str!("../sql/signal/waiting.sql");
pub(crate) const DELIVER: &str = include_str!("../sql/signal/deliver.sql");
pub(crate) const WAKE_ALL: &str = include_str!("../sql/signal/wake_all.sql");
pub(crate) const WAKE: &str = include_str!("../sql/signal/wake.sql");

#[async_trait]
impl Signals for PostgresBackend {
    async fn send(&self, now: Timestamp, send: &SignalSend) -> Result<Sent, BackendError> {
        let send = Arc::new(send.clone());
        let signal = Arc::clone(&send);
        let stored = self.write_at_once_hinting(SEND, move |session| {
            let signal = Arc::clone(&signal);
            Box::pin(async move { deliver_at_once(session, now, &signal).await })
        });
        if let Some(sent) = stored.await? {
            return Ok(sent);
        }
        self.write_hinting(SEND, move |session| {
            let signal = Arc::clone(&send);
            Box::pin(async move { deliver(session, now, &signal).await })
        })
        .await
    }
}

/// Delivers a value, with the commit in one round trip; `None` if nobody gets it, or the send is a repeat.
async fn deliver_at_once(
    session: &Session<'_>,
    now: Timestamp,
    signal: &SignalSend,
) -> Result<Hinted<Option<Sent>>, BackendError> {
    let (id, execution, name) = (signal.id.as_uuid(), signal.execution.as_uuid(), signal.name.as_str());
    let (value, at) = (signal.value.as_bytes(), At(now));
    let slot: Values<'_> = &[execution, &name];
    let delivered: Values<'_> = &[execution, &name, id, &value, &at];
    let woken: Values<'_> = &[execution, &name, id, &at];
    let (_, _, row, _, woken) = tokio::try_join!(
        biased;
        session.execute(SLOT, slot),
        session.execute(LOCK, slot),
        session.query_opt(DELIVER, delivered),
        session.query(WAITING, slot),
        session.execute(WAKE_ALL, woken),
    )?;
    let Some(row) = row else { return Ok((None, Vec::new())) };
    let overwrote = Columns::new(SEND, "signal_sends", "id", &row).flag("overwrote")?;
    let mut hints = vec![Hint::Signalled(signal.execution)];
    hints.extend((woken > 0).then_some(Hint::TasksReady));
    Ok((Some(Sent::Stored { overwrote }), hints))
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

async fn deliver(session: &Session<'_>, now: Timestamp, signal: &SignalSend) -> Result<Hinted<Sent>, BackendError> {
    let Some(receiver) = receiver(session, signal).await? else {
        forget(session, signal).await?;
        return Ok((Sent::Unknown, Vec::new()));
    };
    if let Some(overwrote) = receiver.sent {
        return Ok((Sent::Stored { overwrote }, Vec::new()));
    }
    if receiver.state.is_final() {
        let state = ExecutionState::of_root(receiver.state, receiver.is_started);
        forget(session, signal).await?;
        return Ok((Sent::AlreadyFinal(state), Vec::new()));
    }
    let (id, execution, name) = (signal.id.as_uuid(), signal.execution.as_uuid(), signal.name.as_str());
    let (value, overwrote) = (signal.value.as_bytes(), receiver.overwrites);
    let (_, recorded, waiting) = tokio::try_join!(
        biased;
        async { session.execute(STORE, &[execution, &name, &value, &At(now)]).await },
        async { session.execute(RECORD, &[id, execution, &overwrote]).await },
        async { if receiver.is_awaited { waiting(session, signal).await } else { Ok(Vec::new()) } },
    )?;
    if recorded == 0 {
        // The same id was on its way to another slot; begun again, the transaction answers as that send was.
        return Err(BackendError::new(ErrorKind::Busy, SEND));
    }
    let mut hints = vec![Hint::Signalled(signal.execution)];
    if !waiting.is_empty() {
        session.execute(WAKE, &[&ids(&waiting), &At(now)]).await?;
        hints.push(Hint::TasksReady);
    }
    Ok((Sent::Stored { overwrote }, hints))
}

/// Locks the slot, and then looks at the execution: what a send, a take or a suspension that came before has done is seen, and those that come
/// later wait.
async fn receiver(session: &Session<'_>, signal: &SignalSend) -> Result<Option<Receiver>, BackendError> {
    let (id, execution, name) = (signal.id.as_uuid(), signal.execution.as_uuid(), signal.name.as_str());
    let slot: Values<'_> = &[execution, &name];
    let (_, _, row) = tokio::try_join!(
        biased;
        session.execute(SLOT, slot),
        session.execute(LOCK, slot),
        async { session.query_opt(RECEIVER, &[execution, &name, id]).await },
    )?;
    let Some(row) = row else { return Ok(None) };
    let columns = Columns::new(SEND, "tasks", "id", &row);
    Ok(Some(Receiver {
        state: columns.state("state")?,
        is_started: columns.optional_time("started_at")?.is_some(),
        sent: columns.get("sent")?,
        overwrites: columns.flag("overwrites")?,
        is_awaited: columns.flag("is_awaited")?,
    }))
}

/// Takes the empty slot away again: the execution may be gone meanwhile, and then nobody else would.
async fn forget(session: &Session<'_>, signal: &SignalSend) -> Result<(), BackendError> {
    session.execute(FORGET, &[signal.execution.as_uuid(), &signal.name.as_str()]).await.map(drop)
}

/// Locks the tasks that are suspended and wait for the signal.
async fn waiting(session: &Session<'_>, signal: &SignalSend) -> Result<Vec<TaskId>, BackendError> {
    let rows = session.query(WAITING, &[signal.execution.as_uuid(), &signal.name.as_str()]).await?;
    rows.iter().map(|row| Columns::new(SEND, "tasks", "id", row).id("id")).collect()
}
