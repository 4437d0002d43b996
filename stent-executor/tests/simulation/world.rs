//! One history: what happens, in which order.

use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use stent_core::outcome::Outcome;
use stent_core::{Clock as _, ExecutionId, Payload};
use stent_executor::ExecutionError;
use stent_testkit::clock::ManualClock;
use stent_testkit::memory::MemoryStore;

use crate::check;
use crate::history::History;
use crate::job;
use crate::process::{LEASE, Process, Trouble};

/// How many things happen before nothing does any more.
const EVENTS: u32 = 150;
const WORKERS: usize = 3;
/// So long may everything take to come to its end, by its own clock, and by ours if its own does not move: far longer than anything does.
const PATIENCE: Duration = Duration::from_secs(3_600);
const REAL_PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    random: Rng,
    store: MemoryStore,
    clock: ManualClock,
    history: History,
    client: Process,
    workers: Vec<Process>,
    jobs: Vec<u64>,
    /// Each value is sent once.
    next_value: u64,
    probability: f64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let (store, clock, history) = (MemoryStore::new(), ManualClock::default(), History::default());
        let probability = [0.0, 0.02, 0.2][random.usize(0..3)];
        let jobs = (0..random.usize(1..5)).map(|_| random.u64(..)).collect();
        let client = Process::client(&store, &clock, &history, Trouble::NONE);
        Self { random, store, clock, history, client, workers: Vec::new(), jobs, next_value: 1_000_000, probability }
    }

    /// All of it; says what is wrong.
    pub(crate) fn run(mut self) -> Result<(), String> {
        for _ in 0..EVENTS {
            self.happen();
        }
        self.calm_down()?;
        let violations = std::mem::take(&mut self.history.events().violations);
        let found = check::check(&self.store, &self.history, &self.jobs);
        self.client.die();
        self.workers.into_iter().for_each(Process::die);
        violations.into_iter().chain(found).next().map_or(Ok(()), Err)
    }

    fn happen(&mut self) {
        match self.random.u32(0..100) {
            0..40 => self.run_some(),
            40..55 => self.pass(Duration::ZERO, 3_000),
            55..58 => self.pass(LEASE, 5_000),
            58..66 => self.start_worker(),
            66..70 => {
                if let Some(worker) = self.draw_worker() {
                    self.workers.swap_remove(worker).die();
                }
            }
            70..74 => {
                if let Some(worker) = self.draw_worker() {
                    self.workers[worker].stand_still();
                }
            }
            74..80 => {
                let trouble = self.trouble();
                if let Some(worker) = self.draw_worker().filter(|worker| self.workers[*worker].stands_still()) {
                    self.workers[worker].go_on(trouble);
                }
            }
            80..88 => {
                let job = self.jobs[self.random.usize(0..self.jobs.len())];
                self.dispatch(job);
            }
            88..96 => self.signal(),
            96 => self.cancel(),
            97 => {
                let trouble = self.trouble();
                let client = Process::client(&self.store, &self.clock, &self.history, trouble);
                std::mem::replace(&mut self.client, client).die();
            }
            _ => self.watch(),
        }
    }

    /// Some process runs for a while, a few steps or until it waits.
    fn run_some(&mut self) {
        let (rounds, rests) = (self.random.u32(1..40), self.random.bool());
        let process = match self.random.usize(0..=self.workers.len()) {
            0 => &self.client,
            worker => &self.workers[worker - 1],
        };
        process.run(rounds);
        if rests {
            process.rest();
        }
    }

    /// So much time passes, and up to so many milliseconds. Mostly heartbeats take notice, but not if the machine has better to do.
    fn pass(&mut self, least: Duration, more: u64) {
        self.clock.advance(least + Duration::from_millis(self.random.u64(1..more)));
        if self.random.u32(0..4) > 0 {
            self.be_heard();
        }
    }

    /// Lets the threads of heartbeats hear what time it is.
    fn be_heard(&self) {
        let patience = Instant::now() + Duration::from_millis(5);
        while self.clock.unheard() > 0 && Instant::now() < patience {
            thread::sleep(Duration::from_micros(20));
            self.run_all(5);
        }
    }

    fn run_all(&self, rounds: u32) {
        self.client.run(rounds);
        self.workers.iter().for_each(|worker| worker.run(rounds));
    }

    fn trouble(&mut self) -> Trouble {
        Trouble { seed: self.random.u64(..), probability: self.probability }
    }

    fn draw_worker(&mut self) -> Option<usize> {
        (!self.workers.is_empty()).then(|| self.random.usize(0..self.workers.len()))
    }

    fn start_worker(&mut self) {
        if self.workers.len() < WORKERS {
            let (trouble, residents) = (self.trouble(), self.random.usize(0..4));
            self.workers.push(Process::worker(&self.store, &self.clock, &self.history, trouble, residents));
        }
    }

    /// A client asks for a job, perhaps again; it bears a key.
    fn dispatch(&self, number: u64) {
        let (stent, history) = (self.client.stent.clone(), self.history.clone());
        self.client.spawn(async move {
            if let Ok(execution) = stent.dispatch(job::job(number).dedup(format!("job-{number}"))).await {
                history.dispatched(number, execution.id());
            }
        });
    }

    /// Some execution that a client knows of.
    fn draw_execution(&mut self) -> Option<ExecutionId> {
        let known: Vec<_> = self.history.events().dispatched.values().copied().collect();
        (!known.is_empty()).then(|| known[self.random.usize(0..known.len())])
    }

    fn signal(&mut self) {
        let Some(execution) = self.draw_execution() else { return };
        let (stent, value) = (self.client.stent.clone(), self.next_value);
        self.next_value += 1;
        self.history.events().sent.entry(execution).or_default().insert(value);
        self.client.spawn(async move {
            // Whether it arrived nobody knows who is told of an outage.
            let _ = stent.signal(execution, "go", &value).await;
        });
    }

    fn cancel(&mut self) {
        let Some(execution) = self.draw_execution() else { return };
        let stent = self.client.stent.clone();
        self.history.events().cancelled.insert(execution);
        self.client.spawn(async move {
            let _ = stent.cancel(execution).await;
        });
    }

    /// A client waits for a result.
    fn watch(&mut self) {
        let Some(id) = self.draw_execution() else { return };
        let (execution, history) = (self.client.stent.execution::<Vec<u64>>(id), self.history.clone());
        self.client.spawn(async move {
            let outcome = match execution.result().await {
                Ok(results) => Outcome::Completed(Payload::from(serde_json::to_vec(&results).unwrap())),
                Err(ExecutionError::Cancelled) => Outcome::Cancelled,
                Err(error) => return history.violated(format!("{id} ended with {error}")),
            };
            history.ended(id, outcome);
        });
    }

    /// Nothing happens any more but that time passes: everything comes to its end.
    fn calm_down(&mut self) -> Result<(), String> {
        self.client.meet(Trouble::NONE);
        self.workers.iter_mut().for_each(|worker| worker.go_on(Trouble::NONE));
        if self.workers.is_empty() {
            self.start_worker();
            self.workers[0].meet(Trouble::NONE);
        }
        self.jobs.iter().for_each(|job| self.dispatch(*job));
        let (begun, until) = (Instant::now(), self.clock.now().after(PATIENCE));
        loop {
            let calls = self.calls();
            self.run_all(20);
            self.client.rest();
            self.workers.iter().for_each(Process::rest);
            if check::has_ended(&self.store, self.jobs.len()) {
                return Ok(());
            }
            if self.clock.now() > until || begun.elapsed() > REAL_PATIENCE {
                return Err(format!("no end by itself: {}", check::open(&self.store)));
            }
            if self.calls() == calls {
                self.clock.advance(Duration::from_secs(1));
                self.be_heard();
            }
        }
    }

    fn calls(&self) -> usize {
        self.workers.iter().map(|worker| worker.plan.count()).sum::<usize>() + self.client.plan.count()
    }
}
