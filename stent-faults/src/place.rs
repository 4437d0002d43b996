//! Where a database is, how it is opened, and a look at it from the side.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection};
use stent_backend_postgres::{Pooler, PostgresOptions};
use stent_backend_sqlite::SqliteOptions;
use stent_core::{Backend, BackendError, TaskId};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::Result;

/// The way to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    /// Without hints.
    Quiet,
    /// Through a pooler that gives out connections a transaction.
    Pooled,
}

/// A database: `sqlite://FILE`, or the URL of a PostgreSQL server with the schema behind `#`, and the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres { url: String, schema: String, way: Way },
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(file) = text.strip_prefix("sqlite://") {
            return Ok(Self::Sqlite(file.into()));
        }
        let (url, schema) = text.split_once('#').ok_or("expected sqlite://FILE or postgres://…#SCHEMA")?;
        let (schema, way) = match schema.split_once('#') {
            None => (schema, Way::Direct),
            Some((schema, "quiet")) => (schema, Way::Quiet),
            Some((schema, "pooled")) => (schema, Way::Pooled),
            Some((_, other)) => return Err(format!("#{other}: expected #quiet or #pooled")),
        };
        Ok(Self::Postgres { url: url.into(), schema: schema.into(), way })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "sqlite://{}", file.display()),
            Self::Postgres { url, schema, way } => {
                let way = match way {
                    Way::Direct => "",
                    Way::Quiet => "#quiet",
                    Way::Pooled => "#pooled",
                };
                write!(f, "{url}#{schema}{way}")
            }
        }
    }
}

impl Place {
    /// Opens it with so many connections, if its kind has such a bound.
    pub(crate) async fn open(&self, pool: usize, migrate: bool) -> Result<Arc<dyn Backend>, BackendError> {
        Ok(match self {
            Self::Sqlite(file) => Arc::new(SqliteOptions::new(file).migrate(migrate).open().await?),
            Self::Postgres { url, schema, way } => {
                let pooler = if *way == Way::Pooled { Pooler::Transaction } else { Pooler::None };
                let options = options(url, schema, pool).pooler(pooler).hints(*way != Way::Quiet);
                Arc::new(options.migrate(migrate).open().await?)
            }
        })
    }

    /// Looks at it from the side.
    pub(crate) async fn look(&self) -> Result<Look> {
        Ok(match self {
            Self::Sqlite(file) => {
                let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(10));
                Look::Sqlite(options.connect().await?)
            }
            Self::Postgres { url, schema, .. } => Look::Postgres(connect(url, schema).await?),
        })
    }
}

fn options(url: &str, schema: &str, pool: usize) -> PostgresOptions {
    let and = if url.contains('?') { '&' } else { '?' };
    // By which faults find the connections of one process.
    let url = format!("{url}{and}application_name=faults-{}", std::process::id());
    PostgresOptions::new(url).schema(schema).pool(pool).pool_timeout(Duration::from_secs(5))
}

/// A connection of the supervisor's own within a schema.
pub(crate) async fn connect(url: &str, schema: &str) -> Result<Client> {
    let mut config = Config::from_str(url)?;
    config.options(format!("-c search_path={schema}")).application_name("supervisor");
    config.connect_timeout(Duration::from_secs(3));
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A connection beside those of Stent.
#[derive(Debug)]
pub(crate) enum Look {
    Sqlite(SqliteConnection),
    Postgres(Client),
}

impl Look {
    /// The rows that the database's statement answers with, as text.
    pub(crate) async fn rows(&mut self, on_sqlite: &str, on_postgres: &str) -> Result<Vec<Vec<Option<String>>>> {
        match self {
            Self::Sqlite(connection) => {
                let rows = sqlx::query(AssertSqlSafe(on_sqlite)).fetch_all(connection).await?;
                rows.iter().map(cells).collect()
            }
            Self::Postgres(client) => {
                let mut rows = Vec::new();
                for message in client.simple_query(on_postgres).await? {
                    if let SimpleQueryMessage::Row(row) = message {
                        rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
                    }
                }
                Ok(rows)
            }
        }
    }

    /// The number that a statement answers with.
    pub(crate) async fn number(&mut self, on_sqlite: &str, on_postgres: &str) -> Result<u64> {
        let rows = self.rows(on_sqlite, on_postgres).await?;
        let number = rows.into_iter().flatten().flatten().next();
        number.and_then(|number| number.parse().ok()).ok_or_else(|| "a statement gave no number".into())
    }

    /// Runs the database's statement, which names one task as `?1` or `$1`.
    pub(crate) async fn change(&mut self, on_sqlite: &'static str, on_postgres: &'static str, task: TaskId) -> Result {
        match self {
            Self::Sqlite(connection) => {
                sqlx::query(on_sqlite).bind(task.as_uuid().as_bytes().to_vec()).execute(connection).await?;
            }
            Self::Postgres(client) => {
                client.execute(on_postgres, &[&task.to_string()]).await?;
            }
        }
        Ok(())
    }

    /// Runs the database's statements.
    pub(crate) async fn run(&mut self, on_sqlite: &str, on_postgres: &str) -> Result {
        match self {
            Self::Sqlite(connection) => {
                sqlx::raw_sql(AssertSqlSafe(on_sqlite)).execute(connection).await?;
            }
            Self::Postgres(client) => client.batch_execute(on_postgres).await?,
        }
        Ok(())
    }
}

fn cells(row: &SqliteRow) -> Result<Vec<Option<String>>> {
    // Whatever its type: a number is read as its text.
    (0..row.len()).map(|at| Ok(row.try_get_unchecked(at)?)).collect()
}
