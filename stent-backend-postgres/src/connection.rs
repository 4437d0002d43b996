//! Connections: a pool of them, and the statements that run on one.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::Future as _;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use bytes::BytesMut;
use deadpool_postgres::{Client, GenericClient as _, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use futures_util::TryStreamExt as _;
use stent_core::error::{BackendError, ErrorKind};
use tokio::task::yield_now;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Config, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::control;
use crate::error::{During, is_aftermath};
use crate::migrate;
use crate::options::{Pooler, PostgresOptions, TEMPORARY};
use crate::pipeline::Queue;

const OPEN: &str = "open";
/// What a worker's heartbeat does.
pub(crate) const RENEW: &str = "renew";
/// Connections for renewals at most: a worker of this process has one in use now and then.
const RENEWING: usize = 4;
/// The first server that this is tested against.
const SERVER: i32 = 150_000;

/// Values of a statement.
pub(crate) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A database that was found to be ours, or fit to become it.
pub(crate) struct Database {
    pool: Pool,
    /// Renewals have connections of their own: whoever holds all others costs no lease. They live on the runtime that asked for them first, a heartbeat's, and
    /// so go on while code blocks the program's.
    renewals: Pool,
    config: Config,
    tls: MakeRustlsConnect,
    pub(crate) schema: String,
    pub(crate) pooler: Pooler,
    /// Behind a pooler, and in callers' transactions: the types of statements' values, since no statement stays prepared.
    types: Mutex<HashMap<&'static str, Arc<[Type]>>>,
}

impl Database {
    /// Connects, looks at the server and the schema, and brings the schema up to date if that is wanted.
    pub(crate) async fn open(options: &PostgresOptions) -> Result<Self, BackendError> {
        let config = options.config()?;
        let tls = options.tls()?;
        let pool = |connections: usize| {
            let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
            Pool::builder(Manager::from_config(config.clone(), tls.clone(), recycling))
                .max_size(connections)
                .runtime(Runtime::Tokio1)
                // A call that gets no connection is told of the outage, and tried again.
                .wait_timeout(Some(options.pool_timeout))
                .create_timeout(Some(options.connect_timeout * 2))
                .build()
                .map_err(|error| BackendError::new(ErrorKind::Internal, OPEN).with_source(error))
        };
        let (pool, renewals) = (pool(options.pool)?, pool(RENEWING)?);
        let (schema, pooler) = (options.schema.clone(), options.pooler);
        let database = Self { pool, renewals, config, tls, schema, pooler, types: Mutex::default() };
        database.check_server().await?;
        let found = database.look().await?;
        if found < migrate::LATEST {
            if !options.migrate {
                return Err(migrate::mismatch(OPEN, found));
            }
            database.migrate(OPEN).await?;
        }
        Ok(database)
    }

    /// What a connection outside of the pool is made with.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// What it speaks TLS with.
    pub(crate) fn tls(&self) -> &MakeRustlsConnect {
        &self.tls
    }

    /// A connection for this operation.
    pub(crate) async fn client(&self, operation: &'static str) -> Result<Client, BackendError> {
        let pool = if operation == RENEW { &self.renewals } else { &self.pool };
        pool.get().await.during(operation)
    }

    /// Closes the pools: what is asked for afterwards is answered `Closed`.
    pub(crate) fn close(&self) {
        self.pool.close();
        self.renewals.close();
    }

    /// The schema's version; 0 if there is none.
    pub(crate) async fn look(&self) -> Result<u32, BackendError> {
        let mut client = self.client(OPEN).await?;
        migrate::look(&mut client, &self.schema, OPEN).await
    }

    /// Brings the schema to the version that this program needs.
    pub(crate) async fn migrate(&self, operation: &'static str) -> Result<(), BackendError> {
        let mut client = self.client(operation).await?;
        migrate::migrate(&mut client, &self.schema, operation).await
    }

    async fn check_server(&self) -> Result<(), BackendError> {
        let client = self.client(OPEN).await?;
        let unsupported = |text: String| Err(BackendError::new(ErrorKind::Unsupported, OPEN).with_message(text));
        let version = show(&client, "SHOW server_version_num").await?.and_then(|version| version.parse::<i32>().ok());
        if version.is_none_or(|version| version < SERVER) {
            let version = version.unwrap_or(0);
            return unsupported(format!("the server is of version {version}, at least {SERVER} is needed"));
        }
        // A pooler may drop what a connection begins with, and every statement would look for its tables elsewhere.
        let path = show(&client, "SHOW search_path").await?.unwrap_or_default();
        if self.pooler == Pooler::None && path != format!("{},{TEMPORARY}", self.schema) {
            return unsupported("connections lose their options: behind a pooler use Pooler::Transaction".to_owned());
        }
        Ok(())
    }

    fn known_types(&self, sql: &'static str) -> Option<Arc<[Type]>> {
        self.types.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned()
    }

    fn learn_types(&self, sql: &'static str, types: &[Type]) -> Arc<[Type]> {
        let types: Arc<[Type]> = types.into();
        self.types.lock().unwrap_or_else(PoisonError::into_inner).insert(sql, Arc::clone(&types));
        types
    }
}

/// A setting of the server.
async fn show(client: &Client, setting: &str) -> Result<Option<String>, BackendError> {
    let shown = client.simple_query(setting).await.during(OPEN)?;
    Ok(shown.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

impl fmt::Debug for Database {
    /// Without what it was connected with, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("schema", &self.schema).field("pooler", &self.pooler).finish_non_exhaustive()
    }
}

/// Statements on one connection. Those that are polled together (`try_join!`) go out together, in the order in which they are polled first: one
/// round trip.
pub(crate) struct Session<'c> {
    via: Via<'c>,
    database: &'c Database,
    operation: &'static str,
    queue: Queue,
}

#[expect(clippy::large_enum_variant, reason = "there is one a call")]
enum Via<'c> {
    Client(Client),
    /// A transaction of the caller's, on a connection that is not ours: nothing stays prepared on it.
    Callers(&'c tokio_postgres::Transaction<'c>),
}

impl<'c> Session<'c> {
    /// Each statement is a transaction of its own.
    pub(crate) fn of_client(client: Client, database: &'c Database, operation: &'static str) -> Self {
        Self { via: Via::Client(client), database, operation, queue: Queue::default() }
    }

    pub(crate) fn of_callers(
        transaction: &'c tokio_postgres::Transaction<'c>,
        database: &'c Database,
        operation: &'static str,
    ) -> Self {
        Self { via: Via::Callers(transaction), database, operation, queue: Queue::default() }
    }

    /// The operation that errors name.
    pub(crate) fn operation(&self) -> &'static str {
        self.operation
    }

    /// Begins or ends a transaction.
    pub(crate) async fn frame(&self, sql: &'static str) -> Result<(), BackendError> {
        let place = self.queue.enter();
        let framed = match &self.via {
            Via::Client(client) => place.send(client.batch_execute(sql)).await,
            Via::Callers(transaction) => place.send(transaction.batch_execute(sql)).await,
        };
        self.answer(framed).await
    }

    /// Has the server do this before anything that is asked for later, and waits for no answer.
    pub(crate) fn abandon(&self, sql: &'static str) {
        if let Via::Client(client) = &self.via {
            let mut sent = pin!(client.batch_execute(sql));
            // A statement goes out when it is polled first.
            let _ = sent.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// The rows that a statement answers.
    pub(crate) async fn query(&self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, BackendError> {
        let sql = control::statement(sql);
        let place = self.queue.enter();
        let rows = match (&self.via, self.prepared(sql).await?) {
            (Via::Client(client), Prepared::Here(statement)) => {
                let rows = async { client.query_raw(&statement, unsaid(values)).await?.try_collect().await };
                place.send(rows).await
            }
            (Via::Client(client), Prepared::Nowhere(types)) => {
                place.send(client.query_typed(sql, &typed(values, &types))).await
            }
            (Via::Callers(transaction), Prepared::Here(statement)) => {
                let rows = async { transaction.query_raw(&statement, unsaid(values)).await?.try_collect().await };
                place.send(rows).await
            }
            (Via::Callers(transaction), Prepared::Nowhere(types)) => {
                place.send(transaction.query_typed(sql, &typed(values, &types))).await
            }
        };
        self.answer(rows).await
    }

    /// The row that a statement answers, if it answers one.
    pub(crate) async fn query_opt(&self, sql: &'static str, values: Values<'_>) -> Result<Option<Row>, BackendError> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// The one row that a statement answers.
    pub(crate) async fn query_one(&self, sql: &'static str, values: Values<'_>) -> Result<Row, BackendError> {
        let row = self.query_opt(sql, values).await?;
        row.ok_or_else(|| BackendError::new(ErrorKind::Internal, self.operation).with_message("a row is missing"))
    }

    /// How many rows a statement changed.
    pub(crate) async fn execute(&self, sql: &'static str, values: Values<'_>) -> Result<u64, BackendError> {
        let sql = control::statement(sql);
        let place = self.queue.enter();
        let changed = match (&self.via, self.prepared(sql).await?) {
            (Via::Client(client), Prepared::Here(statement)) => {
                place.send(client.execute_raw(&statement, unsaid(values))).await
            }
            (Via::Client(client), Prepared::Nowhere(types)) => {
                place.send(client.execute_typed(sql, &typed(values, &types))).await
            }
            (Via::Callers(transaction), Prepared::Here(statement)) => {
                place.send(transaction.execute_raw(&statement, unsaid(values))).await
            }
            (Via::Callers(transaction), Prepared::Nowhere(types)) => {
                place.send(transaction.execute_typed(sql, &typed(values, &types))).await
            }
        };
        self.answer(changed).await
    }

    async fn prepared(&self, sql: &'static str) -> Result<Prepared, BackendError> {
        let statement = match &self.via {
            _ if self.database.pooler == Pooler::Transaction => return self.types(sql).await.map(Prepared::Nowhere),
            Via::Callers(_) => return self.types(sql).await.map(Prepared::Nowhere),
            Via::Client(client) => client.prepare_cached(sql).await,
        };
        self.answer(statement).await.map(Prepared::Here)
    }

    /// Names the operation in an error. Of statements that went out together those after the one that failed fail, too: its error is the one to tell.
    async fn answer<T>(&self, answer: Result<T, tokio_postgres::Error>) -> Result<T, BackendError> {
        if answer.as_ref().is_err_and(is_aftermath) {
            // Whoever waits for all of them reads that one meanwhile.
            yield_now().await;
        }
        answer.during(self.operation)
    }

    /// The types of a statement's values: asked for once in this transaction, since another may be on another connection.
    async fn types(&self, sql: &'static str) -> Result<Arc<[Type]>, BackendError> {
        if let Some(types) = self.database.known_types(sql) {
            return Ok(types);
        }
        let statement = match &self.via {
            Via::Client(client) => client.prepare(sql).await,
            Via::Callers(transaction) => transaction.prepare(sql).await,
        };
        let statement = self.answer(statement).await?;
        Ok(self.database.learn_types(sql, statement.params()))
    }
}

/// A statement that can go out.
enum Prepared {
    /// On this connection.
    Here(Statement),
    /// Behind a pooler, or in a caller's transaction: with the types of its values.
    Nowhere(Arc<[Type]>),
}

/// A value of a statement. The driver writes the values of prepared statements into its log, where no payload belongs.
struct Unsaid<'a>(&'a (dyn ToSql + Sync));

fn unsaid<'a>(values: Values<'a>) -> impl ExactSizeIterator<Item = Unsaid<'a>> + Send + Sync {
    values.iter().map(|value| Unsaid(*value))
}

impl fmt::Debug for Unsaid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

impl ToSql for Unsaid<'_> {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql_checked(of, out)
    }

    fn accepts(_: &Type) -> bool {
        // Each value checks it by itself.
        true
    }

    fn to_sql_checked(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql_checked(of, out)
    }

    fn encode_format(&self, of: &Type) -> Format {
        self.0.encode_format(of)
    }
}

fn typed<'a>(values: Values<'a>, types: &[Type]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    values.iter().copied().zip(types.iter().cloned()).collect()
}
