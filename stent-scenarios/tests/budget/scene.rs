//! A store whose books are kept, and one process on it.

use std::collections::BTreeMap;
use std::time::Duration;

use stent_executor::WorkerBuilder;
use stent_scenarios::{Bench, Process};

use crate::books::Books;
use crate::functions;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The calls of the store that write what they are given. Claims are known by the rows that they change: a look in vain changes none.
const WRITES: [&str; 6] = ["dispatch", "write", "complete", "suspend", "send", "cancel"];

/// A store, its books, and a process.
pub(crate) struct Scene {
    pub(crate) bench: Bench,
    pub(crate) process: Process,
    pub(crate) books: Books,
    /// How many of the process's calls were looked at.
    seen: usize,
}

impl Scene {
    /// With a process that has no worker.
    pub(crate) async fn without_worker(bench: Bench) -> Self {
        let books = Books::open(&bench).await;
        let process = bench.process(functions::all()).await;
        Self { bench, process, books, seen: 0 }
    }

    /// With a worker that renews its claims after 20 minutes for the first time.
    pub(crate) async fn open(bench: Bench) -> Self {
        Self::with(bench, |worker| worker.lease("1h")).await
    }

    pub(crate) async fn with(bench: Bench, change: impl FnOnce(WorkerBuilder) -> WorkerBuilder) -> Self {
        let mut scene = Self::without_worker(bench).await;
        scene.process = scene.process.work(&scene.bench, |worker| change(worker.concurrency(100))).await;
        scene.forget().await;
        scene
    }

    /// Begins anew to look at what is written.
    pub(crate) async fn forget(&mut self) {
        self.bench.settle().await;
        self.books.rows().await;
        self.seen = self.process.plan.count();
    }

    /// What was done since the last look costs these rows and these calls that write.
    pub(crate) async fn costs(&mut self, what: &str, rows: &str, writes: &str) {
        self.bench.settle().await;
        let mut calls = self.calls();
        calls.retain(|call, _| WRITES.contains(call));
        let wrote = calls.iter().map(|(call, count)| format!("{call} {count}")).collect::<Vec<_>>().join(", ");
        let all = self.books.rows().await;
        assert_eq!((all.as_str(), wrote.as_str()), (rows, writes), "{what}");
    }

    /// The same of rows alone: how many calls it takes depends on what comes at one time.
    pub(crate) async fn costs_rows(&mut self, what: &str, rows: &str) {
        self.bench.settle().await;
        self.calls();
        assert_eq!(self.books.rows().await, rows, "{what}");
    }

    /// Calls of the store since the last look.
    pub(crate) fn calls(&mut self) -> BTreeMap<&'static str, usize> {
        let all = self.process.plan.calls();
        let mut calls = BTreeMap::new();
        for call in &all[self.seen..] {
            *calls.entry(*call).or_default() += 1;
        }
        self.seen = all.len();
        calls
    }

    /// What differs between the databases.
    pub(crate) fn on<'a>(&self, sqlite: &'a str, postgres: &'a str) -> &'a str {
        if self.bench.file().is_some() { sqlite } else { postgres }
    }
}
