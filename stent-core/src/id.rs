//! Identifiers. Those of executions grow with time (UUIDv7); those of children are derived from what made them, so that
//! making a child twice makes one row; tokens are random.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::operation::OperationId;
use crate::time::Timestamp;

/// The text is not an identifier of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {kind} id: expected a UUID like 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct InvalidId {
    kind: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps an identifier that was stored or received.
            #[must_use]
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The identifier as a UUID.
            #[must_use]
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }

            /// The 16 bytes of the identifier, as backends store them.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The identifier of these 16 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse().map(Self).map_err(|_| InvalidId { kind: $kind })
            }
        }
    };
}

id!(
    /// A dispatched call and all that it causes. Its root task bears the same 16 bytes.
    ExecutionId,
    "an execution"
);
id!(
    /// One durable function call inside an execution.
    TaskId,
    "a task"
);
id!(
    /// One worker, from its start to its end; a restarted program is another worker.
    WorkerId,
    "a worker"
);
id!(
    /// The fence of a claim: random, made by the claimer, never used again.
    ClaimToken,
    "a claim"
);
id!(
    /// One send of a signal: a repeat bears the same id and does nothing (C-S3).
    SignalId,
    "a signal"
);

impl ExecutionId {
    /// A new id that sorts after those made before `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let micros = u64::try_from(now.as_micros()).unwrap_or(0);
        let random = Uuid::new_v4();
        let mut entropy = [0; 10];
        entropy.copy_from_slice(&random.as_bytes()[6..]);
        Self(Builder::from_unix_timestamp_millis(micros / 1_000, &entropy).into_uuid())
    }

    /// The id of the execution that a function dispatches by this operation: the same in every replay.
    #[must_use]
    pub fn dispatched_by(task: TaskId, generation: u32, operation: &OperationId) -> Self {
        Self(TaskId::child(task, generation, operation, None).0)
    }

    /// The execution's root task.
    #[must_use]
    pub const fn root(self) -> TaskId {
        TaskId(self.0)
    }
}

impl TaskId {
    /// The child that `parent` makes by `operation` in this generation of its journal; `index` is its place in a map.
    ///
    /// 90 bits of a SHA-256 name the operation and the last 32 bits the index, so that the items of a map are neighbours in
    /// the store's indexes and sort by index.
    #[must_use]
    pub fn child(parent: Self, generation: u32, operation: &OperationId, index: Option<u32>) -> Self {
        let digest = Sha256::new()
            .chain_update(parent.as_bytes())
            .chain_update(generation.to_be_bytes())
            .chain_update(operation.turn.to_be_bytes())
            .chain_update([operation.kind as u8, u8::from(index.is_some())])
            .chain_update(operation.number.to_be_bytes())
            .chain_update(u64::try_from(operation.name.len()).unwrap_or(u64::MAX).to_be_bytes())
            .chain_update(operation.name.as_bytes())
            .chain_update(operation.key.as_bytes())
            .finalize();
        let mut bytes = [0; 16];
        bytes[..12].copy_from_slice(&digest[..12]);
        bytes[12..].copy_from_slice(&index.unwrap_or(0).to_be_bytes());
        Self(Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The execution of which this would be the root.
    #[must_use]
    pub const fn as_execution(self) -> ExecutionId {
        ExecutionId(self.0)
    }
}

macro_rules! random_id {
    ($($name:ident),*) => {$(
        impl $name {
            /// A new random id.
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }
        }
    )*};
}

random_id!(WorkerId, ClaimToken, SignalId);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{OperationKey, OperationKind};

    fn map(turn: u32) -> OperationId {
        OperationId { turn, kind: OperationKind::Map, name: "pack".into(), key: OperationKey::none(), number: 0 }
    }

    #[test]
    fn the_items_of_a_map_sort_by_index_and_no_two_operations_share_a_child() {
        let parent = ExecutionId::new(Timestamp::EPOCH).root();
        let items: Vec<_> = (0..2_000).map(|index| TaskId::child(parent, 0, &map(1), Some(index))).collect();
        assert!(items.is_sorted_by(|a, b| a < b));
        assert_ne!(TaskId::child(parent, 0, &map(1), None), items[0]);
        assert_ne!(TaskId::child(parent, 1, &map(1), Some(0)), items[0]);
        assert_ne!(TaskId::child(parent, 0, &map(2), Some(0)), items[0]);
    }

    #[test]
    fn ids_of_executions_grow_with_time() {
        let early = ExecutionId::new(Timestamp::from_micros(1_000_000));
        let late = ExecutionId::new(Timestamp::from_micros(2_000_000));
        assert!(early < late);
        assert_eq!(early.to_string().parse::<ExecutionId>().unwrap(), early);
        assert!("nonsense".parse::<ExecutionId>().unwrap_err().to_string().contains("an execution id"));
    }
}
