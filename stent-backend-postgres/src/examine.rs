//! What an operator should know of a server and its schema.

use stent_core::backend::Examination;
use stent_core::error::BackendError;

use crate::PostgresBackend;
use crate::migrate::MIGRATIONS;
use crate::row::Columns;

const OPERATION: &str = "examine";

/// Settings that are to be on, and what they cost otherwise.
const ON: [(&str, &str); 4] = [
    ("fsync", "a loss of power may lose or break everything"),
    ("full_page_writes", "a loss of power may break pages"),
    ("synchronous_commit", "a loss of power may lose what was answered last"),
    ("autovacuum", "tables that change as often as these grow without end"),
];

impl PostgresBackend {
    /// What a loss of power would cost by the server's settings, whether it cleans up, and whether the schema's indexes are there and whole.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    pub async fn examine(&self) -> Result<Examination, BackendError> {
        let schema = self.database().schema.clone();
        self.read(OPERATION, move |session| {
            Box::pin(async move {
                let mut examination = Examination::default();
                for row in &session.query(include_str!("../sql/maintain/settings.sql"), &[]).await? {
                    let columns = Columns::new(OPERATION, "pg_settings", "name", row);
                    examination.settings.push((columns.get("name")?, columns.get("value")?));
                }
                for (name, otherwise) in ON {
                    let is_off = |(other, value): &(String, String)| other == name && value == "off";
                    if examination.settings.iter().any(is_off) {
                        examination.findings.push(format!("{name} is off: {otherwise}"));
                    }
                }
                let mut indexes = Vec::new();
                for row in &session.query(include_str!("../sql/maintain/indexes.sql"), &[&schema]).await? {
                    indexes.push(Columns::new(OPERATION, "pg_index", "name", row).get("name")?);
                }
                examination.find_missing_indexes(&MIGRATIONS, &indexes);
                Ok(examination)
            })
        })
        .await
    }
}
