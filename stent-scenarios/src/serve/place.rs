//! The directory of a program: its database, or where that is, what its functions did, and a file for each of them that may end.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stent_backend_postgres::PostgresOptions;
use stent_backend_sqlite::SqliteBackend;
use stent_core::{Backend, BackendError};

/// The file that says where the database is, if it is no file of this directory: URL and schema, a line each.
const POSTGRES: &str = "postgres";

/// The directory of such a program.
#[derive(Debug, Clone)]
pub struct Place(pub PathBuf);

impl Place {
    /// A directory whose programs work on a schema of a PostgreSQL server.
    #[must_use]
    pub fn on_postgres(directory: &Path, url: &str, schema: &str) -> Self {
        std::fs::write(directory.join(POSTGRES), format!("{url}\n{schema}\n")).unwrap();
        Self(directory.to_owned())
    }

    /// The SQLite file, where nothing else is said.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join("stent.db")
    }

    /// The database. Connections to a server are called by the process that has them: `serve-17`.
    ///
    /// # Errors
    /// That it cannot be opened.
    pub async fn backend(&self) -> Result<Arc<dyn Backend>, BackendError> {
        match std::fs::read_to_string(self.0.join(POSTGRES)) {
            Ok(postgres) => {
                let (url, schema) = postgres.trim_end().split_once('\n').unwrap();
                let and = if url.contains('?') { '&' } else { '?' };
                let url = format!("{url}{and}application_name=serve-{}", std::process::id());
                Ok(Arc::new(PostgresOptions::new(url).schema(schema).pool(4).open().await?))
            }
            Err(_) => Ok(Arc::new(SqliteBackend::open(self.database()).await?)),
        }
    }

    /// Lets work of this name end.
    pub fn open(&self, name: &str) {
        std::fs::write(self.0.join(name), []).unwrap();
    }

    /// Whether work of this name may end.
    #[must_use]
    pub fn is_open(&self, name: &str) -> bool {
        self.0.join(name).exists()
    }

    /// What functions did, in the order in which it happened, over all processes.
    #[must_use]
    pub fn effects(&self) -> Vec<String> {
        lines(&self.0.join("effects"))
    }

    /// What programs told of themselves.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        lines(&self.0.join("log"))
    }

    /// Writes an effect down.
    pub fn note(&self, effect: &str) {
        self.append("effects", effect);
    }

    pub(super) fn append(&self, file: &str, line: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.0.join(file)).unwrap();
        // One write: lines of several processes do not mix.
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}
