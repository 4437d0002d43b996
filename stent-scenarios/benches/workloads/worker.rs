//! The worker, in a process of its own: this program, started again.
//!
//! It opens its store and says so; it begins to work when it is told to, says when it is ready, and stops when its input ends.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use stent_core::worker::WorkerState;
use stent_testkit::faulty::{FaultPlan, FaultyBackend};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines, Stdin};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::database::Place;
use crate::functions::Effects;
use crate::setup::{Setup, program};

/// The argument that makes this program a worker; what it is told stands behind it.
pub(crate) const ARGUMENT: &str = "--worker";

/// What a worker is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Orders {
    place: Place,
    concurrency: usize,
    /// Where its functions write down what they did.
    effects: Option<PathBuf>,
    /// Whether it counts the calls of its store.
    counts: bool,
}

impl Orders {
    pub(crate) fn new(setup: &Setup, place: &Place) -> Self {
        Self { place: place.clone(), concurrency: setup.concurrency, effects: None, counts: false }
    }

    pub(crate) fn effects(self, file: PathBuf) -> Self {
        Self { effects: Some(file), ..self }
    }

    pub(crate) fn counting(self) -> Self {
        Self { counts: true, ..self }
    }
}

/// What such a process does.
pub(crate) async fn work(orders: &str) {
    let orders: Orders = serde_json::from_str(orders).unwrap();
    let (mut backend, calls) = (orders.place.backend().await, FaultPlan::none());
    if orders.counts {
        backend = Arc::new(FaultyBackend::new(backend, calls.clone()));
    }
    let effects = orders.effects.as_deref().map_or_else(Effects::none, Effects::in_file);
    let stent = program(backend, effects).await;
    println!("opened {}", std::process::id());
    let mut told = BufReader::new(tokio::io::stdin()).lines();
    if heard(&mut told).await.is_none() {
        return;
    }
    let worker = stent.worker().concurrency(orders.concurrency).start().await.unwrap();
    worker.wait_for(WorkerState::Ready).await;
    println!("ready");
    while heard(&mut told).await.is_some() {
        println!("{}", calls.count());
    }
    // What waits for nothing but time is released.
    let _ = worker.stop().await;
}

async fn heard(told: &mut Lines<BufReader<Stdin>>) -> Option<String> {
    told.next_line().await.unwrap()
}

/// Such a process, from outside.
pub(crate) struct WorkerProcess {
    child: Child,
    /// Its own id: under a profiler it is not the child's.
    id: u32,
    says: Lines<BufReader<ChildStdout>>,
    told: ChildStdin,
}

/// Profiles so far.
static PROFILES: AtomicUsize = AtomicUsize::new(1);

impl WorkerProcess {
    /// Starts one; it has opened its store and does nothing yet. `what` names its profile.
    pub(crate) async fn open(setup: &Setup, orders: &Orders, what: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = match &setup.profile {
            None => Command::new(&program),
            Some(folder) => {
                let number = PROFILES.fetch_add(1, Ordering::Relaxed);
                let file = folder.join(format!("{}-{what}-{number}.data", setup.database));
                let mut perf = Command::new("perf");
                // Stacks by unwind tables, so that nothing has to be built anew.
                perf.args(["record", "--quiet", "--freq=499", "--call-graph=dwarf,8192", "--output"]).arg(file);
                perf.arg("--").arg(&program);
                perf
            }
        };
        command.args([ARGUMENT, &serde_json::to_string(orders).unwrap()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap()).lines();
        let opened = says.next_line().await.unwrap().unwrap();
        let id = opened.strip_prefix("opened ").unwrap().parse().unwrap();
        Self { id, says, told: child.stdin.take().unwrap(), child }
    }

    /// Has it begin.
    pub(crate) async fn begin(&mut self) {
        self.tell("begin").await;
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&mut self) {
        assert_eq!(self.said().await, "ready");
    }

    /// How often it has called its store.
    pub(crate) async fn calls(&mut self) -> u64 {
        self.tell("calls").await;
        self.said().await.parse().unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Lets it stop.
    pub(crate) async fn stop(mut self) {
        drop(self.told);
        self.child.wait().await.unwrap();
    }

    /// Kills it, as `kill -9` does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// What it holds in memory, in MB: now, and at most since it was [`forget_peak`](Self::forget_peak)ed.
    pub(crate) fn memory(&self) -> Memory {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            kilobytes.unwrap_or(f64::NAN) * 1024.0 / 1e6
        };
        Memory { now: field("VmRSS:"), peak: field("VmHWM:") }
    }

    /// Begins anew to look for the peak.
    pub(crate) fn forget_peak(&self) {
        // Where that cannot be done, the peak is that of the process's life.
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.id), "5");
    }

    async fn tell(&mut self, what: &str) {
        self.told.write_all(format!("{what}\n").as_bytes()).await.unwrap();
        self.told.flush().await.unwrap();
    }

    async fn said(&mut self) -> String {
        self.says.next_line().await.unwrap().unwrap()
    }
}

/// Memory of a process in MB.
pub(crate) struct Memory {
    pub(crate) now: f64,
    pub(crate) peak: f64,
}
