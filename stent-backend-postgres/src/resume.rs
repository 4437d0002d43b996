//! From where a failed task goes on, as it is stored with it.

use serde::{Deserialize, Serialize};
use stent_core::error::BackendError;
use stent_core::id::TaskId;
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::task::{Resume, ResumePoint};

use crate::batch::to_json;
use crate::row::Columns;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "resume")]
enum Stored {
    Restart,
    At { turn: Option<u32>, operation: Option<StoredOperation>, child: Option<TaskId> },
    Refused { reason: String },
}

#[derive(Serialize, Deserialize)]
struct StoredOperation {
    turn: u32,
    kind: OperationKind,
    name: String,
    key: Vec<u8>,
    number: u32,
}

/// The text that is stored.
pub(crate) fn encode_resume(operation: &'static str, resume: &Resume) -> Result<String, BackendError> {
    let stored = match resume {
        Resume::Restart => Stored::Restart,
        Resume::At(point) => Stored::At {
            turn: point.turn,
            operation: point.operation.as_ref().map(|reopened| StoredOperation {
                turn: reopened.turn,
                kind: reopened.kind,
                name: reopened.name.as_ref().into(),
                key: reopened.key.as_bytes().into(),
                number: reopened.number,
            }),
            child: point.child,
        },
        Resume::Refused(reason) => Stored::Refused { reason: reason.clone() },
    };
    to_json(operation, &stored)
}

/// The column as it was stored; `None` if the task has none.
pub(crate) fn decode_resume(columns: &Columns<'_>) -> Result<Option<Resume>, BackendError> {
    let stored: Option<Stored> = columns.optional_json("resume")?;
    Ok(stored.map(|stored| match stored {
        Stored::Restart => Resume::Restart,
        Stored::At { turn, operation, child } => Resume::At(ResumePoint {
            turn,
            operation: operation.map(|reopened| OperationId {
                turn: reopened.turn,
                kind: reopened.kind,
                name: reopened.name.into(),
                key: OperationKey::from_bytes(&reopened.key),
                number: reopened.number,
            }),
            child,
        }),
        Stored::Refused { reason } => Resume::Refused(reason),
    }))
}
