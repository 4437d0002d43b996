//! The world in which a program runs: a store, a clock, processes that crash, children that end, signals that come.
//!
//! What must hold is checked while it happens and at the end; whatever does not is an error that tells what was seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stent_core::backend::{Claims, Completion, Dispatch, Inspect, Journal, Signals};
use stent_core::claim::{ClaimFunction, ClaimRequest, Claimed, ClaimedTask};
use stent_core::commit::{Commit, Sent};
use stent_core::execution::NewExecution;
use stent_core::failure::Origin;
use stent_core::journal::EntryBody;
use stent_core::name::{FunctionName, SignalName};
use stent_core::operation::OperationId;
use stent_core::outcome::{Ended, Outcome};
use stent_core::retry::{OnRetry, RetryPolicy};
use stent_core::signal::SignalSend;
use stent_core::task::{End, Resume, TaskEnd};
use stent_core::{ClaimToken, Clock, ExecutionId, SignalId, TaskId, Timestamp, WorkerId};
use stent_testkit::clock::ManualClock;
use stent_testkit::memory::MemoryBackend;

use super::interpret::{Event, Root, failure};
use super::process::{Done, Process};
use super::program::Program;
use super::random::Random;
use crate::options::Call;
use crate::registry::{Registration, Registry};

/// Things that may happen before a program counts as stuck.
const PATIENCE: u32 = 20_000;

/// A changed program, and when it is deployed: at the first crash.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) program: Program,
    /// It guards what is new, and must fit.
    pub(super) patched: bool,
}

/// What was seen of one program.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Report {
    pub(super) activations: u32,
    pub(super) crashes: u32,
    pub(super) takeovers: u32,
    pub(super) suspensions: u32,
    pub(super) resumes: u32,
    pub(super) flagged: u32,
    pub(super) adopted: u32,
    pub(super) operations: u32,
}

impl Report {
    pub(super) fn add(&mut self, other: Self) {
        self.activations += other.activations;
        self.crashes += other.crashes;
        self.takeovers += other.takeovers;
        self.suspensions += other.suspensions;
        self.resumes += other.resumes;
        self.flagged += other.flagged;
        self.adopted += other.adopted;
        self.operations += other.operations;
    }
}

/// What must not be.
pub(super) type Violation = String;

#[derive(Debug, Clone, Copy)]
enum Happening {
    Poll(usize),
    Release(usize),
    EndStep(usize),
    EndChild,
    Tell,
    ClaimChildren,
    ClaimRoot,
    Signal,
    Tick,
    Drain,
    Yield,
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) clock: ManualClock,
    pub(super) store: MemoryBackend,
    pub(super) execution: ExecutionId,
    pub(super) program: Program,
    pub(super) change: Option<Change>,
    /// The holder of the claim first, if there is one; then those that are behind.
    pub(super) processes: Vec<Process>,
    pub(super) has_holder: bool,
    /// The holder runs changed code that may yet be flagged.
    pub(super) is_on_trial: bool,
    pub(super) children: Vec<ClaimedTask>,
    pub(super) ended: Vec<(TaskId, Ended)>,
    pub(super) crashes_left: u32,
    pub(super) redrives_left: u32,
    pub(super) generation: u32,
    /// What the function saw in each written turn, in whatever activation.
    pub(super) canon: BTreeMap<u32, Vec<Event>>,
    pub(super) started: Vec<(u32, OperationId, u64)>,
    /// Changed code was deployed, and fits.
    pub(super) was_changed: bool,
    pub(super) next_due: Option<Timestamp>,
    pub(super) is_over: bool,
    pub(super) report: Report,
}

impl World {
    /// Runs a program to its end.
    pub(super) async fn run(seed: u64, program: Program, change: Option<Change>) -> Result<Report, Violation> {
        let mut world = Self::new(seed, program, change).await;
        match world.run_to_end().await {
            Ok(()) => Ok(world.report),
            Err(violation) => Err(format!("{violation}\n{}", world.tell_all().await)),
        }
    }

    async fn run_to_end(&mut self) -> Result<(), Violation> {
        let mut idle = 0;
        for _ in 0..PATIENCE {
            if self.is_over {
                return self.finish().await;
            }
            idle = if self.go_on().await? { 0 } else { idle + 1 };
            if idle > 200 {
                return Err("nothing happens any more".into());
            }
        }
        Err("it does not end".into())
    }

    /// What there is to see of a world in which something is wrong.
    async fn tell_all(&self) -> String {
        let root = self.execution.root();
        let task = self.store.task(root).await.unwrap().unwrap();
        let journal = self.store.load(root, self.generation).await.unwrap();
        let mut text = format!("now {:?}, root {} of generation {}\n", self.clock.now(), task.state, task.generation);
        for entry in journal.entries {
            text += &format!("  {} turn {} {:?}\n", entry.seq, entry.turn, entry.body);
        }
        for child in journal.children {
            text += &format!("  child of turn {}: {} {:?}\n", child.operation.turn, child.operation, child.ended);
        }
        for process in &self.processes {
            text += "process\n";
            for Done { id, phase, argument } in process.history() {
                text += &format!("  turn {}: {id} with {argument}: {phase:?}\n", id.turn);
            }
        }
        text
    }

    async fn new(seed: u64, program: Program, change: Option<Change>) -> Self {
        let mut random = Random::new(seed);
        let (clock, store) = (ManualClock::default(), MemoryBackend::new());
        let execution = ExecutionId::from_bytes(random.bytes());
        let known = Registry::new([Registration::of::<Root>()]).unwrap().known::<Root>().unwrap();
        let policy = RetryPolicy::builder().jitter(0.0).initial_delay("5ms");
        let policy = match random.below(6) {
            _ if change.is_some() => policy.max_attempts(3),
            0 => policy.max_attempts(3).on_retry(OnRetry::Resume),
            1 => policy.max_attempts(2).on_retry(OnRetry::Restart),
            _ => policy.max_attempts(3),
        };
        let call = Call::<Root>::new(()).retry(policy.build().unwrap());
        let new = call.into_execution(&known, clock.now(), &crate::codec::JsonCodec, 1_000, None).unwrap();
        let new = [NewExecution { id: execution, ..new }];
        let _created = store.dispatch(clock.now(), &new).await.unwrap();
        Self {
            crashes_left: if change.is_some() { 1 + u32::from(random.chance(50)) } else { 11 },
            redrives_left: 3,
            random,
            clock,
            store,
            execution,
            program,
            change,
            processes: Vec::new(),
            has_holder: false,
            is_on_trial: false,
            children: Vec::new(),
            ended: Vec::new(),
            generation: 0,
            canon: BTreeMap::new(),
            started: Vec::new(),
            was_changed: false,
            next_due: None,
            is_over: false,
            report: Report::default(),
        }
    }

    /// One thing happens; false if nothing but the clock and signals could.
    async fn go_on(&mut self) -> Result<bool, Violation> {
        let crash_rate = if self.change.is_some() { 60 } else { 25 };
        if self.has_holder && !self.is_on_trial && self.crashes_left > 0 && self.random.below(1_000) < crash_rate {
            self.crash().await?;
            return Ok(true);
        }
        let mut choices = vec![(4, Happening::Yield), (1, Happening::Tick)];
        for (at, process) in self.processes.iter().enumerate() {
            if process.is_woken() {
                choices.push((10, Happening::Poll(at)));
            }
            if process.gate.is_holding() {
                choices.push((4, Happening::Release(at)));
            }
            if process.running_steps() > 0 {
                choices.push((3, Happening::EndStep(at)));
            }
        }
        if !self.children.is_empty() {
            choices.push((3, Happening::EndChild));
        }
        if !self.ended.is_empty() {
            choices.push((2, Happening::Tell));
        }
        if !self.has_holder {
            choices.push((5, Happening::ClaimRoot));
        }
        let is_busy = choices.len() > 2;
        choices.extend([(1, Happening::ClaimChildren), (1, Happening::Signal)]);
        if self.random.below(500) == 0 {
            choices.push((20, Happening::Drain));
        }
        if !is_busy {
            return self.idle().await;
        }
        let mut draw = self.random.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, happening) in choices {
            if draw < weight {
                self.happen(happening).await?;
                break;
            }
            draw -= weight;
        }
        Ok(true)
    }

    async fn happen(&mut self, happening: Happening) -> Result<(), Violation> {
        match happening {
            Happening::Poll(at) => self.poll(at).await?,
            Happening::Release(at) => self.processes[at].gate.release(&mut self.random),
            Happening::EndStep(at) => {
                let step = self.random.index(self.processes[at].running_steps());
                let result = self.result("Step");
                self.processes[at].end_step(step, result);
            }
            Happening::EndChild => self.end_child().await,
            Happening::Tell => {
                let (task, ended) = self.ended.swap_remove(self.random.index(self.ended.len()));
                // Only the process that ended it knows at once; others look.
                if !self.processes.is_empty() {
                    self.processes[self.random.index(self.processes.len())].tell(task, &ended);
                }
            }
            Happening::ClaimChildren => drop(self.claim_children().await),
            Happening::ClaimRoot => self.claim_root().await?,
            Happening::Signal => self.signal().await,
            Happening::Tick => self.clock.advance(Duration::from_micros(1 + self.random.below(3_000))),
            Happening::Drain => {
                if let Some(process) = self.processes.first().filter(|_| self.has_holder) {
                    process.draining.send_replace(true);
                }
            }
            Happening::Yield => tokio::task::yield_now().await,
        }
        Ok(())
    }

    /// Nobody has anything to do: time passes, or something comes from outside.
    pub(super) async fn idle(&mut self) -> Result<bool, Violation> {
        tokio::task::yield_now().await;
        if self.processes.iter().any(|process| process.is_woken() || process.gate.is_holding()) {
            return Ok(true);
        }
        if self.claim_children().await {
            return Ok(true);
        }
        let due = self.next_due.filter(|due| *due > self.clock.now());
        let next = self.clock.next_wait().into_iter().chain(due).min();
        match next.filter(|_| self.random.chance(80)) {
            Some(next) => self.clock.set(next.max(self.clock.now())),
            None => self.signal().await,
        }
        Ok(false)
    }

    pub(super) async fn poll(&mut self, at: usize) -> Result<(), Violation> {
        let left = self.processes[at].poll();
        let process = &self.processes[at];
        let is_holder = at == 0 && self.has_holder;
        if let Some(violation) = process.probe.log().violation.take() {
            return Err(violation);
        }
        for (operation, argument) in process.take_started() {
            if is_holder && self.is_recorded(&operation).await {
                return Err(format!("{operation} is recorded and was started again"));
            }
            self.started.push((process.generation, operation, argument));
        }
        match left {
            None => Ok(()),
            Some(left) if is_holder => self.left(left).await,
            Some(left) => self.left_behind(at, left).await,
        }
    }

    async fn is_recorded(&self, operation: &OperationId) -> bool {
        let journal = self.store.load(self.execution.root(), self.generation).await.unwrap();
        journal.entries.iter().any(|entry| matches!(&entry.body, EntryBody::Outcome(id, _) if id == operation))
    }

    pub(super) async fn ask(&mut self, function: &str, worker: WorkerId, limit: u32) -> Claimed {
        let function =
            ClaimFunction { name: FunctionName::new(function).unwrap(), version: None, max_concurrent: None };
        let request = ClaimRequest {
            worker,
            token: ClaimToken::from_bytes(self.random.bytes()),
            lease: Duration::from_secs(1_000),
            limit,
            functions: Arc::new([function]),
            queues: Arc::new([]),
            tags: Arc::new([]),
            take_expired: true,
            is_poll: false,
        };
        self.store.claim(self.clock.now(), &request).await.unwrap()
    }

    pub(super) async fn claim_children(&mut self) -> bool {
        let worker = WorkerId::from_bytes([1; 16]);
        let claimed = self.ask("child", worker, 3).await;
        let any = !claimed.tasks.is_empty();
        self.children.extend(claimed.tasks);
        any
    }

    pub(super) fn result(&mut self, class: &str) -> Result<u64, stent_core::Failure> {
        let value = self.random.below(1_000_000);
        if self.random.chance(20) { Err(failure(class, value)) } else { Ok(value) }
    }

    async fn end_child(&mut self) {
        let child = self.children.swap_remove(self.random.index(self.children.len()));
        let claim = child.claim;
        let (end, outcome) = match self.result("Child") {
            Ok(value) => {
                let output = stent_core::Payload::from(value.to_string().into_bytes());
                let outcome = Outcome::Completed(output.clone());
                (End::Completed { output, variables: Vec::new(), notes: Vec::new() }, outcome)
            }
            Err(mut failure) => {
                failure.begin_at(Origin::new(claim.task, child.function));
                let outcome = Outcome::Failed(failure.clone());
                (End::Failed { failure, dead_letter: true, resume: Resume::Restart }, outcome)
            }
        };
        let now = self.clock.now();
        // One that was cancelled meanwhile has lost its claim.
        if self.store.complete(now, &[TaskEnd { claim, end }]).await.unwrap()[0] == Commit::Applied {
            self.ended.push((claim.task, Ended { outcome, at: now }));
        }
    }

    async fn signal(&mut self) {
        let name = SignalName::new(format!("signal {}", self.random.below(2))).unwrap();
        let value = stent_core::Payload::from(self.random.below(1_000_000).to_string().into_bytes());
        let id = SignalId::from_bytes(self.random.bytes());
        let send = SignalSend { id, execution: self.execution, name, value };
        let _sent: Sent = self.store.send(self.clock.now(), &send).await.unwrap();
    }
}
