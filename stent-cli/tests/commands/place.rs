//! A database of a test's own, and the program run on it.

use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use stent_backend_postgres::PostgresOptions;
use stent_backend_sqlite::SqliteBackend;
use stent_core::Backend;
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// Where the database is.
pub(crate) enum Place {
    Sqlite(TempDir),
    Postgres { url: String, schema: String },
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().unwrap())
    }

    pub(crate) fn postgres(name: &str) -> Self {
        let url = std::env::var("STENT_TEST_POSTGRES_URL");
        let url = url.expect("a server is named by STENT_TEST_POSTGRES_URL: run the tests by `cargo xtask test`, or in `cargo xtask postgres -- …`");
        Self::Postgres { url, schema: format!("cli_{name}_{}", std::process::id()) }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// A path of the test's own.
    pub(crate) fn file(&self, name: &str) -> String {
        match self {
            Self::Sqlite(directory) => directory.path().join(name).display().to_string(),
            Self::Postgres { .. } => std::env::temp_dir().join(name).display().to_string(),
        }
    }

    pub(crate) async fn open(&self) -> Arc<dyn Backend> {
        match self {
            Self::Sqlite(_) => Arc::new(SqliteBackend::open(self.file("stent.db")).await.unwrap()),
            Self::Postgres { url, schema } => {
                Arc::new(PostgresOptions::new(url).schema(schema).pool(4).open().await.unwrap())
            }
        }
    }

    /// The program on it.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        match self {
            Self::Sqlite(_) => command.env("STENT_DB", format!("sqlite:{}", self.file("stent.db"))),
            Self::Postgres { url, schema } => command.env("STENT_DB", url).args(["--schema", schema]),
        };
        command
    }

    /// Runs the program on it, off a terminal.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.program(arguments).output().unwrap())
    }

    /// What it answers to a command that succeeds.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!((ran.exit, ran.told.as_str()), (0, ""), "{arguments:?}: {}", ran.text);
        ran.text
    }

    /// The same, as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.text(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// That a command is refused, by this code, and why.
    pub(crate) fn refused(&self, arguments: &[&str], code: &str, exit: i32) -> String {
        let ran = self.run(arguments);
        assert_eq!((ran.exit, ran.text.as_str()), (exit, ""), "{arguments:?}: {}", ran.told);
        assert!(ran.told.starts_with(&format!("error[STENT-{code}]: ")), "{arguments:?}: {}", ran.told);
        assert_eq!(ran.told.lines().count(), 1, "{}", ran.told);
        ran.told
    }

    /// Makes an SQLite file of another program.
    pub(crate) async fn make(&self, sql: &str) {
        std::fs::File::create(self.file("stent.db")).unwrap();
        self.execute(sql, "").await;
    }

    /// Makes the schema one of a program that is newer.
    pub(crate) async fn to_schema(&self, version: u32) {
        let sqlite = format!("PRAGMA user_version = {version}");
        self.execute(&sqlite, &format!("UPDATE schema_version SET version = {version}")).await;
    }

    /// Takes an index away.
    pub(crate) async fn without_index(&self, name: &str) {
        let drop = format!("DROP INDEX {name}");
        self.execute(&drop, &drop).await;
    }

    /// Does what no command of the program does.
    async fn execute(&self, sqlite: &str, postgres: &str) {
        match self {
            Self::Sqlite(_) => {
                let options = SqliteConnectOptions::new().filename(self.file("stent.db"));
                let mut connection = options.connect().await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(sqlite)).execute(&mut connection).await.unwrap();
            }
            Self::Postgres { url, schema } => {
                let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
                tokio::spawn(connection);
                client.batch_execute(&format!("SET search_path = {schema}; {postgres}")).await.unwrap();
            }
        }
    }

    pub(crate) async fn drop(self) {
        if let Self::Postgres { url, schema } = self {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await.unwrap();
        }
    }
}

/// The program, without a database.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stent"));
    command.args(arguments).env_remove("STENT_DB").stdin(Stdio::null());
    command
}

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) text: String,
    /// What was said on stderr.
    pub(crate) told: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = String::from_utf8(output.stdout).unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        if !text.starts_with(['{', '[']) && !text.starts_with("_stent") {
            text.lines().for_each(|line| assert!(line.chars().count() <= 80, "wider than 80: {line}"));
        }
        Self { exit: output.status.code().unwrap(), text, told }
    }
}
