//! Signals: one slot a name, latest value wins (C-S1).

use crate::id::{ExecutionId, SignalId};
use crate::name::SignalName;
use crate::payload::Payload;

/// One send.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalSend {
    /// The send's own id: a repeat does nothing.
    pub id: SignalId,
    /// Whom it is for.
    pub execution: ExecutionId,
    /// The slot.
    pub name: SignalName,
    /// The value.
    pub value: Payload,
}
