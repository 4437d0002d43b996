//! Shared results: caching and idempotency (C-K1, C-K2).

use std::time::Duration;

use crate::payload::Fingerprint;

/// How a task's result is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memo {
    /// The key under which the result is stored.
    pub key: Fingerprint,
    /// What is promised for the key.
    pub mode: MemoMode,
}

/// What is promised for a memo's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoMode {
    /// Results are shared while they last; `None`: for ever. Concurrent tasks may both run.
    Cached {
        /// How long a result lasts.
        ttl: Option<Duration>,
    },
    /// One task runs for the key, for ever.
    Idempotent,
}
