//! What can be chosen when a database is opened.

use std::error::Error as _;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use stent_core::error::{BackendError, ErrorKind};
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::PostgresBackend;
use crate::tls;

/// Whether a pooler stands between this program and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooler {
    /// Connections are the server's own, or a pooler's in session mode. The default.
    #[default]
    None,
    /// A pooler gives out connections a transaction, such as PgBouncer with `pool_mode = transaction`: nothing is kept on a connection, and there are
    /// no hints by `LISTEN`.
    Transaction,
}

/// How a database is opened.
#[derive(Clone)]
pub struct PostgresOptions {
    pub(crate) url: String,
    pub(crate) schema: String,
    pub(crate) migrate: bool,
    pub(crate) pool: usize,
    pub(crate) pooler: Pooler,
    pub(crate) hints: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) pool_timeout: Duration,
}

impl PostgresOptions {
    /// The defaults for this database: `postgres://user:password@host:port/database?sslmode=…`, or `host=… user=…` as libpq has it. `sslmode` is `disable`,
    /// `prefer` (the default), `require`, and in URLs `verify-full`, with the authorities of this machine or of the file `sslrootcert`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            schema: "stent".into(),
            migrate: true,
            // Batches gather while a write is in flight, so that a few connections carry a busy worker.
            pool: 8,
            pooler: Pooler::None,
            hints: true,
            connect_timeout: Duration::from_secs(5),
            // Longer than any transaction of a healthy store takes; whoever waits is tried again.
            pool_timeout: Duration::from_secs(30),
        }
    }

    /// The schema that holds everything: lower-case letters, digits and `_`, at most 63. Default: `stent`.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Whether to make the schema, or bring an older one up to date; otherwise it is refused. Default: true.
    #[must_use]
    pub fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// How many connections there are at most, 1 to 256, besides one for hints and one for each worker's renewals. Default: 8.
    #[must_use]
    pub fn pool(mut self, connections: usize) -> Self {
        self.pool = connections.clamp(1, 256);
        self
    }

    /// Whether a pooler stands in between. Default: none.
    #[must_use]
    pub fn pooler(mut self, pooler: Pooler) -> Self {
        self.pooler = pooler;
        self
    }

    /// Whether to give and take hints by `LISTEN` and `NOTIFY`. Everything is correct without; polling finds what they would have told. Default: true.
    #[must_use]
    pub fn hints(mut self, hints: bool) -> Self {
        self.hints = hints;
        self
    }

    /// How long to try to connect. Default: 5 s, or what the URL says.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a call waits for one of the connections, if all are in use, before it is answered `Unavailable`. Default: 30 s.
    #[must_use]
    pub fn pool_timeout(mut self, timeout: Duration) -> Self {
        self.pool_timeout = timeout;
        self
    }

    /// Opens the database.
    ///
    /// # Errors
    /// [`BackendError`]: `Invalid` if the URL or the schema's name breaks a rule, `Unavailable` if the server cannot be reached, `NotStent` if the schema is
    /// another program's, `SchemaMismatch` if it is newer than this program, `Unsupported` if the server cannot hold what is promised. No error shows the password.
    pub async fn open(self) -> Result<PostgresBackend, BackendError> {
        PostgresBackend::open_with(self).await
    }

    /// What connections speak TLS with, where the URL's `sslmode` asks for it.
    pub(crate) fn tls(&self) -> Result<MakeRustlsConnect, BackendError> {
        tls::connector(&tls::trust(&self.url).1)
    }

    /// What to connect with.
    pub(crate) fn config(&self) -> Result<Config, BackendError> {
        let invalid = |text: &str| BackendError::new(ErrorKind::Invalid, "open").with_message(text);
        // The parser's own errors quote what they could not read, which may hold a password.
        let (url, _) = tls::trust(&self.url);
        if url.trim().is_empty() {
            return Err(invalid("the database's URL is empty: postgres://user@host/database"));
        }
        let mut config = Config::from_str(&url).map_err(|error| invalid(&broken(&url, &error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(invalid("the database's URL names no host: postgres://user@host/database"));
        }
        let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        let begins = self.schema.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '_');
        if !begins || self.schema.len() > 63 || !self.schema.chars().all(is_plain) || self.schema.starts_with("pg_") {
            return Err(invalid(
                "a schema's name has lower-case letters, digits and _, at most 63, and begins with no digit and not with pg_",
            ));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(self.connect_timeout);
        }
        if config.get_application_name().is_none() {
            config.application_name("stent");
        }
        // A server that is gone without a word is known in seconds, also by a connection that waits for its answer.
        config.keepalives(true).keepalives_idle(GONE).keepalives_interval(GONE / 3).keepalives_retries(3);
        config.tcp_user_timeout(GONE);
        if self.pooler == Pooler::None {
            let given = config.get_options().unwrap_or_default();
            // Plans are made once and kept, maybe while the tables are empty, and before the server has looked at them: they must be those for large
            // ones. Every statement has its index, and most take the first rows in the order of one, which a bitmap would lose. A small table that is
            // scanned all the same is then priced so high that its statement would be compiled.
            // And they are those that the tests look at: one that is made anew for each execution costs more than most statements do.
            let plans =
                "-c enable_seqscan=off -c enable_bitmapscan=off -c jit=off -c plan_cache_mode=force_generic_plan";
            let schema = &self.schema;
            let options = format!(
                "{SILENCE} {given} -c search_path={schema},{TEMPORARY} -c TimeZone=UTC -c standard_conforming_strings=on {LEVEL} {plans}"
            );
            config.options(options.trim());
        }
        Ok(config)
    }
}

/// What the driver knows of the parameters of a URL, besides `sslrootcert`, which is ours.
const PARAMETERS: [&str; 19] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslmode",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

/// Which part of a URL cannot be read, in words of ours alone: what is quoted of it may be of a password.
fn broken(url: &str, error: &tokio_postgres::Error) -> String {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| !["postgres", "postgresql"].contains(&scheme)) {
        return "the database's URL begins with neither postgres:// nor postgresql://".into();
    }
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    if said.starts_with("unknown option") {
        return format!(
            "the database's URL has an unknown parameter; known are {} and sslrootcert",
            PARAMETERS.join(", ")
        );
    }
    let value = PARAMETERS.iter().find(|name| said == format!("invalid value for option `{name}`"));
    value.map_or_else(
        || "the database's URL cannot be read".into(),
        |name| format!("the database's URL has a {name} that cannot be read"),
    )
}

/// Temporary tables, which are looked for first unless the search path names their schema: one called as one of ours would take its place.
pub(crate) const TEMPORARY: &str = "pg_temp";
/// The rules by which rows are locked hold at no other level. Transactions say so themselves; a statement that is one goes by this.
const LEVEL: &str = "-c default_transaction_isolation=read\\ committed";
/// Who is stopped in the middle of a transaction holds its locks no longer than that, unless the URL says otherwise.
const SILENCE: &str = "-c idle_in_transaction_session_timeout=10s";

/// How long a server may not answer before it is taken for gone.
const GONE: Duration = Duration::from_secs(15);

impl fmt::Debug for PostgresOptions {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("migrate", &self.migrate)
            .field("pool", &self.pool)
            .field("pooler", &self.pooler)
            .field("hints", &self.hints)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for url in [
            "postgres://me:s3cret@localhost/db",
            "host=localhost password=s3cret",
            "postgres://me:s3cret@localhost:noport/db",
        ] {
            let options = PostgresOptions::new(url);
            assert!(!format!("{options:?}").contains("s3cret"));
            match options.config() {
                Ok(config) => assert!(!format!("{config:?}").contains("s3cret")),
                Err(error) => assert!(!format!("{error:?} {error}").contains("s3cret")),
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_it() {
        for (url, says) in [
            ("", "is empty"),
            ("mysql://me:s3cret@localhost/db", "neither postgres:// nor postgresql://"),
            ("postgres://me:s3cret@localhost/db?sslpassword=s3cret", "unknown parameter; known are user, password"),
            ("host=localhost sslpassword=s3cret", "unknown parameter"),
            ("host=localhost s3cret=1", "unknown parameter"),
            ("postgres://me:s3cret@localhost:noport/db", "a port that cannot be read"),
            ("host=localhost sslmode=s3cret", "a sslmode that cannot be read"),
            ("host=localhost password='s3cret", "cannot be read"),
            ("postgres://localhost/db?connect_timeout=s3cret", "a connect_timeout that cannot be read"),
            ("postgres:///db?password=s3cret", "names no host"),
            ("s3cret", "cannot be read"),
        ] {
            let error = PostgresOptions::new(url).config().unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Invalid, "{url}");
            assert!(error.to_string().contains(says), "{url:?}: {error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{url}: {error:?}");
        }
    }

    /// A temporary table of another program on the same connection, as a pooler may give it, must not be taken for ours.
    #[test]
    fn temporary_tables_come_last() {
        let config = PostgresOptions::new("postgres://localhost/db").config().unwrap();
        assert!(config.get_options().unwrap().contains("-c search_path=stent,pg_temp "));
    }

    #[test]
    fn a_schemas_name_is_plain() {
        for name in ["", "Stent", "a b", "1a", "pg_stent", "a;drop", &"x".repeat(64)] {
            assert!(PostgresOptions::new("postgres://localhost/db").schema(name).config().is_err(), "{name}");
        }
        assert!(PostgresOptions::new("postgres://localhost/db").schema("stent_2").config().is_ok());
    }

    proptest::proptest! {
        /// Whatever stands around it, and wherever it stands: no panic, and not told.
        #[test]
        fn no_text_shows_a_password(before in "\\PC{0,12}", between in "[ @:/?&=%'a-z]{0,6}", after in "\\PC{0,12}", form in 0..5_usize) {
            let password = format!("{before}{between}c4n4ry{after}");
            let url = match form {
                0 => format!("postgres://me:{password}@localhost/db"),
                1 => format!("postgres://localhost/db?password={password}"),
                2 => format!("host=localhost password={password}"),
                3 => format!("host=localhost sslmode=require password='{password}'"),
                _ => password,
            };
            let options = PostgresOptions::new(url);
            let shown = format!("{options:?}");
            proptest::prop_assert!(!shown.contains("c4n4ry"), "{}", shown);
            if let Err(error) = options.config() {
                let shown = format!("{error} {error:?}");
                proptest::prop_assert!(!shown.contains("c4n4ry"), "{}", shown);
            }
            let _ = options.tls();
        }
    }
}
