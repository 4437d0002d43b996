//! Group commit, seen from the jobs.

use std::future::Future;
use std::sync::atomic::AtomicU32;
use std::task::{Context, Waker};

use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::SqliteBackend;

async fn open() -> (TempDir, SqliteBackend) {
    let directory = TempDir::new().unwrap();
    let backend = SqliteBackend::open(directory.path().join("stent.db")).await.unwrap();
    (directory, backend)
}

/// Stores the limit of a function; none is refused by the schema.
async fn put(backend: &SqliteBackend, function: String, places: Option<i64>) -> Result<(), BackendError> {
    let job = backend.write("put", move |connection| {
        let function = function.clone();
        Box::pin(async move {
            let put = sqlx::query("INSERT INTO limits (function, max_concurrent) VALUES (?1, ?2)");
            put.bind(function).bind(places).execute(connection).await.during("put").map(drop)
        })
    });
    job.await
}

async fn count(backend: &SqliteBackend) -> i64 {
    let count = backend.read("count", |connection| {
        Box::pin(async move {
            sqlx::query_scalar("SELECT count(*) FROM limits").fetch_one(connection).await.during("count")
        })
    });
    count.await.unwrap()
}

#[tokio::test]
async fn writes_that_come_together_are_committed_together() {
    let (_directory, backend) = open().await;
    let before = backend.transactions();
    let writes = (0..1_000).map(|number| put(&backend, format!("f{number}"), Some(1)));
    assert!(join_all(writes).await.iter().all(Result::is_ok));
    assert_eq!(count(&backend).await, 1_000);
    let transactions = backend.transactions() - before;
    assert!(transactions <= 20, "{transactions} transactions for 1,000 writes");
}

#[tokio::test]
async fn a_write_that_fails_harms_none_that_came_with_it() {
    let (_directory, backend) = open().await;
    let writes = (0..50).map(|number| put(&backend, format!("f{number}"), (number % 10 != 3).then_some(1)));
    for (number, answer) in join_all(writes).await.iter().enumerate() {
        assert_eq!(answer.is_err(), number % 10 == 3, "{number}: {answer:?}");
    }
    assert_eq!(count(&backend).await, 45);
}

#[tokio::test]
async fn a_write_whose_caller_went_away_happens_whole() {
    let (_directory, backend) = open().await;
    let mut write = Box::pin(put(&backend, "f".into(), Some(1)));
    let mut context = Context::from_waker(Waker::noop());
    assert!(write.as_mut().poll(&mut context).is_pending());
    drop(write);
    put(&backend, "g".into(), Some(1)).await.unwrap();
    assert_eq!(count(&backend).await, 2);
}

#[tokio::test]
async fn after_trouble_with_the_machine_another_connection_is_opened() {
    let (_directory, backend) = open().await;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let failing = backend.write("fail", move |connection| {
        counted.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let half = sqlx::query("INSERT INTO limits (function, max_concurrent) VALUES ('half', 1)");
            half.execute(connection).await.during("fail")?;
            Err::<(), _>(BackendError::new(ErrorKind::Full, "fail"))
        })
    });
    assert_eq!(*failing.await.unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    put(&backend, "f".into(), Some(1)).await.unwrap();
    assert_eq!(count(&backend).await, 1);
}

#[tokio::test]
async fn hints_come_after_the_commit_and_each_once() {
    let (_directory, backend) = open().await;
    let mut hints = backend.listen();
    let told = (0..5).map(|_| {
        backend.write_hinting("tell", |_| Box::pin(async { Ok(((), vec![Hint::TasksReady, Hint::TasksReady])) }))
    });
    assert!(join_all(told).await.iter().all(Result::is_ok));
    let mut heard = 0;
    while hints.try_recv().is_ok() {
        heard += 1;
    }
    assert!((1..=5).contains(&heard), "{heard} hints");
}

/// What the commit of a relaxed job would wait for, as often as it has run.
async fn relaxed(backend: &SqliteBackend, lasting: Lasting) -> Vec<i64> {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let here = Arc::clone(&seen);
    let job = backend.write_relaxed("relaxed", move |connection| {
        let here = Arc::clone(&here);
        Box::pin(async move {
            let found = sqlx::query_scalar("PRAGMA synchronous").fetch_one(connection).await.during("relaxed")?;
            here.lock().unwrap().push(found);
            Ok(((), lasting))
        })
    });
    job.await.unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

/// 1 is NORMAL, 2 is FULL.
#[tokio::test]
async fn only_what_need_not_last_waits_for_no_disk() {
    let (directory, backend) = open().await;
    assert_eq!(relaxed(&backend, Lasting::NeedNot).await, [1]);
    put(&backend, "f".into(), Some(1)).await.unwrap();
    assert_eq!(relaxed(&backend, Lasting::NeedNot).await, [1]);
    assert_eq!(relaxed(&backend, Lasting::Must).await, [1, 2], "it turns out that it must");
    let level = backend.write("level", |connection| {
        Box::pin(async move {
            sqlx::query_scalar::<_, i64>("PRAGMA synchronous").fetch_one(connection).await.during("level")
        })
    });
    assert_eq!(level.await.unwrap(), 2);
    backend.close().await;
    let options = crate::SqliteOptions::new(directory.path().join("stent.db")).synchronous(crate::Synchronous::Normal);
    let backend = options.open().await.unwrap();
    assert_eq!(relaxed(&backend, Lasting::Must).await, [1], "nothing waits, if that is how it was opened");
}

/// Makes tasks ready, in a transaction that a write joins by whoever hears of it; answers with the transactions and with what is heard afterwards.
async fn make_ready(backend: &SqliteBackend, places: Option<i64>) -> (u64, Vec<Hint>) {
    let (mut hints, is_queued) = (backend.listen(), Arc::new(tokio::sync::Notify::new()));
    let (before, queued) = (backend.transactions(), Arc::clone(&is_queued));
    let made = backend.write_making("make", true, move |_| {
        let queued = Arc::clone(&queued);
        Box::pin(async move {
            queued.notified().await;
            // For the case that it is run again.
            queued.notify_one();
            Ok(((), vec![Hint::TasksReady]))
        })
    });
    let joined = async {
        assert_eq!(hints.recv().await.unwrap(), Hint::TasksReady);
        let mut write = Box::pin(put(backend, "f".into(), places));
        assert!(write.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        is_queued.notify_one();
        write.await
    };
    let (made, joined) = tokio::join!(made, joined);
    made.unwrap();
    assert_eq!(joined.is_ok(), places.is_some());
    let transactions = backend.transactions() - before;
    (transactions, std::iter::from_fn(|| hints.try_recv().ok()).collect())
}

#[tokio::test]
async fn who_is_told_of_tasks_early_writes_with_what_makes_them() {
    let (_directory, backend) = open().await;
    assert_eq!(make_ready(&backend, Some(1)).await, (1, Vec::new()));
}

#[tokio::test]
async fn tasks_that_were_made_after_all_are_told_again() {
    let (_directory, backend) = open().await;
    assert_eq!(make_ready(&backend, None).await, (3, vec![Hint::TasksReady]));
}
