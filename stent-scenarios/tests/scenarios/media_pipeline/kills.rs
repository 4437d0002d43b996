//! The pipeline on seven workers of one slot each, of which one is killed every few seconds.

use std::collections::HashMap;
use std::time::Duration;

use stent_core::backend::{Page, TaskFilter};
use stent_core::task::{TaskRecord, TaskState};
use stent_core::{ExecutionId, Timestamp};
use stent_executor::Execution;
use stent_scenarios::{Bench, Process, Stage, on_every_backend};

use super::{ConnectionError, Either, Published, activities, effects, orchestrators, process_media, published};

const LEASE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_secs(1);
const JOBS: usize = 20;
/// What a job may take that no kill has hit: its work, a poll for each of its parts and for what they gave, and waiting behind others.
const UNDISTURBED: Duration = Duration::from_secs(35);

/// Numbers that look random and are the same in every run: SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }
}

/// Five workers for the parts, two for the jobs.
struct Fleet<'a> {
    bench: &'a Bench,
    stage: &'a Stage,
    workers: Vec<Process>,
    /// How often each job was hit: its own code or that of one of its parts was running on a worker that was killed.
    hits: HashMap<ExecutionId, u32>,
    kills: u32,
    random: Random,
}

impl<'a> Fleet<'a> {
    async fn launch(bench: &'a Bench, stage: &'a Stage, seed: u64) -> Self {
        let mut fleet =
            Self { bench, stage, workers: Vec::new(), hits: HashMap::new(), kills: 0, random: Random(seed) };
        for place in 0..7 {
            let worker = fleet.worker(place).await;
            fleet.workers.push(worker);
        }
        fleet
    }

    async fn worker(&self, place: usize) -> Process {
        let functions = if place < 5 { activities() } else { orchestrators() };
        let program = self.bench.process_with(
            functions,
            |program| program.resource(self.stage.clone()).allow_remote(true).poll(POLL),
            true,
        );
        program.await.work(self.bench, |worker| worker.concurrency(1).lease(LEASE)).await
    }

    async fn running(&self) -> Vec<TaskRecord> {
        let running = TaskFilter { states: vec![TaskState::Running], ..TaskFilter::default() };
        self.bench.backend().await.list_tasks(&running, Page::first(1_000)).await.unwrap()
    }

    /// Kills a worker, and starts another in its place.
    async fn kill(&mut self) {
        let running = self.running().await;
        let is_busy = |worker: &Process| running.iter().any(|task| task.worker == Some(worker.worker().id()));
        // Every other kill is of one that is at work, if there is any: chance alone may pass them by.
        let busy = (0..7).filter(|place| self.kills.is_multiple_of(2) && is_busy(&self.workers[*place]));
        let places: Vec<usize> = busy.collect();
        let places = if places.is_empty() { (0..7).collect() } else { places };
        let place = places[usize::try_from(self.random.below(places.len() as u64)).unwrap()];
        let victim = self.workers.remove(place);
        let id = victim.worker().id();
        victim.die(self.bench).await;
        for task in self.running().await.into_iter().filter(|task| task.worker == Some(id)) {
            *self.hits.entry(task.execution).or_default() += 1;
        }
        let heir = self.worker(place).await;
        self.workers.insert(place, heir);
        self.kills += 1;
    }
}

fn file(job: usize) -> String {
    match job {
        job if job % 10 == 9 => format!("corrupt_{job}.mp4"),
        job if job % 7 == 3 => format!("unsafe_{job}.mp4"),
        job => format!("video_{job}.mp4"),
    }
}

fn expected(file: &str) -> Either<Published, String> {
    match file.split('_').next().unwrap() {
        "corrupt" => Err(format!("File {file} header is corrupt")),
        "unsafe" => Err("Content flagged".into()),
        _ => published(file),
    }
}

type Job = Execution<Either<Published, String>>;

/// Dispatches a job every 5 s and kills a worker every 5 to 8 s, until all jobs have ended.
async fn soak(bench: &Bench, fleet: &mut Fleet<'_>) -> Vec<(String, Job)> {
    let client = bench.process(orchestrators()).await;
    let mut jobs: Vec<(String, Job)> = Vec::new();
    let (mut next_job, mut next_kill) = (bench.now(), bench.now().after(Duration::from_secs(6)));
    let end = bench.now().after(Duration::from_secs(1_000));
    loop {
        if jobs.len() < JOBS && bench.now() >= next_job {
            let file = file(jobs.len());
            if fleet.random.below(5) == 0 {
                fleet.stage.fail(format!("scan {file}"), 1, ConnectionError);
            }
            // More attempts than kills can use up.
            let job = client.stent.dispatch(process_media(file.clone(), 20)).await.unwrap();
            jobs.push((file, job));
            next_job = next_job.after(Duration::from_secs(5));
        }
        if bench.now() >= next_kill {
            fleet.kill().await;
            next_kill = next_kill.after(Duration::from_millis(5_000 + fleet.random.below(3_001)));
        }
        if jobs.len() == JOBS && have_ended(&jobs).await {
            return jobs;
        }
        assert!(bench.now() < end, "jobs are still open after {} kills", fleet.kills);
        let step = bench.now().after(POLL).min(next_kill);
        let step = if jobs.len() < JOBS { step.min(next_job) } else { step };
        bench.pass(step.since(bench.now())).await;
    }
}

async fn have_ended(jobs: &[(String, Job)]) -> bool {
    for (_, job) in jobs {
        if !job.status().await.unwrap().is_final() {
            return false;
        }
    }
    true
}

/// C-R1, C-Q2, C-Y4, B1 to B3, B8: every job ends as it should, no part of it is completed twice, and none waits longer than the leases of
/// those that were killed over it.
async fn jobs_survive_that_their_workers_are_killed(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let mut fleet = Fleet::launch(&bench, &stage, 20).await;
    let jobs = soak(&bench, &mut fleet).await;
    assert!(fleet.kills > 10 && fleet.hits.values().sum::<u32>() > 5, "{} kills, {:?}", fleet.kills, fleet.hits);
    assert!(stage.repeated().is_empty(), "{:?}", stage.repeated());
    for (file, job) in &jobs {
        assert_eq!(job.result().await.unwrap(), expected(file), "{file}");
        let hits = fleet.hits.get(&job.id()).copied().unwrap_or(0);
        check(&bench, file, job.id(), hits).await;
    }
}

/// What a job left in the store and did in the world.
async fn check(bench: &Bench, file: &str, job: ExecutionId, hits: u32) {
    let tasks = bench.tasks(job).await;
    let mut functions: Vec<_> = tasks.iter().map(|task| task.function.as_str()).collect();
    functions.sort_unstable();
    functions.dedup();
    assert_eq!(functions.len(), tasks.len(), "{file}: a part was made twice: {tasks:?}");
    assert!(tasks.iter().all(|task| task.state.is_final()), "{file}: {tasks:?}");

    let span = |from: Option<Timestamp>, to: Option<Timestamp>| to.unwrap().since(from.unwrap());
    let took = span(Some(tasks[0].created_at), tasks[0].ended_at);
    let allowed = UNDISTURBED + (LEASE + 2 * POLL) * hits;
    assert!(took <= allowed, "{file} took {took:?} with {hits} hits");

    // A run that was killed is the only one that is made again, the one scan apart that was told to fail.
    for effect in effects(file) {
        let runs = bench.ledger.count(&effect);
        let most = 1 + usize::try_from(hits).unwrap() + usize::from(effect.starts_with("scan"));
        assert!(runs <= most, "{file}: {effect} ran {runs} times with {hits} hits");
        assert!(runs >= 1 || !file.starts_with("video"), "{file}: {effect} did not run");
    }
}

on_every_backend![jobs_survive_that_their_workers_are_killed];
