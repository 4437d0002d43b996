//! Hints between processes: told and heard, also after a connection was lost.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
mod server;

use std::future::Future;
use std::time::Duration;

use stent_backend_postgres::{Pooler, PostgresBackend};
use stent_core::backend::{Dispatch, HasWakeUps, Hint, Signals, WakeUps};
use stent_core::commit::{Dispatched, Sent};
use stent_core::execution::NewExecution;
use stent_core::name::{FunctionName, SignalName};
use stent_core::signal::SignalSend;
use stent_core::task::NewTask;
use stent_core::{ExecutionId, Fingerprint, Payload, RetryPolicy, SignalId, Timestamp};
use tokio_postgres::Client;

use server::Schema;

/// Far longer than a hint takes: whoever waits so long has lost it.
const PATIENCE: Duration = Duration::from_secs(20);

fn execution() -> NewExecution {
    NewExecution {
        id: ExecutionId::new(Timestamp::EPOCH),
        task: NewTask {
            function: FunctionName::new("f").unwrap(),
            version: None,
            input: Payload::default(),
            fingerprint: Fingerprint::from_bytes([7; 32]),
            queue: None,
            tags: [].into(),
            priority: 0,
            due: Timestamp::EPOCH,
            retry: RetryPolicy::default().into(),
            max_concurrent: None,
            memo: None,
            trace: None,
            claim: None,
        },
        max_duration: None,
        dedup: None,
        born: None,
    }
}

async fn dispatch(backend: &PostgresBackend) -> ExecutionId {
    let execution = execution();
    let answer = backend.dispatch(Timestamp::EPOCH, std::slice::from_ref(&execution)).await.unwrap();
    assert_eq!(answer, [Dispatched::Created]);
    execution.id
}

async fn signal(backend: &PostgresBackend, execution: ExecutionId) {
    let (id, name) = (SignalId::from_uuid(uuid::Uuid::new_v4()), SignalName::new("a").unwrap());
    let send = SignalSend { id, execution, name, value: Payload::default() };
    assert_eq!(backend.send(Timestamp::EPOCH, &send).await.unwrap(), Sent::Stored { overwrote: false });
}

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| unreachable!("{what}"))
}

/// Waits for a hint, passing others by; answers with these.
async fn hear(hints: &mut Box<dyn WakeUps>, awaited: Hint) -> Vec<Hint> {
    in_time(&format!("nobody told {awaited:?}"), async {
        let mut others = Vec::new();
        loop {
            match hints.next().await {
                hint if hint == awaited => return others,
                hint => others.push(hint),
            }
        }
    })
    .await
}

/// A stream of hints that has begun.
async fn listener(backend: &PostgresBackend) -> Box<dyn WakeUps> {
    let mut hints = backend.wake_ups().unwrap();
    assert_eq!(hear(&mut hints, Hint::Anything).await, []);
    hints
}

/// How many connections for hints there are on the schema.
async fn listeners(client: &Client) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE current_schema() || ' hints%'";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn what_one_process_writes_another_hears_and_itself_once() {
    let schema = Schema::new();
    let (here, there) = (schema.options().open().await.unwrap(), schema.options().open().await.unwrap());
    let (mut own, mut others) = (listener(&here).await, listener(&there).await);
    let execution = dispatch(&here).await;
    assert_eq!(hear(&mut others, Hint::TasksReady).await, []);
    signal(&there, execution).await;
    assert_eq!(hear(&mut own, Hint::Signalled(execution)).await, [Hint::TasksReady]);
    assert_eq!(hear(&mut others, Hint::Signalled(execution)).await, []);
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_anything_may_have_happened() {
    let schema = Schema::new();
    let (here, there) = (schema.options().open().await.unwrap(), schema.options().open().await.unwrap());
    let client = schema.client().await;
    let mut hints = listener(&there).await;
    for _ in 0..3 {
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name LIKE current_schema() || ' hints%'";
        client.query(kill, &[]).await.unwrap();
        hear(&mut hints, Hint::Anything).await;
        dispatch(&here).await;
        hear(&mut hints, Hint::TasksReady).await;
    }
}

#[tokio::test]
async fn what_was_told_last_goes_out_before_a_backend_is_closed() {
    let schema = Schema::new();
    let there = schema.options().open().await.unwrap();
    let mut hints = listener(&there).await;
    let here = schema.options().open().await.unwrap();
    dispatch(&here).await;
    here.close().await;
    hear(&mut hints, Hint::TasksReady).await;
}

#[tokio::test]
async fn a_connection_for_hints_is_made_when_it_is_needed_and_ends_with_the_last_handle() {
    let schema = Schema::new();
    let backend = schema.options().open().await.unwrap();
    let client = schema.client().await;
    assert_eq!(listeners(&client).await, 0);
    let hints = listener(&backend).await;
    let other = backend.clone();
    drop((backend, hints));
    let mut again = other.wake_ups().unwrap();
    dispatch(&other).await;
    assert_eq!(hear(&mut again, Hint::TasksReady).await, []);
    assert_eq!(listeners(&client).await, 1);
    drop((other, again));
    in_time("the connection stays", async { while listeners(&client).await > 0 {} }).await;
}

#[tokio::test]
async fn a_runtime_that_ends_takes_no_hints_from_the_next() {
    let schema = Schema::new();
    let there = schema.options().open().await.unwrap();
    let client = schema.client().await;
    let mut hints = listener(&there).await;
    let here = schema.options().open().await.unwrap();
    let elsewhere = here.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { drop(listener(&elsewhere).await) });
    });
    tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    in_time("the connection stays", async { while listeners(&client).await > 1 {} }).await;
    dispatch(&here).await;
    hear(&mut hints, Hint::TasksReady).await;
}

#[tokio::test]
async fn there_are_no_hints_where_nobody_can_listen() {
    let schema = Schema::new();
    for options in [schema.options().hints(false), schema.options().pooler(Pooler::Transaction)] {
        let backend = options.open().await.unwrap();
        assert!(backend.wake_ups().is_none());
        dispatch(&backend).await;
    }
    let client = schema.client().await;
    assert_eq!(listeners(&client).await, 0);
}
