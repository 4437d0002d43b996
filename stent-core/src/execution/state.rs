//! The states of an execution: its root task's, as an operator sees them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::task::TaskState;

/// Where an execution is in its life. Once started it is shown as running or suspended, also between two claims (C-X3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionState {
    /// Not due yet, and never started.
    Scheduled,
    /// Due, and never started.
    Pending,
    /// Started, and not waiting in the store.
    Running,
    /// Started, and its root waits in the store.
    Suspended,
    /// Its root returned.
    Completed,
    /// Its root failed for good.
    Failed,
    /// Its deadline passed.
    TimedOut,
    /// It was cancelled.
    Cancelled,
}

impl ExecutionState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Scheduled,
        Self::Pending,
        Self::Running,
        Self::Suspended,
        Self::Completed,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
    ];

    /// The state of an execution whose root is in this state, and was claimed before if `started`.
    #[must_use]
    pub const fn of_root(root: TaskState, started: bool) -> Self {
        match root {
            TaskState::Scheduled | TaskState::Pending if started => Self::Running,
            TaskState::Scheduled => Self::Scheduled,
            TaskState::Pending => Self::Pending,
            TaskState::Running => Self::Running,
            TaskState::Suspended => Self::Suspended,
            TaskState::Completed => Self::Completed,
            TaskState::Failed => Self::Failed,
            TaskState::TimedOut => Self::TimedOut,
            TaskState::Cancelled => Self::Cancelled,
        }
    }

    /// The state's text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// True if the execution has ended.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::TimedOut | Self::Cancelled)
    }
}

impl fmt::Display for ExecutionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
