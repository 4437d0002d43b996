//! Connections: what they begin with, whoever the user is and whatever stands in between, and what becomes of one that falls silent.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
mod server;
#[path = "server/way.rs"]
mod way;
#[path = "server/work.rs"]
mod work;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use stent_backend_postgres::{Pooler, PostgresBackend, PostgresOptions};
use stent_core::backend::{Claims, Completion, Dispatch, HasWakeUps, Hint, Signals};
use stent_core::claim::{ClaimFunction, ClaimRequest};
use stent_core::commit::{Cancelled, Commit, Dispatched, Sent};
use stent_core::error::ErrorKind;
use stent_core::execution::NewExecution;
use stent_core::signal::SignalSend;
use stent_core::task::{End, TaskEnd};
use stent_core::{ExecutionId, Payload, SignalId};
use tokio_postgres::Client;

use server::Schema;
use way::{Between, Does, Way};
use work::{now, request, task};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn open(schema: &Schema, url: String) -> PostgresOptions {
    PostgresOptions::new(url).schema(&schema.name).pool(4)
}

async fn dispatch(backend: &PostgresBackend, function: &str) -> ExecutionId {
    let mut task = task();
    task.function = function.try_into().unwrap();
    let new = NewExecution { id: ExecutionId::new(now()), task, max_duration: None, dedup: None, born: None };
    assert_eq!(backend.dispatch(now(), std::slice::from_ref(&new)).await.unwrap(), [Dispatched::Created]);
    new.id
}

/// Writes of all sorts.
async fn use_it(backend: &PostgresBackend) {
    let (one, other) = (dispatch(backend, "f").await, dispatch(backend, "f").await);
    let send =
        SignalSend { id: SignalId::random(), execution: one, name: "a".try_into().unwrap(), value: Payload::default() };
    assert_eq!(backend.send(now(), &send).await.unwrap(), Sent::Stored { overwrote: false });
    assert_eq!(backend.cancel(now(), other).await.unwrap(), Cancelled::Done);
    let claim = backend.claim(now(), &request(1)).await.unwrap().tasks[0].claim;
    let end = End::Completed { output: Payload::default(), variables: Vec::new(), notes: Vec::new() };
    assert_eq!(backend.complete(now(), &[TaskEnd { claim, end }]).await.unwrap(), [Commit::Applied]);
}

/// Notes a setting down with each write.
async fn watch(client: &Client, setting: &str) {
    let watch = format!(
        "CREATE TABLE seen (value text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN INSERT INTO seen VALUES (current_setting(''{setting}'')); RETURN NULL; END';
        CREATE TRIGGER note AFTER INSERT OR UPDATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION note();
        CREATE TRIGGER note AFTER INSERT OR UPDATE ON signals FOR EACH STATEMENT EXECUTE FUNCTION note();"
    );
    client.batch_execute(&watch).await.unwrap();
}

async fn seen(client: &Client) -> Vec<String> {
    let rows = client.query("SELECT DISTINCT value FROM seen", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The lock rules hold at READ COMMITTED alone; a role, a database or a URL may have another level by default.
#[tokio::test]
async fn whatever_the_default_level_is_writes_are_read_committed() {
    for level in ["repeatable\\\\ read", "serializable"] {
        for pooler in [Pooler::None, Pooler::Transaction] {
            let schema = Schema::new();
            let url = format!("{} options='-c default_transaction_isolation={level}'", Way::of(&schema).url());
            let backend = open(&schema, url).pooler(pooler).open().await.unwrap();
            let client = schema.client().await;
            watch(&client, "transaction_isolation").await;
            use_it(&backend).await;
            assert_eq!(seen(&client).await, ["read committed"], "{level} {pooler:?}");
        }
    }
}

/// Who falls silent in the middle of a transaction holds its locks no longer than 10 s: on connections of one's own, that for hints among them, and in each
/// transaction behind a pooler.
#[tokio::test]
async fn every_connection_bounds_how_long_it_is_silent_in_a_transaction() {
    const SETTING: &str = "idle_in_transaction_session_timeout";
    for pooler in [Pooler::None, Pooler::Transaction] {
        let schema = Schema::new();
        let between = Between::stand(&schema, Does::PassOn).await;
        let backend = open(&schema, between.way.url()).pooler(pooler).open().await.unwrap();
        let hints = backend.wake_ups();
        let client = schema.client().await;
        watch(&client, SETTING).await;
        use_it(&backend).await;
        assert_eq!(seen(&client).await, ["10s"], "{pooler:?}");
        if let Some(mut hints) = hints {
            tokio::time::timeout(PATIENCE, async { while hints.next().await != Hint::Anything {} }).await.unwrap();
            let begun = between.begun();
            assert!(begun.len() > 1, "one of them listens");
            assert!(begun.iter().all(|options| options.contains(&format!("{SETTING}=10s"))), "{begun:?}");
        }
    }
}

/// A claim that stops in the middle, with the rows of its functions' limits in its hands.
#[tokio::test]
async fn others_go_on_when_one_falls_silent_in_a_transaction() {
    let schema = Schema::new();
    let url = format!("{} options='-c idle_in_transaction_session_timeout=200ms'", Way::of(&schema).url());
    let named = format!("{url} application_name={}", schema.name);
    let (silent, going) = (open(&schema, named).open().await.unwrap(), open(&schema, url).open().await.unwrap());
    for function in ["f", "g"] {
        dispatch(&silent, function).await;
    }
    let (other, watcher) = (schema.client().await, schema.client().await);
    other.batch_execute("BEGIN; INSERT INTO limits (function, max_concurrent) VALUES ('g', 1)").await.unwrap();
    let limited = |name: &str| ClaimFunction { name: name.try_into().unwrap(), version: None, max_concurrent: Some(1) };
    let request = || ClaimRequest { functions: Arc::new([limited("f"), limited("g")]), ..request(2) };
    let one = request();
    let mut stopped = pin!(silent.claim(now(), &one));
    let waits = async {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'";
        while watcher.query_one(waits, &[&schema.name]).await.unwrap().get::<_, i64>(0) == 0 {}
    };
    tokio::select! {
        claimed = &mut stopped => unreachable!("{claimed:?}"),
        () = waits => {}
    }
    // From here on nobody goes on with it.
    other.batch_execute("ROLLBACK").await.unwrap();
    let other = request();
    let claimed = tokio::time::timeout(PATIENCE, going.claim(now(), &other)).await.expect("it goes on").unwrap();
    assert_eq!(claimed.tasks.len(), 2);
    let error = stopped.await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

/// C-Y4: who gets no connection is told of an outage, which uses up no attempt.
#[tokio::test]
async fn a_call_that_gets_no_connection_is_told_so_in_time() {
    let schema = Schema::new();
    let options = schema.options().pool(2).pool_timeout(Duration::from_millis(50));
    let backend = options.open().await.unwrap();
    let execution = dispatch(&backend, "f").await;
    let other = schema.client().await;
    other.batch_execute("BEGIN; LOCK TABLE tasks").await.unwrap();
    let (one, two) = (backend.cancel(now(), execution), backend.cancel(now(), execution));
    let late = async {
        let request = request(1);
        let error =
            tokio::time::timeout(PATIENCE, backend.claim(now(), &request)).await.expect("it is told").unwrap_err();
        other.batch_execute("COMMIT").await.unwrap();
        error
    };
    let (one, two, error) = tokio::join!(biased; one, two, late);
    assert_eq!((one.unwrap(), two.unwrap()), (Cancelled::Done, Cancelled::Done));
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    assert!(error.is_transient());
    // And by and by there is one again.
    assert!(backend.claim(now(), &request(1)).await.is_ok());
}

/// What a pooler drops would have every statement look for its tables elsewhere.
#[tokio::test]
async fn connections_that_lose_their_options_are_refused_unless_there_is_said_to_be_a_pooler() {
    let schema = Schema::new();
    let between = Between::stand(&schema, Does::DropOptions).await;
    let error = open(&schema, between.way.url()).open().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("use Pooler::Transaction"), "{error}");
    let backend = open(&schema, between.way.url()).pooler(Pooler::Transaction).open().await.unwrap();
    use_it(&backend).await;
    // Without one they do not lose them.
    let between = Between::stand(&schema, Does::PassOn).await;
    use_it(&open(&schema, between.way.url()).open().await.unwrap()).await;
}

/// What one process tells is not lost with its connection: the others are told, when there is another, that anything may have happened.
#[tokio::test]
async fn what_is_told_on_a_connection_that_breaks_is_told_on_the_next() {
    let schema = Schema::new();
    // The end of a notification's text: tasks are ready.
    let between = Between::stand(&schema, Does::CutOne(":r")).await;
    let here = open(&schema, between.way.url()).open().await.unwrap();
    let there = schema.options().open().await.unwrap();
    let (mut own, mut others) = (here.wake_ups().unwrap(), there.wake_ups().unwrap());
    for hints in [&mut own, &mut others] {
        assert_eq!(hints.next().await, Hint::Anything, "it listens");
    }
    dispatch(&here, "f").await;
    for (hints, expected) in [(&mut others, vec![Hint::Anything]), (&mut own, vec![Hint::TasksReady, Hint::Anything])] {
        for expected in expected {
            assert_eq!(tokio::time::timeout(PATIENCE, hints.next()).await.expect("it is told"), expected);
        }
    }
    assert!(between.has_cut());
}
