//! Sends that meet others at a slot, or nobody.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
mod server;
#[path = "server/work.rs"]
#[expect(dead_code, reason = "nobody works here")]
mod work;

use stent_backend_postgres::PostgresBackend;
use stent_core::backend::{Dispatch, Signals};
use stent_core::commit::{Cancelled, Dispatched, Sent};
use stent_core::execution::{ExecutionState, NewExecution};
use stent_core::signal::SignalSend;
use stent_core::{ExecutionId, Payload, SignalId};
use tokio_postgres::Client;

use server::Schema;
use work::{now, task};

async fn dispatch(backend: &PostgresBackend) -> ExecutionId {
    let new = NewExecution { id: ExecutionId::new(now()), task: task(), max_duration: None, dedup: None, born: None };
    assert_eq!(backend.dispatch(now(), std::slice::from_ref(&new)).await.unwrap(), [Dispatched::Created]);
    new.id
}

fn send(execution: ExecutionId, name: &str) -> SignalSend {
    SignalSend { id: SignalId::random(), execution, name: name.try_into().unwrap(), value: Payload::default() }
}

async fn slots(client: &Client) -> i64 {
    client.query_one("SELECT count(*) FROM signals", &[]).await.unwrap().get(0)
}

/// Waits until somebody waits for a lock in the schema.
async fn met(client: &Client) {
    let waits =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = current_schema() AND wait_event_type = 'Lock'";
    while client.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
}

/// C-S3
#[tokio::test]
async fn a_send_that_stores_nothing_leaves_no_slot_behind() {
    let schema = Schema::new();
    let backend = schema.options().open().await.unwrap();
    let client = schema.client().await;
    assert_eq!(backend.send(now(), &send(ExecutionId::new(now()), "a")).await.unwrap(), Sent::Unknown);
    assert_eq!(slots(&client).await, 0);
    let finished = dispatch(&backend).await;
    assert_eq!(backend.cancel(now(), finished).await.unwrap(), Cancelled::Done);
    let answer = backend.send(now(), &send(finished, "a")).await.unwrap();
    assert_eq!(answer, Sent::AlreadyFinal(ExecutionState::Cancelled));
    assert_eq!(slots(&client).await, 0);
}

/// C-S3: the execution is deleted by retention between the slot's making and the look at it.
#[tokio::test]
async fn a_send_to_what_is_deleted_meanwhile_leaves_no_slot_behind() {
    let schema = Schema::new();
    let backend = schema.options().open().await.unwrap();
    let (other, watcher) = (schema.client().await, schema.client().await);
    let execution = dispatch(&backend).await;
    other.batch_execute("BEGIN").await.unwrap();
    let slot = "INSERT INTO signals (execution, name) VALUES ($1, 'a')";
    other.execute(slot, &[execution.as_uuid()]).await.unwrap();
    let late = send(execution, "a");
    let (answer, ()) = tokio::join!(backend.send(now(), &late), async {
        met(&watcher).await;
        watcher.execute("UPDATE tasks SET deleting = TRUE WHERE id = $1", &[execution.as_uuid()]).await.unwrap();
        other.batch_execute("ROLLBACK").await.unwrap();
    });
    assert_eq!(answer.unwrap(), Sent::Unknown);
    assert_eq!(slots(&watcher).await, 0);
}

/// C-S3: the one that comes second waits for the first, and is its repeat.
#[tokio::test]
async fn one_id_on_its_way_to_two_slots_is_one_send() {
    let schema = Schema::new();
    let backend = schema.options().open().await.unwrap();
    let (other, watcher) = (schema.client().await, schema.client().await);
    let (one, two) = (dispatch(&backend).await, dispatch(&backend).await);
    for (execution, name) in [(one, "b"), (two, "a")] {
        let first = send(one, "a");
        other.batch_execute("BEGIN").await.unwrap();
        let record = "INSERT INTO signal_sends (id, execution, overwrote) VALUES ($1, $2, TRUE)";
        other.execute(record, &[first.id.as_uuid(), one.as_uuid()]).await.unwrap();
        let again = SignalSend { id: first.id, ..send(execution, name) };
        let (answer, ()) = tokio::join!(backend.send(now(), &again), async {
            met(&watcher).await;
            other.batch_execute("COMMIT").await.unwrap();
        });
        assert_eq!(answer.unwrap(), Sent::Stored { overwrote: true });
        let stored = "SELECT count(*) FROM signals WHERE value IS NOT NULL";
        assert_eq!(watcher.query_one(stored, &[]).await.unwrap().get::<_, i64>(0), 0, "it does nothing");
    }
}
