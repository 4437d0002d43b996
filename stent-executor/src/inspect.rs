//! What a client reads of executions: lists, counters and values, progress.

use std::fmt;

use serde::de::DeserializeOwned;
use stent_core::backend::{ExecutionFilter, Page, ProgressCursor, ProgressEntry};
use stent_core::execution::ExecutionRecord;
use stent_core::variable::Variables;
use stent_core::{BackendError, ExecutionId};

use crate::codec::{self, CodecError};
use crate::dispatch::Execution;
use crate::error::{ExecutionError, StentError};
use crate::stent::{Stent, patiently};

impl Stent {
    /// Executions, newest first, a page at a time. Rows that cannot be read are left out.
    ///
    /// # Errors
    /// [`StentError::Backend`].
    pub async fn list(
        &self,
        filter: &ExecutionFilter,
        page: Page<ExecutionId>,
    ) -> Result<Vec<ExecutionRecord>, StentError> {
        let backend = &self.program.backend;
        Ok(patiently(BackendError::is_transient, || backend.list_executions(filter, page)).await?)
    }
}

/// The counters and values of an execution, all of one moment (C-V1).
#[derive(Clone)]
pub struct VariablesSnapshot {
    stent: Stent,
    variables: Variables,
}

impl VariablesSnapshot {
    /// A counter; zero if there is none of this name.
    #[must_use]
    pub fn counter(&self, name: &str) -> i64 {
        self.counters().find(|(counter, _)| *counter == name).map_or(0, |(_, number)| number)
    }

    /// All counters, by name.
    pub fn counters(&self) -> impl Iterator<Item = (&str, i64)> {
        self.variables.counters.iter().map(|(name, number)| (name.as_str(), *number))
    }

    /// A value; `None` if there is none of this name.
    ///
    /// # Errors
    /// [`CodecError`] if it is no `V`.
    pub fn value<V: DeserializeOwned>(&self, name: &str) -> Result<Option<V>, CodecError> {
        let value = self.variables.values.iter().find(|(value, _)| value.as_str() == name);
        value.map(|(_, value)| codec::decode(&*self.stent.program.codec, value)).transpose()
    }

    /// The names of all values.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.variables.values.keys().map(|name| name.as_str())
    }
}

impl fmt::Debug for VariablesSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are payloads, which are in no log.
        let (counters, values): (Vec<_>, Vec<_>) = (self.counters().collect(), self.values().collect());
        f.debug_struct("VariablesSnapshot").field("counters", &counters).field("values", &values).finish()
    }
}

impl<T> Execution<T> {
    /// Its counters and values as they are written now (C-V1).
    ///
    /// # Errors
    /// [`ExecutionError::NotFound`], [`ExecutionError::Backend`].
    pub async fn variables(&self) -> Result<VariablesSnapshot, ExecutionError> {
        let stent = self.stent();
        let backend = &stent.program.backend;
        let variables = patiently(BackendError::is_transient, || backend.read(self.id())).await?;
        if variables == Variables::default() {
            self.demand().await?;
        }
        Ok(VariablesSnapshot { stent: stent.clone(), variables })
    }

    /// Its progress, oldest first, a page at a time: the notes of its functions and the chunks that its maps closed
    /// (C-V2). The next page begins after the cursor of the last entry.
    ///
    /// # Errors
    /// [`ExecutionError::NotFound`], [`ExecutionError::Backend`].
    pub async fn progress(&self, page: Page<ProgressCursor>) -> Result<Vec<ProgressEntry>, ExecutionError> {
        let backend = &self.stent().program.backend;
        let entries = patiently(BackendError::is_transient, || backend.list_progress(self.id(), page)).await?;
        if entries.is_empty() {
            self.demand().await?;
        }
        Ok(entries)
    }

    /// Tells an execution of which there is nothing to read from one that there is not.
    async fn demand(&self) -> Result<(), ExecutionError> {
        self.status().await.map(drop)
    }
}
