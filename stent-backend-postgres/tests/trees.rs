//! Executions that end in several ways at once: by cancels, deadlines, the ends of their tasks, redrives and retention. Nothing deadlocks, nothing is left open below
//! what has ended, and what is redriven is whole.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
mod server;
#[path = "server/work.rs"]
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use stent_backend_postgres::PostgresBackend;
use stent_core::backend::{Claims, Completion, Dispatch, Journal, Maintenance, RedriveTarget};
use stent_core::claim::ClaimedTask;
use stent_core::commit::Redriven;
use stent_core::execution::NewExecution;
use stent_core::journal::{Abandoned, AbandonedChildren, TurnWrite};
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::retry::ErrorClass;
use stent_core::task::{End, NewChild, Resume, ResumePoint, TaskEnd};
use stent_core::{ExecutionId, Failure, Payload, TaskId, Timestamp};
use tokio::sync::Mutex;
use tokio_postgres::Client;

use server::Schema;
use work::{below, now, request, task};

struct World {
    backend: PostgresBackend,
    executions: Mutex<Vec<ExecutionId>>,
    left: AtomicI64,
    redriven: AtomicU64,
    expired: AtomicU64,
}

impl World {
    fn goes_on(&self) -> bool {
        self.left.fetch_sub(1, Ordering::Relaxed) > 0
    }

    async fn dispatch(&self) {
        let id = ExecutionId::new(now());
        let max_duration = (below(3) == 0).then(|| Duration::from_millis(150));
        let _ = self
            .backend
            .dispatch(now(), &[NewExecution { id, task: task(), max_duration, dedup: None, born: None }])
            .await
            .unwrap();
        self.executions.lock().await.push(id);
    }

    async fn any(&self) -> ExecutionId {
        let executions = self.executions.lock().await;
        executions[executions.len() - 1 - below(executions.len().min(6))]
    }

    /// Claims tasks, makes children, and ends some of them, all at several depths at once.
    async fn work(&self) {
        while self.goes_on() {
            let claimed = self.backend.claim(now(), &request(6)).await.unwrap().tasks;
            if claimed.is_empty() {
                self.dispatch().await;
            }
            let turns: Vec<_> = claimed.iter().filter_map(turn).collect();
            if !turns.is_empty() {
                let _ = self.backend.write(now(), &turns).await.unwrap();
            }
            let ends: Vec<_> = claimed.iter().filter_map(|task| end(task, &turns)).collect();
            let _ = self.backend.complete(now(), &ends).await.unwrap();
        }
    }

    /// Ends executions from outside, and takes them up again.
    async fn meddle(&self) {
        while self.goes_on() {
            match below(6) {
                0 => drop(self.backend.cancel(now(), self.any().await).await.unwrap()),
                1 => {
                    let expired = self.backend.expire(now(), 5).await.unwrap().len();
                    self.expired.fetch_add(u64::try_from(expired).unwrap(), Ordering::Relaxed);
                }
                2 => drop(self.backend.prune(now(), now().before(Duration::from_millis(400))).await.unwrap()),
                _ => {
                    let redriven = self.backend.redrive(now(), RedriveTarget::Execution(self.any().await)).await;
                    if redriven.unwrap() == Redriven::Done {
                        self.redriven.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}

fn operation(turn: u32) -> OperationId {
    OperationId { turn, kind: OperationKind::Call, name: "f".into(), key: OperationKey::none(), number: 0 }
}

fn child(task: &ClaimedTask, turn: u32) -> TaskId {
    TaskId::child(task.claim.task, task.generation, &operation(turn), None)
}

/// A few children; of tasks that are claimed again, one of the first turn is abandoned.
fn turn(claimed: &ClaimedTask) -> Option<TurnWrite> {
    if claimed.depth > 2 || below(4) == 0 {
        return None;
    }
    let turn = claimed.attempt * 10;
    let operations = (0..=u32::try_from(below(3)).unwrap()).map(|number| operation(turn + number));
    let children = operations.map(|operation| NewChild {
        id: TaskId::child(claimed.claim.task, claimed.generation, &operation, None),
        operation,
        index: None,
        task: task(),
        born: None,
    });
    let gone = Abandoned { turn, children: AbandonedChildren::Child(child(claimed, 10)) };
    Some(TurnWrite {
        claim: claimed.claim,
        generation: claimed.generation,
        entries: Vec::new(),
        children: children.collect(),
        dispatches: Vec::new(),
        cancels: if claimed.attempt > 1 { vec![gone] } else { Vec::new() },
        variables: Vec::new(),
        take: None,
    })
}

fn end(claimed: &ClaimedTask, turns: &[TurnWrite]) -> Option<TaskEnd> {
    let failure = Failure::new(ErrorClass::new("Broken").unwrap(), "it broke");
    let has_children = turns.iter().any(|turn| turn.claim == claimed.claim);
    let end = match below(if has_children { 12 } else { 5 }) {
        0 | 1 => End::Completed { output: Payload::default(), variables: Vec::new(), notes: Vec::new() },
        2 => {
            let point = ResumePoint { turn: Some(claimed.attempt * 10), operation: None, child: None };
            let resume = if below(2) == 0 { Resume::Restart } else { Resume::At(point) };
            End::Failed { failure, dead_letter: true, resume }
        }
        3 => End::Retry { at: now(), failure, resume: Resume::Restart },
        4 => End::Retry { at: now(), failure, resume: Resume::At(ResumePoint::default()) },
        5 => End::Released { until: None, reason: None },
        _ => return None,
    };
    Some(TaskEnd { claim: claimed.claim, end })
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Open tasks whose parent is gone or has ended.
const ORPHANS: &str = "SELECT count(*) FROM tasks AS c LEFT JOIN tasks AS p ON p.id = c.parent
    WHERE c.parent IS NOT NULL AND c.ended_at IS NULL AND (p.id IS NULL OR p.ended_at IS NOT NULL)";
const DEADLOCKS: &str = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";

/// C-X1, C-Y5, C-Y6, C-T3, C-X3.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_executions_end_nothing_is_left_open_below_what_has_ended() {
    let schema = Schema::new();
    let backend = schema.options().pool(12).open().await.unwrap();
    let client = schema.client().await;
    let before = count(&client, DEADLOCKS).await;
    let world = Arc::new(World {
        backend,
        executions: Mutex::default(),
        left: AtomicI64::new(1_500),
        redriven: AtomicU64::new(0),
        expired: AtomicU64::new(0),
    });
    for _ in 0..4 {
        world.dispatch().await;
    }
    let mut programs = Vec::new();
    for number in 0..8 {
        let world = Arc::clone(&world);
        programs.push(tokio::spawn(async move { if number < 5 { world.work().await } else { world.meddle().await } }));
    }
    while !programs.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(count(&client, ORPHANS).await, 0);
    }
    for program in programs {
        program.await.unwrap();
    }
    assert!(world.redriven.load(Ordering::Relaxed) > 0 && world.expired.load(Ordering::Relaxed) > 0);
    assert_eq!(count(&client, DEADLOCKS).await, before, "nothing deadlocks");
    // All that is left ends with its execution.
    for execution in world.executions.lock().await.iter() {
        let _ = world.backend.cancel(now(), *execution).await.unwrap();
    }
    assert_eq!(count(&client, "SELECT count(*) FROM tasks WHERE ended_at IS NULL").await, 0);
    while world.backend.prune(now(), Timestamp::MAX).await.unwrap().more {}
    for table in ["tasks", "journal", "waits", "dead_letters", "signals"] {
        assert_eq!(count(&client, &format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}
