//! Maintenance: schema, health and retention.

use async_trait::async_trait;

use crate::error::BackendError;
use crate::id::TaskId;
use crate::time::Timestamp;

/// What a step of retention did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Rows deleted, of all tables.
    pub rows: u64,
    /// True if there is more to do at once.
    pub more: bool,
}

/// Schema, health and retention.
#[async_trait]
pub trait Maintenance: Send + Sync {
    /// Brings the schema to the version this program needs. Concurrent callers apply each migration once; a crash leaves the version before.
    ///
    /// # Errors
    /// [`BackendError`] of kind `SchemaMismatch` if the schema is newer than this program, `NotStent` if the database is another program's;
    /// then nothing was changed.
    async fn migrate(&self) -> Result<(), BackendError>;

    /// The schema's version; 0 if there is none.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn schema_version(&self) -> Result<u32, BackendError>;

    /// Asks the store for a sign of life; answers with its own clock if it has one that others should follow (C-X2).
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn ping(&self) -> Result<Option<Timestamp>, BackendError>;

    /// One step of retention over what ended, or was last heard of, before `before`: at most [`limits::BATCH`](crate::limits::BATCH) rows.
    ///
    /// - C-X3 An execution is marked first, and is then gone for everyone: unknown to clients, not listed, not redriven. What hangs on it goes next, its dead letters included, the root
    ///   last, and its dedup key with it.
    /// - C-X3 Expired memo goes by its own expiry, at `now`; workers that were not heard of go as well.
    /// - Open executions and what belongs to them are never touched.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn prune(&self, now: Timestamp, before: Timestamp) -> Result<Pruned, BackendError>;

    /// Deletes a dead letter; the task stays failed. False if there is none.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn discard_dead_letter(&self, task: TaskId) -> Result<bool, BackendError>;
}
