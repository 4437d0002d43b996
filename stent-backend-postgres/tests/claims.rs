//! Claims and renewals beside transactions that hold some of the tasks.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
mod server;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stent_backend_postgres::PostgresBackend;
use stent_core::backend::{Claims, Completion, Dispatch};
use stent_core::claim::{Claim, ClaimFunction, ClaimRequest, ClaimedTask, Renewal};
use stent_core::execution::NewExecution;
use stent_core::retry::RetryPolicy;
use stent_core::task::{End, NewTask, TaskEnd};
use stent_core::worker::{ProcessIdentity, WorkerRecord, WorkerState};
use stent_core::{ClaimToken, ExecutionId, Fingerprint, Payload, TaskId, Timestamp, WorkerId};
use tokio_postgres::types::Type;

use server::Schema;

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

/// Executions of functions `f0`, `f1` and `f2` in turn, of five priorities; the ids in the order in which they are claimed.
async fn crowd(backend: &PostgresBackend, many: u32, max_attempts: u32) -> Vec<TaskId> {
    let retry = Arc::new(RetryPolicy::builder().max_attempts(max_attempts).build().unwrap());
    let new = |number: u32| {
        let task = NewTask {
            function: format!("f{}", number % 3).as_str().try_into().unwrap(),
            version: None,
            input: Payload::from(&b"in"[..]),
            fingerprint: Fingerprint::from_bytes([7; 32]),
            queue: None,
            tags: Arc::new([]),
            priority: i32::try_from(number % 5).unwrap(),
            due: NOW,
            retry: Arc::clone(&retry),
            max_concurrent: None,
            memo: None,
            trace: None,
            claim: None,
        };
        NewExecution { id: ExecutionId::new(NOW), task, max_duration: None, dedup: None, born: None }
    };
    let new: Vec<_> = (0..many).map(new).collect();
    assert_eq!(backend.dispatch(NOW, &new).await.unwrap().len(), new.len());
    let mut order: Vec<_> = new.iter().map(|new| (-new.task.priority, new.id.root())).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, task)| task).collect()
}

/// All three functions; `f1` with a limit, if one is given.
fn request(limit: u32, max_concurrent: Option<u32>) -> ClaimRequest {
    let function = |number: u32| ClaimFunction {
        name: format!("f{number}").as_str().try_into().unwrap(),
        version: None,
        max_concurrent: max_concurrent.filter(|_| number == 1),
    };
    ClaimRequest {
        worker: WorkerId::random(),
        token: ClaimToken::random(),
        lease: Duration::from_secs(10),
        limit,
        functions: (0..3).map(function).collect(),
        queues: Arc::new([]),
        tags: Arc::new([]),
        take_expired: true,
        is_poll: false,
    }
}

async fn take(backend: &PostgresBackend, limit: u32, max_concurrent: Option<u32>) -> Vec<ClaimedTask> {
    backend.claim(NOW, &request(limit, max_concurrent)).await.unwrap().tasks
}

/// What takes longer waits for what must not be waited for.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it waits for somebody")
}

fn ids(tasks: &[ClaimedTask]) -> Vec<TaskId> {
    tasks.iter().map(|task| task.claim.task).collect()
}

fn uuids(tasks: &[TaskId]) -> Vec<uuid::Uuid> {
    tasks.iter().map(|task| *task.as_uuid()).collect()
}

/// C-Q1, C-Q2: each task goes to one claim, and none is given less than it asked for while there is more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claims_at_once_share_the_tasks_and_none_is_falsely_empty() {
    const MANY: u32 = 600;
    const LIMIT: u32 = 7;
    for max_concurrent in [None, Some(MANY)] {
        let schema = Schema::new();
        let backend = schema.options().pool(8).open().await.unwrap();
        crowd(&backend, MANY, 3).await;
        let begun = Arc::new(AtomicU32::new(0));
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let (backend, begun) = (backend.clone(), Arc::clone(&begun));
                tokio::spawn(async move {
                    let mut claimed = Vec::new();
                    loop {
                        begun.fetch_add(1, Ordering::SeqCst);
                        let taken = take(&backend, LIMIT, max_concurrent).await;
                        let asked_for = begun.load(Ordering::SeqCst) * LIMIT;
                        assert!(taken.len() == 7 || asked_for > MANY, "{} of {asked_for}", taken.len());
                        if taken.is_empty() {
                            return claimed;
                        }
                        claimed.extend(ids(&taken));
                    }
                })
            })
            .collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.await.unwrap());
        }
        assert_eq!(all.len(), 600);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 600, "no task is in two claims");
    }
}

/// C-Q1: those that another transaction holds are passed by, however many, and the order of the others stands.
#[tokio::test]
async fn a_claim_looks_beyond_what_others_hold() {
    for max_concurrent in [None, Some(90)] {
        let schema = Schema::new();
        let backend = schema.options().open().await.unwrap();
        let order = crowd(&backend, 300, 3).await;
        let mut client = schema.client().await;
        let holding = client.transaction().await.unwrap();
        let lock = "SELECT id FROM tasks WHERE id = ANY ($1) FOR NO KEY UPDATE";
        assert_eq!(holding.query(lock, &[&uuids(&order[..250])]).await.unwrap().len(), 250);
        assert_eq!(ids(&take(&backend, 5, max_concurrent).await), order[250..255]);
        holding.rollback().await.unwrap();
        assert_eq!(ids(&take(&backend, 5, max_concurrent).await), order[..5]);
    }
}

/// C-Q2, with and without places.
#[tokio::test]
async fn a_repeated_claim_answers_with_the_same_tasks() {
    for max_concurrent in [None, Some(2)] {
        let schema = Schema::new();
        let backend = schema.options().open().await.unwrap();
        crowd(&backend, 30, 3).await;
        let request = request(5, max_concurrent);
        let (one, other) = (backend.claim(NOW, &request).await.unwrap(), backend.claim(NOW, &request).await.unwrap());
        assert_eq!(one.tasks.len(), 5);
        assert_eq!(one.tasks, other.tasks);
    }
}

/// C-Q2: a repeat that overtakes its first call, or meets it half-way, waits for it and takes nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_claim_that_is_made_twice_at_once_takes_its_tasks_once() {
    const ROUNDS: u32 = 20;
    for (max_concurrent, are_new) in [(None, true), (None, false), (Some(1_000), true), (Some(1_000), false)] {
        let schema = Schema::new();
        let (here, there) = (schema.options().open().await.unwrap(), schema.options().open().await.unwrap());
        crowd(&here, ROUNDS * 15, 3).await;
        if !are_new {
            let release =
                |task: ClaimedTask| TaskEnd { claim: task.claim, end: End::Released { until: None, reason: None } };
            let ends: Vec<_> = take(&here, ROUNDS * 15, None).await.into_iter().map(release).collect();
            assert!(
                here.complete(NOW, &ends)
                    .await
                    .unwrap()
                    .iter()
                    .all(|commit| *commit == stent_core::commit::Commit::Applied)
            );
        }
        for _ in 0..ROUNDS {
            let request = request(5, max_concurrent);
            let again = {
                let request = request.clone();
                let there = there.clone();
                tokio::spawn(async move { there.claim(NOW, &request).await.unwrap() })
            };
            let one = here.claim(NOW, &request).await.unwrap();
            assert_eq!(one.tasks.len(), 5);
            assert_eq!(one.tasks, again.await.unwrap().tasks);
        }
        let running = "SELECT count(*) FROM tasks WHERE state = 'running'";
        let running: i64 = schema.client().await.query_one(running, &[]).await.unwrap().get(0);
        assert_eq!(running, i64::from(ROUNDS) * 5);
    }
}

/// C-Q3: however claims, ends and releases come together, no more places are held than there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_places_are_held_than_there_are() {
    const PLACES: u32 = 5;
    let schema = Schema::new();
    let backend = schema.options().pool(8).open().await.unwrap();
    crowd(&backend, 300, 50).await;
    let client = schema.client().await;
    let workers: Vec<_> = (0..6)
        .map(|number: u32| {
            let backend = backend.clone();
            tokio::spawn(async move {
                for round in 0..40 {
                    let taken = take(&backend, 4, Some(PLACES)).await;
                    let ends: Vec<_> = taken
                        .iter()
                        .map(|task| {
                            let end = match (number + round) % 3 {
                                0 => End::Released { until: None, reason: None },
                                _ => End::Completed {
                                    output: Payload::default(),
                                    variables: Vec::new(),
                                    notes: Vec::new(),
                                },
                            };
                            TaskEnd { claim: task.claim, end }
                        })
                        .collect();
                    let _ = backend.complete(NOW, &ends).await.unwrap();
                }
            })
        })
        .collect();
    let mut most = 0;
    while !workers.iter().all(tokio::task::JoinHandle::is_finished) {
        let held = client.query_one("SELECT count(*) FROM tasks WHERE place", &[]).await.unwrap();
        most = most.max(held.get::<_, i64>(0));
        assert!(most <= 5, "{most} places are held");
    }
    for worker in workers {
        worker.await.unwrap();
    }
    assert!(most > 0);
}

fn worker() -> WorkerRecord {
    WorkerRecord {
        id: WorkerId::random(),
        process: ProcessIdentity::default(),
        state: WorkerState::Ready,
        concurrency: 4,
        functions: Arc::new([]),
        queues: Arc::new([]),
        tags: Arc::new([]),
        lease: Duration::from_secs(10),
        seen_at: NOW,
    }
}

/// C-Q2: one lease waits for no other, and one whose row is held for a moment is renewed as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_waits_for_a_write_of_its_own_claim_alone() {
    let schema = Schema::new();
    let backend = schema.options().open().await.unwrap();
    crowd(&backend, 2, 3).await;
    let claims: Vec<Claim> = take(&backend, 2, None).await.iter().map(|task| task.claim).collect();
    let (mut client, other) = (schema.client().await, schema.client().await);
    let writing = client.transaction().await.unwrap();
    writing.query("SELECT id FROM tasks WHERE id = $1 FOR SHARE", &[claims[0].task.as_uuid()]).await.unwrap();
    let later = NOW.after(Duration::from_secs(3));
    let renewal = {
        let (backend, claims) = (backend.clone(), claims.clone());
        tokio::spawn(async move { backend.renew(later, &worker(), &claims).await.unwrap() })
    };
    let until = async |claim: &Claim| {
        let until = "SELECT extract(epoch FROM lease_until)::bigint FROM tasks WHERE id = $1";
        other.query_one(until, &[claim.task.as_uuid()]).await.unwrap().get::<_, i64>(0)
    };
    in_time(async {
        while until(&claims[1]).await != 1_013 {
            assert!(!renewal.is_finished(), "it was not renewed");
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(until(&claims[0]).await, 1_010);
    writing.commit().await.unwrap();
    assert_eq!(renewal.await.unwrap(), [Renewal::Renewed, Renewal::Renewed]);
    assert_eq!(until(&claims[0]).await, 1_013);
}

/// C-Q2: a claim that cannot be renewed is told so before its lease ends.
#[tokio::test]
async fn a_claim_that_cannot_be_had_is_lost_and_the_others_are_renewed() {
    let schema = Schema::new();
    let backend = schema.options().open().await.unwrap();
    crowd(&backend, 2, 3).await;
    let claims: Vec<Claim> = take(&backend, 2, None).await.iter().map(|task| task.claim).collect();
    let mut client = schema.client().await;
    let holding = client.transaction().await.unwrap();
    holding.query("SELECT id FROM tasks WHERE id = $1 FOR UPDATE", &[claims[0].task.as_uuid()]).await.unwrap();
    let renewed = backend.renew(NOW, &worker(), &claims).await.unwrap();
    assert_eq!(renewed, [Renewal::Lost, Renewal::Renewed]);
    holding.rollback().await.unwrap();
    assert_eq!(backend.renew(NOW, &worker(), &claims).await.unwrap(), [Renewal::Renewed; 2]);
}

/// C-Q6: the tasks of a worker that is gone are free at once, but for those that another transaction has, which are waited for, and no longer than a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lapse_waits_a_while_for_what_another_holds_and_frees_the_rest_at_once() {
    for comes_free in [true, false] {
        let schema = Schema::new();
        let backend = schema.options().open().await.unwrap();
        crowd(&backend, 3, 3).await;
        let request = request(3, None);
        let held = ids(&backend.claim(NOW, &request).await.unwrap().tasks);
        let mut client = schema.client().await;
        let holding = client.transaction().await.unwrap();
        holding.query("SELECT id FROM tasks WHERE id = $1 FOR NO KEY UPDATE", &[held[1].as_uuid()]).await.unwrap();
        let lapse = {
            let (backend, worker) = (backend.clone(), request.worker);
            tokio::spawn(async move { backend.lapse(NOW, worker).await.unwrap() })
        };
        let free = in_time(async {
            let mut free = Vec::new();
            while free.len() < 2 {
                assert!(!lapse.is_finished(), "the others are not free");
                free.extend(ids(&take(&backend, 3, None).await));
            }
            free
        });
        assert_eq!(free.await, [held[0], held[2]]);
        if comes_free {
            holding.commit().await.unwrap();
            assert_eq!(lapse.await.unwrap(), 3, "how many it held");
            assert_eq!(ids(&take(&backend, 3, None).await), [held[1]]);
        } else {
            assert_eq!(in_time(lapse).await.unwrap(), 3, "how many it held");
            holding.commit().await.unwrap();
            assert_eq!(ids(&take(&backend, 3, None).await), [], "this one's lease has to run out");
        }
    }
}

/// C-Y4: the claim of a last attempt is on disk before its code runs.
#[tokio::test]
async fn the_claim_of_a_last_attempt_is_flushed() {
    let schema = Schema::new();
    let backend = schema.options().open().await.unwrap();
    crowd(&backend, 20, 1).await;
    let client = schema.client().await;
    let position = async |function: &str| {
        let position = format!("SELECT ({function}() - '0/0')::text");
        let row = client.query_one(&position, &[]).await.unwrap();
        assert_eq!(row.columns()[0].type_(), &Type::TEXT);
        row.get::<_, String>(0).parse::<u64>().unwrap()
    };
    for _ in 0..10 {
        let before = position("pg_current_wal_insert_lsn").await;
        assert_eq!(take(&backend, 2, None).await.len(), 2);
        assert!(position("pg_current_wal_flush_lsn").await > before);
    }
}
