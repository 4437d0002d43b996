//! What there is already costs claims, waits, listings and deadlines nothing: SQLite's virtual machine takes no more steps than what they answer with is worth.
//!
//! `STENT_BACKLOG_TASKS=1000000` has it run with so many finished tasks, and a tenth as many pending ones.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Connection};
use stent_backend_sqlite::SqliteBackend;
use tempfile::TempDir;

/// Finished tasks where nobody asks for another number: enough to see what a look at all of them would cost, soon filled.
const FINISHED: i64 = 100_000;
/// More steps than any of these statements may take, and fewer than there are pending tasks, of which each would cost several.
const FEW: u64 = 8_000;
/// How exactly steps are counted.
const GRAIN: i32 = 50;

struct Store {
    connection: SqliteConnection,
    steps: Arc<AtomicU64>,
    _directory: TempDir,
}

impl Store {
    async fn filled() -> Self {
        let finished =
            std::env::var("STENT_BACKLOG_TASKS").map_or(FINISHED, |of| of.parse().expect("a number of tasks"));
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("stent.db");
        SqliteBackend::open(&path).await.unwrap().close().await;
        let options = SqliteConnectOptions::new().filename(&path).pragma("synchronous", "OFF");
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        for (fill, count) in [
            (include_str!("backlog/finished.sql"), finished),
            (include_str!("backlog/pending.sql"), finished / 10),
            (include_str!("backlog/items.sql"), finished / 10),
        ] {
            sqlx::query(fill).bind(count).execute(&mut connection).await.unwrap();
        }
        let steps = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&steps);
        connection.lock_handle().await.unwrap().set_progress_handler(GRAIN, move || {
            counted.fetch_add(u64::from(GRAIN.unsigned_abs()), Ordering::Relaxed);
            true
        });
        Self { connection, steps, _directory: directory }
    }

    /// Runs a statement of the backend's; answers with how many rows it gave.
    async fn is_cheap(&mut self, name: &str, values: SqliteArguments) -> usize {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql").join(name).with_extension("sql");
        let text = AssertSqlSafe(fs::read_to_string(path).unwrap());
        self.steps.store(0, Ordering::Relaxed);
        let rows = sqlx::query_with(text, values).fetch_all(&mut self.connection).await.unwrap().len();
        let steps = self.steps.load(Ordering::Relaxed);
        println!("{name}: {rows} rows in {steps} steps");
        assert!(steps < FEW, "{name} takes {steps} steps");
        rows
    }
}

macro_rules! values {
    ($($value:expr),* $(,)?) => {{
        let mut values = SqliteArguments::default();
        $(values.add($value).unwrap();)*
        values
    }};
}

const NONE: Option<String> = None;

fn json(of: impl Iterator<Item = String>) -> String {
    format!("[{}]", of.collect::<Vec<_>>().join(","))
}

fn root_of_map(number: i64) -> String {
    format!("a{number:015x}{:016x}", 0)
}

/// C-Q1, C-T3, whether SQLite has looked at the tables or not.
#[tokio::test]
async fn what_there_is_already_costs_nothing() {
    let mut store = Store::filled().await;
    claims_are_cheap(&mut store).await;
    outcomes_are_cheap(&mut store).await;
    listings_are_cheap(&mut store).await;
    sqlx::query("ANALYZE").execute(&mut store.connection).await.unwrap();
    claims_are_cheap(&mut store).await;
    outcomes_are_cheap(&mut store).await;
    listings_are_cheap(&mut store).await;
}

async fn claims_are_cheap(store: &mut Store) {
    let now = 2_000_000_000_i64;
    let functions = r#"[["f1",""],["item",""],["unknown",""]]"#;
    store.is_cheap("claim/look", values![vec![0_u8; 16], vec![0_u8; 16], functions, NONE, NONE, 50_i64, now]).await;
    let limited = store.is_cheap("claim/free_of_limited", values!["f1", NONE, NONE, 50_i64, now, ""]).await;
    assert_eq!(limited, 50);
    store.is_cheap("claim/held", values!["f1"]).await;
    store.is_cheap("claim/promote", values![now, 1_000_i64]).await;
    assert_eq!(store.is_cheap("dispatch/passed", values![now, 100_i64]).await, 100);
}

async fn outcomes_are_cheap(store: &mut Store) {
    let ids = || json((0..100).map(|n: i64| format!("\"{:016x}{:016x}\"", n * 7919 % 1_000_003, n * 4)));
    for name in ["wait/tasks", "wait/ended_tasks", "wait/executions", "wait/ended_executions"] {
        assert_eq!(store.is_cheap(name, values![ids()]).await, 100);
    }
    let range = |number: i64| {
        let parent = root_of_map(number);
        format!(
            r#"{{"parent":"{parent}","generation":0,"op_turn":1,"op_name":"item","op_number":0,"first":0,"past":1000,"settled":false}}"#
        )
    };
    assert_eq!(store.is_cheap("wait/closed_ranges", values![json((0..5).map(range))]).await, 0);
    let slots = json((0..5).map(|number| format!(r#"{{"execution":"{}","name":"a"}}"#, root_of_map(number))));
    assert_eq!(store.is_cheap("wait/filled_slots", values![slots]).await, 0);
    let mut root = vec![0_u8; 16];
    root[0] = 0xa0;
    let items = values![root, 0_i64, 1_i64, 0_i64, 0_i64, 100_i64, "item"];
    assert_eq!(store.is_cheap("wait/map_items", items).await, 100);
}

async fn listings_are_cheap(store: &mut Store) {
    let last = || vec![0xff_u8; 17];
    for states in [None, Some(r#"["completed","pending"]"#)] {
        let page = values![last(), states, NONE, NONE, NONE, None::<i64>, 100_i64];
        assert_eq!(store.is_cheap("inspect/executions", page).await, 100);
    }
    let page = values![Vec::<u8>::new(), NONE, NONE, NONE, 100_i64];
    assert_eq!(store.is_cheap("inspect/tasks", page).await, 100);
    let mut root = vec![0_u8; 16];
    root[0] = 0xa0;
    let page = values![Vec::<u8>::new(), NONE, NONE, NONE, None::<Vec<u8>>, root, 100_i64];
    assert_eq!(store.is_cheap("inspect/tasks_of_execution", page).await, 100);
}
