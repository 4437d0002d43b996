//! The states of a task and the edges between them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Not due yet: delayed, waiting for a retry, or put off after a divergence.
    Scheduled,
    /// Due, and free to be claimed.
    Pending,
    /// Claimed; its lease may have run out.
    Running,
    /// It only waits for durable things and is in nobody's memory.
    Suspended,
    /// Its function returned.
    Completed,
    /// Its function failed for good.
    Failed,
    /// Its execution's deadline passed. Only roots time out; what is below them is cancelled.
    TimedOut,
    /// Cancelled, by a client or with what it belonged to.
    Cancelled,
}

impl TaskState {
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

    /// The state's stored text.
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

    /// The state of this stored text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// True if the task has ended. Only redrive leaves such a state (C-X3).
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::TimedOut | Self::Cancelled)
    }

    /// True if the protocol knows an edge from this state to `next`; redrive's and those that stay are included.
    #[must_use]
    pub const fn can_become(self, next: Self) -> bool {
        use TaskState::{Cancelled, Completed, Failed, Pending, Running, Scheduled, Suspended, TimedOut};
        matches!(
            (self, next),
            (Scheduled | Suspended | Failed | TimedOut | Cancelled, Pending)
                | (Pending, Running)
                | (Running, Running | Pending | Scheduled | Suspended | Completed | Failed)
                | (Scheduled | Pending | Running | Suspended, TimedOut | Cancelled)
        )
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_one_text() {
        for state in TaskState::ALL {
            assert_eq!(TaskState::parse(state.as_str()), Some(state));
        }
        assert_eq!(TaskState::parse("cancelling"), None);
    }

    #[test]
    fn only_redrive_leaves_a_final_state_and_nothing_leaves_completed() {
        for from in TaskState::ALL.into_iter().filter(|state| state.is_final()) {
            for to in TaskState::ALL {
                let redriven = from != TaskState::Completed && to == TaskState::Pending;
                assert_eq!(from.can_become(to), redriven, "{from} to {to}");
            }
        }
    }
}
