//! Every crash point of a workflow.

use std::sync::Arc;
use std::time::Duration;

use stent_core::id::SignalId;
use stent_core::journal::{EntryBody, Made};
use stent_core::name::SignalName;
use stent_core::operation::OperationKind;
use stent_core::signal::SignalSend;
use stent_core::task::TaskState;
use stent_core::{Clock as _, ExecutionId, Payload};
use stent_executor::prelude::*;
use stent_executor::{DurableFunction, Registration};
use stent_testkit::clock::ManualClock;
use stent_testkit::faulty::{Fault, Moment};

use crate::process::{Effects, LEASE, Place, Process, dispatch, soon};
use crate::scenarios::counter;

/// What an undisturbed run of a workflow comes to.
#[derive(Clone, Copy)]
pub(crate) struct Scenario<'a> {
    /// Code by name, and how often it runs.
    pub(crate) runs: &'a [(&'a str, u32)],
    /// The steps that the root records, by name.
    pub(crate) steps: &'a [&'a str],
    /// Tasks of all executions.
    pub(crate) tasks: usize,
    /// What its counter counts.
    pub(crate) counted: Option<i64>,
    /// How often each task leaves memory while it waits.
    pub(crate) replays: u32,
}

/// A run of a workflow whose worker dies.
struct Run<'a> {
    place: &'a Place,
    clock: ManualClock,
    effects: Arc<Effects>,
    functions: fn() -> Vec<Registration>,
    scenario: &'a Scenario<'a>,
}

impl Run<'_> {
    fn open(&self) -> Process {
        Process::open(self.place, &self.clock, &self.effects, (self.functions)())
    }

    /// Until everything has ended; true if it has, false if the worker died at its `k`-th call before.
    async fn ends(&self, process: &Process, id: ExecutionId, dies_at: Option<usize>) -> bool {
        loop {
            if dies_at.is_some_and(|call| process.plan.count() >= call) {
                return false;
            }
            if process.tasks().await.iter().all(|task| task.state.is_final()) {
                return true;
            }
            self.go_on(process, id).await;
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    }

    /// Brings about what is waited for: time passes, a signal comes. A send that is repeated does nothing (C-S3).
    async fn go_on(&self, process: &Process, id: ExecutionId) {
        let now = self.clock.now();
        for entry in process.truth.load(id.root(), 0).await.unwrap().entries {
            match entry.body {
                EntryBody::Made(_, Made::Sleep { until }) if until > now => self.clock.set(until),
                EntryBody::Made(_, Made::Signal { .. }) => {
                    let (id_of_send, name) = (SignalId::from_bytes([7; 16]), SignalName::new("go").unwrap());
                    let value = Payload::from(b"7".to_vec());
                    let send = SignalSend { id: id_of_send, execution: id, name, value };
                    let _ = process.truth.send(now, &send).await.unwrap();
                }
                _ => {}
            }
        }
        let tasks = process.tasks().await;
        let due = tasks.iter().filter(|task| task.state == TaskState::Scheduled).filter_map(|task| task.due);
        if let Some(due) = due.min().filter(|due| *due > now) {
            self.clock.set(due);
        }
    }

    /// Runs a workflow whose worker dies at its `k`-th call; false if it had ended before.
    fn dies_at<F>(&self, k: usize, moment: Moment, call: Call<F>, result: &[u64]) -> bool
    where
        F: DurableFunction<Output = Vec<u64>>,
    {
        let first = self.open();
        let id = dispatch(&first, call);
        first.plan.plan(k, Fault::Dies(moment));
        let dies_at = first.plan.count() + k;
        let first = first.work_leaving(self.scenario.replays);
        let ended = first.runtime.block_on(soon("the end, or the fault", self.ends(&first, id, Some(dies_at))));
        first.die();

        let context = format!("call {k}, {moment:?}");
        self.clock.advance(LEASE + Duration::from_secs(1));
        let second = self.open().work_leaving(self.scenario.replays);
        second.runtime.block_on(soon(&context, self.ends(&second, id, None)));
        assert_eq!(second.result::<Vec<u64>>(id), result, "{context}");
        second.runtime.block_on(self.check(&second, id, u32::from(!ended), &context));
        second.die();
        !ended
    }

    /// Each operation is recorded once, ran at most so much more often, and never when it was recorded.
    async fn check(&self, process: &Process, id: ExecutionId, more: u32, context: &str) {
        let Scenario { runs, steps, tasks, counted, .. } = *self.scenario;
        let journal = process.truth.load(id.root(), 0).await.unwrap();
        let recorded = journal.entries.iter().filter_map(|entry| match &entry.body {
            EntryBody::Outcome(id, _) if id.kind == OperationKind::Step => Some(id.name.to_string()),
            _ => None,
        });
        let mut recorded: Vec<_> = recorded.collect();
        recorded.sort();
        assert_eq!(recorded, steps, "{context}");
        let all = process.tasks().await;
        assert_eq!(all.len(), tasks, "{context}");
        assert!(all.iter().all(|task| task.state == TaskState::Completed), "{context}");
        for (name, times) in runs {
            let started = self.effects.of(name);
            assert!((*times..=times + more).contains(&started), "{context}: {name} ran {started} times");
        }
        let variables = process.truth.read(id).await.unwrap();
        assert_eq!(variables.counters.get(&counter()).copied(), counted, "{context}");
        let repeated = &self.effects.0.lock().unwrap().repeated;
        assert!(repeated.is_empty(), "{context}: ran again though recorded: {repeated:?}");
    }
}

/// Every crash point of a workflow, until a run is undisturbed.
pub(crate) fn every_crash_point<F>(
    place: fn() -> Place,
    functions: fn() -> Vec<Registration>,
    call: fn() -> Call<F>,
    result: &[u8],
    scenario: &Scenario<'_>,
) where
    F: DurableFunction<Output = Vec<u64>>,
{
    let result: Vec<_> = result.iter().copied().map(u64::from).collect();
    for moment in [Moment::Before, Moment::After] {
        let dies_at = |k: &usize| {
            let (clock, effects) = (ManualClock::default(), Arc::new(Effects::default()));
            let place = place();
            Run { place: &place, clock, effects, functions, scenario }.dies_at(*k, moment, call(), &result)
        };
        let points = (1..1_000).take_while(dies_at).count();
        // Announcements, claims, ends and what the root writes: fewer calls cannot be.
        assert!(points > 6, "only {points} crash points");
        println!("{points} crash points {moment:?}");
    }
}
