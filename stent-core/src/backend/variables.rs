//! Variables of an execution.

use async_trait::async_trait;

use crate::error::BackendError;
use crate::id::ExecutionId;
use crate::variable::Variables;

/// Variables of an execution. They are written by turns and ends alone.
#[async_trait]
pub trait ReadVariables: Send + Sync {
    /// All counters and values; none for an unknown execution.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn read(&self, execution: ExecutionId) -> Result<Variables, BackendError>;
}
