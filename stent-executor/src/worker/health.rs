//! Whether a worker is fit, as probes ask.

use stent_core::worker::WorkerState;

use super::Worker;

/// How a worker is, at one moment: what orchestrators ask of a process by their probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Where it is in its life (C-X4).
    pub state: WorkerState,
    /// True if the store answered what it was last asked, or has still time to.
    pub has_contact: bool,
}

impl Health {
    /// Liveness: false once it has stopped, as asked or because its claim loop or heartbeat ended, so that only another process helps. An outage
    /// of the store does not make it false: a restart mends no database.
    #[must_use]
    pub fn is_live(self) -> bool {
        self.state != WorkerState::Stopped
    }

    /// Readiness: true while it claims tasks and the store answers. False before its first look for tasks, in an outage, while it drains, and once it has
    /// stopped.
    #[must_use]
    pub fn is_ready(self) -> bool {
        self.state == WorkerState::Ready && self.has_contact
    }
}

impl Worker {
    /// Its health, from memory: a probe costs the store nothing.
    #[must_use]
    pub fn health(&self) -> Health {
        let shared = &self.shared;
        let state = self.state();
        // Renewals are made every third of a lease.
        let has_contact = state > WorkerState::Starting && !shared.contact.is_silent(shared.engine.settings.lease / 3);
        Health { state, has_contact }
    }
}
