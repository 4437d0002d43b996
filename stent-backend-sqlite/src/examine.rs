//! What an operator should know of a file.

use stent_core::backend::Examination;
use stent_core::error::BackendError;

use crate::SqliteBackend;
use crate::error::During;
use crate::migrate::MIGRATIONS;

const OPERATION: &str = "examine";

impl SqliteBackend {
    /// How the file is written, how much of it is free, and whether its indexes are there.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    pub async fn examine(&self) -> Result<Examination, BackendError> {
        self.read(OPERATION, |connection| {
            Box::pin(async move {
                let settings = sqlx::query_as(include_str!("../sql/maintain/settings.sql"));
                let settings = settings.fetch_all(&mut *connection).await.during(OPERATION)?;
                let indexes = sqlx::query_scalar(include_str!("../sql/maintain/indexes.sql"));
                let indexes: Vec<String> = indexes.fetch_all(connection).await.during(OPERATION)?;
                let mut examination = Examination { settings, findings: Vec::new() };
                examination.find_missing_indexes(&MIGRATIONS, &indexes);
                Ok(examination)
            })
        })
        .await
    }
}
