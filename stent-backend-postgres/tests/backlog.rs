//! What there is already costs claims, waits, listings and deadlines nothing: they find what they want by indexes, and read about as many rows as they
//! answer with.
//!
//! `STENT_BACKLOG_TASKS=1000000` has it run with so many finished tasks, and a tenth as many pending ones.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
#[path = "server/explain.rs"]
mod explain;
mod server;
#[path = "server/statistics.rs"]
mod statistics;

use std::sync::Arc;
use std::time::Duration;

use stent_backend_postgres::PostgresBackend;
use stent_core::backend::{Claims, Completion, Dispatch, ExecutionFilter, Inspect, Outcomes, Page, TaskFilter, Watch};
use stent_core::claim::{ClaimFunction, ClaimRequest};
use stent_core::commit::Commit;
use stent_core::execution::ExecutionState;
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::task::{End, TaskEnd};
use stent_core::{ClaimToken, ExecutionId, Payload, RetryPolicy, TaskId, Timestamp, WorkerId};
use tokio_postgres::Client;

use server::Schema;
use statistics::left_alone;

/// Finished tasks where nobody asks for another number: enough to see what a look at all of them would cost, soon filled.
const FINISHED: i32 = 100_000;
/// More rows than any of these operations may read, and far fewer than there are.
const FEW: i64 = 3_000;
/// After all pending tasks were due, and before all deadlines but some.
const NOW: Timestamp = Timestamp::from_micros(1_769_904_030_000_000);

struct Store {
    schema: Schema,
    client: Client,
}

impl Store {
    async fn filled() -> Self {
        let finished =
            std::env::var("STENT_BACKLOG_TASKS").map_or(FINISHED, |of| of.parse().expect("a number of tasks"));
        let schema = Schema::new();
        schema.options().open().await.unwrap().close().await;
        let client = schema.client().await;
        client.batch_execute(include_str!("server/backlog.sql")).await.unwrap();
        let fill = "SELECT fill($1, $1 / 10, $2)";
        client.query(fill, &[&finished, &RetryPolicy::default().encode()]).await.unwrap();
        Self { schema, client }
    }

    /// Rows that were read by scans of tables, and by indexes, since the schema was made.
    async fn rows_read(&self) -> (i64, i64) {
        let read = "SELECT (SELECT sum(seq_tup_read)::bigint FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = ANY ($2)),
                           (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE schemaname = $1)";
        let row = self.client.query_one(read, &[&self.schema.name, &&explain::GROWN[..]]).await.unwrap();
        (row.get(0), row.get(1))
    }

    /// Does something on connections of its own, and holds what it has read against what it may.
    async fn is_cheap<T>(&self, what: &str, deed: impl AsyncFnOnce(&PostgresBackend) -> T) -> T {
        let before = self.rows_read().await;
        let backend = self.schema.options().hints(false).open().await.unwrap();
        let answer = deed(&backend).await;
        backend.close().await;
        left_alone(&self.schema, &self.client).await;
        let after = self.rows_read().await;
        let (scanned, searched) = (after.0 - before.0, after.1 - before.1);
        println!("{what}: {searched} rows by indexes");
        assert_eq!(scanned, 0, "{what} scans a table");
        assert!((1..FEW).contains(&searched), "{what} reads {searched} rows");
        answer
    }

    async fn ids(&self, which: &str) -> Vec<TaskId> {
        let rows =
            self.client.query(&format!("SELECT md5({which})::uuid FROM generate_series(1, 100) AS n"), &[]).await;
        rows.unwrap().iter().map(|row| TaskId::from_uuid(row.get(0))).collect()
    }
}

fn request(function: &str, max_concurrent: Option<u32>) -> ClaimRequest {
    let named = |name: &str| ClaimFunction { name: name.try_into().unwrap(), version: None, max_concurrent };
    ClaimRequest {
        worker: WorkerId::random(),
        token: ClaimToken::random(),
        lease: Duration::from_secs(60),
        limit: 50,
        functions: Arc::new([named(function), named("unknown")]),
        queues: Arc::new([]),
        tags: Arc::new([]),
        take_expired: true,
        is_poll: false,
    }
}

/// C-Q1, C-T3, whether the server has looked at the tables or not.
#[tokio::test]
async fn what_there_is_already_costs_nothing() {
    let store = Store::filled().await;
    every_operation_is_cheap(&store).await;
    store.client.batch_execute("ANALYZE tasks, journal, signals").await.unwrap();
    every_operation_is_cheap(&store).await;
    explain::no_scan(&store.client, &["tasks"]).await;
}

async fn every_operation_is_cheap(store: &Store) {
    let claim = async |function: &str, places| {
        let claimed = store.is_cheap("a claim", async |store| store.claim(NOW, &request(function, places)).await).await;
        claimed.unwrap().tasks
    };
    let claimed = claim("f1", None).await;
    assert_eq!(claimed.len(), 50);
    assert_eq!(claim("f2", Some(1_000)).await.len(), 50);
    let items = claim("item", None).await;
    assert_eq!(items.len(), 50);
    let end = || End::Completed { output: Payload::default(), variables: Vec::new(), notes: Vec::new() };
    let ends: Vec<_> = claimed.iter().chain(&items).map(|task| TaskEnd { claim: task.claim, end: end() }).collect();
    let commits = store.is_cheap("ends", async |store| store.complete(NOW, &ends).await.unwrap()).await;
    assert_eq!(commits, [Commit::Applied; 100]);
    outcomes_are_cheap(store).await;
    let all = ExecutionFilter::default();
    let completed = ExecutionFilter { states: vec![ExecutionState::Completed], ..all.clone() };
    for filter in [all, completed] {
        let page = async |store: &PostgresBackend| store.list_executions(&filter, Page::first(100)).await.unwrap();
        assert_eq!(store.is_cheap("a page of executions", page).await.len(), 100);
    }
    let page =
        async |store: &PostgresBackend| store.list_tasks(&TaskFilter::default(), Page::first(100)).await.unwrap();
    assert_eq!(store.is_cheap("a page of tasks", page).await.len(), 100);
    assert_eq!(store.is_cheap("deadlines", async |store| store.expire(NOW, 5).await.unwrap()).await.len(), 5);
}

async fn outcomes_are_cheap(store: &Store) {
    let (children, roots, maps) =
        (store.ids("'r' || n || 'c1'").await, store.ids("'r' || n").await, store.ids("'m' || n % 5").await);
    let ended = store.is_cheap("outcomes", async |store| store.tasks(&children).await.unwrap()).await;
    assert!(ended.len() == 100 && ended.iter().all(Option::is_some));
    let executions: Vec<ExecutionId> = roots.into_iter().map(TaskId::as_execution).collect();
    store.is_cheap("outcomes of executions", async |store| store.executions(&executions).await.unwrap()).await;
    let map =
        OperationId { turn: 1, kind: OperationKind::Map, name: "item".into(), key: OperationKey::none(), number: 0 };
    let items = async |store: &PostgresBackend| store.map_items(maps[0], 0, &map, 0..100).await.unwrap();
    assert_eq!(store.is_cheap("outcomes of a map", items).await.len(), 100);
    let range = |parent: &TaskId| Watch::Map {
        parent: *parent,
        generation: 0,
        operation: map.clone(),
        items: 100..1_000,
        settled: false,
    };
    let signal = |execution: &ExecutionId| Watch::Signal(*execution, "a".try_into().unwrap());
    let watches: Vec<_> = children
        .iter()
        .copied()
        .map(Watch::Task)
        .chain(maps.iter().map(range))
        .chain(executions.iter().map(signal))
        .chain(executions.iter().copied().map(Watch::Execution))
        .collect();
    let news = store.is_cheap("news", async |store| store.news(&watches).await.unwrap()).await;
    assert_eq!(news.iter().filter(|is_over| **is_over).count(), 200);
}
