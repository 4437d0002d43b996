//! What is told and found, and how often the store is asked for it.

use std::sync::Arc;
use std::time::Duration;

use stent_core::backend::{Dispatch, Watch};
use stent_core::execution::NewExecution;
use stent_core::name::FunctionName;
use stent_core::outcome::{Ended, Outcome};
use stent_core::task::NewTask;
use stent_core::{Clock, ExecutionId, Fingerprint, Payload};
use stent_testkit::clock::ManualClock;
use stent_testkit::faulty::{Fault, FaultPlan, FaultyBackend, Moment};
use stent_testkit::memory::MemoryBackend;

use super::{Event, News, Watcher};

struct Bench {
    memory: MemoryBackend,
    plan: FaultPlan,
    clock: ManualClock,
    news: News,
}

impl Bench {
    fn new() -> Self {
        let (memory, plan, clock) = (MemoryBackend::new(), FaultPlan::none(), ManualClock::default());
        let backend = Arc::new(FaultyBackend::new(Arc::new(memory.clone()), plan.clone()));
        let news = News::new(backend, Arc::new(clock.clone()), Duration::from_secs(1));
        Self { memory, plan, clock, news }
    }

    async fn dispatch(&self) -> ExecutionId {
        let task = NewTask {
            function: FunctionName::new("ship").unwrap(),
            version: None,
            input: Payload::default(),
            fingerprint: Fingerprint::from_bytes([0; 32]),
            queue: None,
            tags: Arc::new([]),
            priority: 0,
            due: self.clock.now(),
            retry: Arc::default(),
            max_concurrent: None,
            memo: None,
            trace: None,
            claim: None,
        };
        let id = ExecutionId::new(self.clock.now());
        let execution = NewExecution { id, task, max_duration: None, dedup: None, born: None };
        assert_eq!(self.memory.dispatch(self.clock.now(), &[execution]).await.unwrap().len(), 1);
        id
    }

    /// Ends an execution as another process would.
    async fn cancel(&self, execution: ExecutionId) {
        let _ = self.memory.cancel(self.clock.now(), execution).await.unwrap();
    }

    fn asked(&self) -> usize {
        self.plan.calls().iter().filter(|call| **call == "news").count()
    }
}

async fn next(watcher: &mut Watcher) -> Event {
    tokio::time::timeout(Duration::from_secs(20), watcher.next()).await.unwrap()
}

async fn is_quiet(watcher: &mut Watcher) -> bool {
    tokio::time::timeout(Duration::from_millis(30), watcher.next()).await.is_err()
}

#[tokio::test]
async fn what_ends_in_this_process_is_told_without_asking() {
    let bench = Bench::new();
    let execution = bench.dispatch().await;
    let ended = Ended { outcome: Outcome::Cancelled, at: bench.clock.now() };
    let mut watcher = bench.news.watcher();
    watcher.add(3, Watch::Task(execution.root()), true);
    watcher.add(4, Watch::Execution(execution), true);
    bench.news.task_ended(execution.root(), &ended);
    bench.news.execution_ended(execution, &ended);
    assert_eq!(next(&mut watcher).await, Event { key: 3, ended: Some(ended.clone()) });
    assert_eq!(next(&mut watcher).await, Event { key: 4, ended: Some(ended) });
    assert!(is_quiet(&mut watcher).await);
    assert_eq!(bench.asked(), 0);
}

/// C-Q5
#[tokio::test]
async fn what_ends_elsewhere_is_found_by_its_hint() {
    let bench = Bench::new();
    let (one, other) = (bench.dispatch().await, bench.dispatch().await);
    let mut watcher = bench.news.watcher();
    watcher.add(0, Watch::Execution(one), true);
    watcher.add(1, Watch::Execution(other), true);
    bench.cancel(other).await;
    assert_eq!(next(&mut watcher).await, Event { key: 1, ended: None });
    assert!(is_quiet(&mut watcher).await);
}

/// C-Q5
#[tokio::test]
async fn what_ended_before_is_found_by_the_first_look() {
    let bench = Bench::new();
    let execution = bench.dispatch().await;
    bench.cancel(execution).await;
    let mut watcher = bench.news.watcher();
    watcher.add(0, Watch::Execution(execution), false);
    assert_eq!(next(&mut watcher).await, Event { key: 0, ended: None });
}

/// L3
#[tokio::test]
async fn what_no_hint_told_of_is_found_by_polling_and_asked_for_once() {
    let bench = Bench::new();
    let execution = bench.dispatch().await;
    bench.cancel(execution).await;
    let mut watcher = bench.news.watcher();
    watcher.add(0, Watch::Execution(execution), true);
    assert!(is_quiet(&mut watcher).await);
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(next(&mut watcher).await, Event { key: 0, ended: None });
    let asked = bench.asked();
    bench.clock.advance(Duration::from_secs(1));
    assert!(is_quiet(&mut watcher).await);
    assert_eq!(bench.asked(), asked);
}

#[tokio::test]
async fn what_was_removed_or_replaced_is_not_delivered() {
    let bench = Bench::new();
    let (one, other) = (bench.dispatch().await, bench.dispatch().await);
    let ended = Ended { outcome: Outcome::Cancelled, at: bench.clock.now() };
    let mut watcher = bench.news.watcher();
    watcher.add(0, Watch::Execution(one), true);
    watcher.add(1, Watch::Execution(one), true);
    bench.news.execution_ended(one, &ended);
    watcher.remove(0);
    watcher.add(1, Watch::Execution(other), true);
    assert!(is_quiet(&mut watcher).await);
    bench.news.execution_ended(other, &ended);
    assert_eq!(next(&mut watcher).await.key, 1);
}

/// L5
#[tokio::test]
async fn an_outage_delays_news_and_loses_none() {
    let bench = Bench::new();
    let execution = bench.dispatch().await;
    let mut watcher = bench.news.watcher();
    watcher.add(0, Watch::Execution(execution), true);
    bench.plan.plan(1, Fault::Dies(Moment::Before));
    bench.cancel(execution).await;
    assert!(is_quiet(&mut watcher).await);
    bench.plan.repair();
    assert_eq!(next(&mut watcher).await, Event { key: 0, ended: None });
}

#[tokio::test]
async fn a_dropped_watcher_is_asked_for_no_more() {
    let bench = Bench::new();
    let execution = bench.dispatch().await;
    let mut dropped = bench.news.watcher();
    dropped.add(0, Watch::Execution(execution), true);
    drop(dropped);
    let mut watcher = bench.news.watcher();
    assert!(is_quiet(&mut watcher).await);
    bench.clock.advance(Duration::from_secs(5));
    assert!(is_quiet(&mut watcher).await);
    assert_eq!(bench.asked(), 0);
}
