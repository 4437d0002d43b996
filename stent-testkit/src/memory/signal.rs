//! Signals: values for executions.

use async_trait::async_trait;
use stent_core::backend::{Hint, Signals};
use stent_core::commit::Sent;
use stent_core::signal::SignalSend;
use stent_core::task::Wait;
use stent_core::{BackendError, Timestamp};

use super::MemoryBackend;
use super::store::{SendRow, Tables};

#[async_trait]
impl Signals for MemoryBackend {
    async fn send(&self, now: Timestamp, send: &SignalSend) -> Result<Sent, BackendError> {
        Ok(self.transaction(|tables| tables.send(now, send)))
    }
}

impl Tables {
    fn send(&mut self, now: Timestamp, send: &SignalSend) -> Sent {
        let Some(root) = self.known(send.execution) else { return Sent::Unknown };
        // A repeat answers as the first did, be the execution open or not by now (C-S3).
        if let Some(first) = self.sends.get(&send.id) {
            return Sent::Stored { overwrote: first.overwrote };
        }
        if !root.is_open() {
            return Sent::AlreadyFinal(root.execution_state());
        }
        // The latest value wins (C-S1).
        let overwrote = self.slots.insert((send.execution, send.name.clone()), (send.value.clone(), now)).is_some();
        self.sends.insert(send.id, SendRow { execution: send.execution, overwrote });
        self.wake_waiting_for(now, send.execution, &Wait::Signal(send.name.clone()));
        self.tell(Hint::Signalled(send.execution));
        Sent::Stored { overwrote }
    }
}
