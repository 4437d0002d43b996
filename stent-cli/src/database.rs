//! Where the database is, and how it is opened.

use std::path::PathBuf;
use std::sync::Arc;

use stent_backend_postgres::{PostgresBackend, PostgresOptions};
use stent_backend_sqlite::{SqliteBackend, SqliteOptions};
use stent_core::backend::Examination;
use stent_core::error::ErrorKind;
use stent_core::{Backend, BackendError, Timestamp};
use stent_executor::Stent;

use crate::arguments::Arguments;
use crate::failure::Failure;

/// A database, as its address names it.
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres { url: String, schema: Option<String> },
}

impl Place {
    /// The scheme decides; nothing is guessed.
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, Failure> {
        const FORMS: &str = "give --db or STENT_DB as sqlite:FILE or postgres://USER@HOST/DATABASE";
        let Some(address) = &arguments.db else { return Err(Failure::usage(format!("no database is named; {FORMS}"))) };
        let schema = arguments.schema.clone();
        if let Some(file) = address.strip_prefix("sqlite:") {
            let file = file.strip_prefix("//").unwrap_or(file);
            return match (file, schema) {
                ("", _) => Err(Failure::usage(format!("the database's address names no file; {FORMS}"))),
                (_, Some(_)) => Err(Failure::usage("an SQLite file has no schemas; leave --schema out")),
                (file, None) => Ok(Self::Sqlite(file.into())),
            };
        }
        if ["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme)) {
            return Ok(Self::Postgres { url: address.clone(), schema });
        }
        // Not repeated: it may be anything, a password too.
        Err(Failure::usage(format!("the database's address has no scheme that is known; {FORMS}")))
    }

    /// Which kind of database it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres { .. } => "PostgreSQL",
        }
    }

    /// Opens what is there; a schema that is older, newer or missing is refused. Who tells of changes, tells workers elsewhere at once, which would see
    /// them at their next poll only.
    pub(crate) async fn open(&self, tells: bool) -> Result<Open, Failure> {
        Ok(match self {
            Self::Sqlite(_) => Open::Sqlite(Arc::new(self.open_file().await?)),
            Self::Postgres { url, schema } => {
                let options = server(url, schema.as_deref()).hints(tells).migrate(false);
                Open::Postgres(Arc::new(options.open().await?))
            }
        })
    }

    /// Opens a file that is there; of a database that is no file, says so.
    pub(crate) async fn open_file(&self) -> Result<SqliteBackend, Failure> {
        let Self::Sqlite(file) = self else {
            return Err(Failure::usage("only an SQLite file is backed up so; use `pg_dump` for PostgreSQL"));
        };
        self.demand()?;
        Ok(SqliteOptions::new(file).create(false).migrate(false).open().await?)
    }

    /// Brings the schema up to date, and makes what is missing if it is asked to. True if there was something to do.
    pub(crate) async fn migrate(&self, create: bool) -> Result<bool, Failure> {
        let is_missing = matches!(self, Self::Sqlite(file) if !file.exists());
        if is_missing && !create {
            self.demand()?;
        }
        let found = if is_missing { None } else { Some(self.open_with(false).await) };
        match found {
            Some(Ok(_)) => return Ok(false),
            Some(Err(error)) => match error.kind() {
                ErrorKind::SchemaMismatch { found: 0, .. } if !create => return Err(error.into()),
                ErrorKind::SchemaMismatch { found, supported } if found < supported => {}
                _ => return Err(error.into()),
            },
            None => {}
        }
        self.open_with(true).await?;
        Ok(true)
    }

    /// Refuses a file that is not there.
    fn demand(&self) -> Result<(), Failure> {
        match self {
            Self::Sqlite(file) if !file.exists() => {
                let file = file.display();
                Err(Failure::unavailable(format!("there is no file {file}; `stent migrate --create` makes one")))
            }
            _ => Ok(()),
        }
    }

    async fn open_with(&self, migrate: bool) -> Result<Arc<dyn Backend>, BackendError> {
        Ok(match self {
            Self::Sqlite(file) => Arc::new(SqliteOptions::new(file).create(migrate).migrate(migrate).open().await?),
            Self::Postgres { url, schema } => {
                Arc::new(server(url, schema.as_deref()).hints(false).migrate(migrate).open().await?)
            }
        })
    }
}

fn server(url: &str, schema: Option<&str>) -> PostgresOptions {
    let options = PostgresOptions::new(url).pool(4);
    match schema {
        Some(schema) => options.schema(schema),
        None => options,
    }
}

/// An open backend, as what it is.
pub(crate) enum Open {
    Sqlite(Arc<SqliteBackend>),
    Postgres(Arc<PostgresBackend>),
}

impl Open {
    pub(crate) fn backend(&self) -> Arc<dyn Backend> {
        match self {
            Self::Sqlite(backend) => Arc::clone(backend) as _,
            Self::Postgres(backend) => Arc::clone(backend) as _,
        }
    }
}

/// An open database with a client.
pub(crate) struct Database {
    pub(crate) stent: Stent,
    open: Open,
}

impl Database {
    pub(crate) async fn open(arguments: &Arguments) -> Result<Self, Failure> {
        let open = Place::of(arguments)?.open(arguments.command.changes()).await?;
        Ok(Self { stent: Stent::with_backend(open.backend()).build().await?, open })
    }

    /// What the database says of itself.
    pub(crate) async fn examine(&self) -> Result<Examination, BackendError> {
        match &self.open {
            Open::Sqlite(backend) => backend.examine().await,
            Open::Postgres(backend) => backend.examine().await,
        }
    }

    /// Lets what was told last go out.
    pub(crate) async fn close(self) {
        match self.open {
            Open::Sqlite(backend) => backend.close().await,
            Open::Postgres(backend) => backend.close().await,
        }
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &**self.stent.backend()
    }

    /// The time, by the clock that all who share the database follow.
    pub(crate) fn now(&self) -> Timestamp {
        self.stent.clock().now()
    }
}
