//! What the calls of a busy worker cost on the way to the server (the cost budget): round trips and statements.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/count.rs"]
mod count;
#[expect(dead_code, reason = "the way to the server is another")]
mod server;
#[expect(dead_code, reason = "it is counted here what goes by")]
#[path = "server/way.rs"]
mod way;
#[path = "server/work.rs"]
mod work;

use stent_backend_postgres::{PostgresBackend, PostgresOptions};
use stent_core::backend::{Claims, Completion, Dispatch, Journal, Outcomes, Watch};
use stent_core::claim::{Claim, ClaimRequest};
use stent_core::commit::{Commit, Dispatched, Suspended, TurnCommit};
use stent_core::execution::NewExecution;
use stent_core::journal::{EntryBody, JournalEntry, TurnWrite};
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::outcome::OperationOutcome;
use stent_core::task::{End, NewChild, Suspension, TaskEnd, Wait};
use stent_core::{BackendError, ExecutionId, Payload, TaskId};

use count::{Count, Counter};
use server::Schema;
use work::{now, request, task};

/// What a batch holds.
const MANY: u32 = 50;

struct Store {
    counter: Counter,
    backend: PostgresBackend,
    _schema: Schema,
}

fn new() -> NewExecution {
    NewExecution { id: ExecutionId::new(now()), task: task(), max_duration: None, dedup: None, born: None }
}

fn completed(claim: Claim) -> TaskEnd {
    TaskEnd { claim, end: End::Completed { output: Payload::default(), variables: Vec::new(), notes: Vec::new() } }
}

fn turn(claim: Claim) -> TurnWrite {
    TurnWrite {
        claim,
        generation: 0,
        entries: Vec::new(),
        children: Vec::new(),
        dispatches: Vec::new(),
        cancels: Vec::new(),
        variables: Vec::new(),
        take: None,
    }
}

fn operation(kind: OperationKind) -> OperationId {
    OperationId { turn: 0, kind, name: "f".into(), key: OperationKey::none(), number: 0 }
}

fn step(claim: Claim) -> TurnWrite {
    let body = EntryBody::Outcome(operation(OperationKind::Step), OperationOutcome::Completed(Payload::default()));
    TurnWrite { entries: vec![JournalEntry { seq: 0, turn: 0, at: now(), body }], ..turn(claim) }
}

fn child(claim: Claim) -> TaskId {
    TaskId::child(claim.task, 0, &operation(OperationKind::Call), None)
}

fn call(claim: Claim) -> TurnWrite {
    let operation = operation(OperationKind::Call);
    let child = NewChild { id: child(claim), operation, index: None, task: task(), born: None };
    TurnWrite { children: vec![child], ..turn(claim) }
}

fn suspension(claim: Claim) -> Suspension {
    Suspension { claim, until: None, waits: vec![Wait::Child(child(claim))] }
}

impl Store {
    async fn open() -> Self {
        let schema = Schema::new();
        let counter = Counter::stand(&schema).await;
        // One connection, on which all statements are prepared once they were used; and nothing of hints.
        let options = PostgresOptions::new(&counter.url).schema(&schema.name).pool(1).hints(false);
        Self { backend: options.open().await.unwrap(), counter, _schema: schema }
    }

    /// What a call costs, if the test is to know by now.
    async fn costs<T>(
        &self,
        what: &str,
        expected: Option<(u32, u32)>,
        call: impl Future<Output = Result<T, BackendError>>,
    ) -> T {
        let (count, answer) = self.counter.of(call).await;
        if let Some((trips, statements)) = expected {
            assert_eq!(count, Count { trips, statements }, "{what}");
        }
        answer.unwrap()
    }

    async fn claim(&self, what: &str, expected: Option<(u32, u32)>) -> Vec<Claim> {
        let claimed = self.costs(what, expected, self.backend.claim(now(), &request(2 * MANY))).await;
        let claims: Vec<_> = claimed.tasks.iter().map(|task| task.claim).collect();
        assert_eq!(claims.len(), usize::try_from(MANY).unwrap(), "{what}");
        claims
    }

    async fn write(&self, what: &str, expected: Option<(u32, u32)>, turns: &[TurnWrite]) {
        let commits = self.costs(what, expected, self.backend.write(now(), turns)).await;
        assert!(commits.iter().all(|commit| *commit == TurnCommit::Applied { taken: None }), "{what}");
    }

    async fn complete(&self, what: &str, expected: Option<(u32, u32)>, claims: &[Claim]) {
        let ends: Vec<_> = claims.iter().copied().map(completed).collect();
        let commits = self.costs(what, expected, self.backend.complete(now(), &ends)).await;
        assert!(commits.iter().all(|commit| *commit == Commit::Applied), "{what}");
    }

    /// The life of some executions: a step, a call, a wait for it, and the end.
    async fn live(&self, is_known: bool) {
        let cost = |trips: u32, statements: u32| is_known.then_some((trips, statements));
        let one = self.costs("a dispatch", cost(1, 1), self.backend.dispatch(now(), &[new()])).await;
        let others: Vec<_> = (1..MANY).map(|_| new()).collect();
        let others = self.costs("many dispatches", cost(1, 1), self.backend.dispatch(now(), &others)).await;
        assert!(one.iter().chain(&others).all(|dispatched| *dispatched == Dispatched::Created));

        // How its commit lasts, what falls due, what will, new tasks, and tasks that were claimed before: together with the commit.
        let parents = self.claim("a claim of new tasks", cost(1, 5)).await;
        let looks = ClaimRequest { is_poll: true, ..request(MANY) };
        let nothing = self.costs("a look for tasks", cost(1, 1), self.backend.claim(now(), &looks)).await;
        assert_eq!(nothing.tasks, []);

        // Locks, rows and commit go out together.
        let turns = |make: fn(Claim) -> TurnWrite| parents.iter().copied().map(make).collect::<Vec<_>>();
        self.write("a step", cost(1, 2), &turns(step)[..1]).await;
        self.write("many steps", cost(1, 2), &turns(step)[1..]).await;
        self.write("many calls", cost(1, 2), &turns(call)).await;
        let waits: Vec<_> = parents.iter().copied().map(suspension).collect();
        let suspended = self.costs("many suspensions", cost(3, 3), self.backend.suspend(now(), &waits)).await;
        assert!(suspended.iter().all(|suspended| *suspended == Suspended::Yes));
        let watches: Vec<_> = parents.iter().map(|parent| Watch::Task(child(*parent))).collect();
        self.costs("a look for news", cost(1, 1), self.backend.news(&watches)).await;

        let children = self.claim("a claim of new children", cost(1, 5)).await;
        // Who is to be woken is known when the ends are there.
        self.complete("many completions for those who wait", cost(3, 4), &children).await;
        let parents = self.claim("a claim of woken tasks", cost(1, 5)).await;
        // Roots wake nobody.
        self.complete("a completion", cost(1, 1), &parents[..1]).await;
        self.complete("many completions", cost(1, 1), &parents[1..]).await;
        self.costs("a look for what ran out of time", cost(1, 1), self.backend.expire(now(), MANY)).await;
    }
}

/// However many a batch has, it costs what one costs.
#[tokio::test]
async fn a_batch_costs_the_same_few_round_trips() {
    let store = Store::open().await;
    // Statements are prepared when they are used first.
    store.live(false).await;
    store.live(true).await;
}
