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

/// What an operator should know of a store besides what is in it; backends that have something to say answer with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examination {
    /// Names and values of settings, in the store's own words.
    pub settings: Vec<(String, String)>,
    /// What is to be mended, a sentence each: settings by which what was answered may be lost, indexes that are missing.
    pub findings: Vec<String>,
}

impl Examination {
    /// Finds the indexes that migrations make and that are not among those that there are.
    pub fn find_missing_indexes(&mut self, migrations: &[&str], found: &[String]) {
        let made = migrations.iter().flat_map(|migration| migration.lines()).filter_map(index_made);
        let missing: Vec<&str> = made.filter(|name| !found.iter().any(|other| other == name)).collect();
        if !missing.is_empty() {
            self.findings.push(format!(
                "without its indexes {} it is slow: make them again, as its migrations do",
                missing.join(", ")
            ));
        }
    }
}

/// The name of the index that a line of a migration makes.
fn index_made(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("CREATE ")?;
    rest.strip_prefix("UNIQUE ").unwrap_or(rest).strip_prefix("INDEX ")?.split_whitespace().next()
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
