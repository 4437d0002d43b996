//! The example `digest` as its user meets it: run, killed, stopped, started twice, given bad input.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

mod bad_input;
mod program;
mod random;
mod store;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use stent_core::execution::ExecutionState;

use program::Place;
use random::Random;

const MEMORY: u64 = 100_000_000;

/// What must be the same whatever happened on the way.
fn found(report: &Value) -> Vec<Value> {
    ["directory", "files", "bytes", "sha256", "identical", "unreadable"].map(|field| report[field].clone()).into()
}

/// The lines of a ledger.
fn lines(ledger: &Path) -> Vec<String> {
    fs::read_to_string(ledger).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn seed() -> u64 {
    let now = || u64::from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos());
    let seed = std::env::var("DIGEST_SEED").ok().map_or_else(now, |seed| seed.parse().unwrap());
    println!("DIGEST_SEED={seed} repeats the moments");
    seed
}

/// C-R1, C-Q6: the acceptance. Five kills or more at random moments, one of them in the first half second.
#[tokio::test]
async fn a_killed_job_goes_on_and_reads_nothing_again_whose_sum_was_recorded() {
    let place = Place::new();
    let tree = place.file("tree");
    tree::make(&tree, 5_000);
    tree::make_odd(&tree);

    let began = Instant::now();
    let arguments = ["tree", "--db", "whole.db", "--sums", "whole.sums", "--json", "--concurrency", "8"];
    let whole = place.run(&arguments).report();
    println!("undisturbed: {:.1} s", began.elapsed().as_secs_f64());
    assert!(fs::read(place.file("whole.sums")).unwrap() == tree::sums(&tree), "not the sums that sha256sum gives");
    assert_eq!((&whole["files"], &whole["unreadable"]["count"]), (&5_005.into(), &2.into()));
    assert_eq!(whole["unreadable"]["first"][0][0], "cellar/");
    assert_eq!(whole["unreadable"]["first"][1][0], "secret");
    assert_eq!((&whole["identical"]["groups"], &whole["identical"]["files"]), (&1.into(), &100.into()));
    assert!(whole["peak_memory_bytes"].as_u64().unwrap() < MEMORY, "{whole}");

    let disturbed = Disturbed::run(&place, &tree, &mut Random::new(seed())).await;
    assert_eq!(found(&disturbed.report), found(&whole));
    assert_eq!(fs::read(place.file("sums")).unwrap(), fs::read(place.file("whole.sums")).unwrap());
    assert!(disturbed.peak < MEMORY, "{} bytes", disturbed.peak);
    let read: BTreeSet<_> = disturbed.ledger.iter().collect();
    assert_eq!(read.len(), 5_004, "every readable file was read");
    println!("{} files were read twice: their sums were not recorded yet", disturbed.ledger.len() - read.len());
}

struct Disturbed {
    report: Value,
    ledger: Vec<String>,
    peak: u64,
}

impl Disturbed {
    async fn run(place: &Place, tree: &Path, random: &mut Random) -> Self {
        let (db, ledger) = (place.file("digest.db"), place.file("ledger"));
        let arguments = ["tree", "--ledger", "ledger", "--sums", "sums", "--json", "--concurrency", "8"];
        let (mut peak, mut kills, mut execution) = (0, 0, None);
        // The recorded files at each kill, with the length of the ledger then.
        let mut kept: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        let ended = loop {
            let before = lines(&ledger).len();
            let (mut program, started) = (place.start(&arguments), Instant::now());
            if kills == 0 {
                let moment = Duration::from_millis(random.below(500).try_into().unwrap());
                program.wait_until(|| started.elapsed() >= moment);
            } else if program.wait_until(|| lines(&ledger).len() > before) {
                let first = started.elapsed();
                println!("  first file after {:.3} s", first.as_secs_f64());
                assert!(first < Duration::from_secs(2), "C-Q6: it waited for {first:?}");
                if kills == 6 {
                    break program.end();
                }
                let more = random.below((5_000 - before) / (7 - kills));
                program.wait_until(|| lines(&ledger).len() > before + more);
            }
            peak = peak.max(program.peak_memory());
            let ended = program.kill();
            kills += 1;
            let job = store::job(&db, tree).await;
            let (recorded, state) = job.as_ref().map_or((0, None), |job| (job.recorded.len(), Some(job.state)));
            println!("kill {kills}: {} lines in the ledger, {recorded} sums recorded, {state:?}", lines(&ledger).len());
            assert_ne!(state, Some(ExecutionState::Completed), "it was too fast to be killed so often");
            if let Some(job) = job {
                assert_eq!(*execution.get_or_insert(job.execution), job.execution);
                kept.insert(lines(&ledger).len(), job.recorded);
            }
            if before > 0 {
                assert!(ended.stderr.starts_with("resuming job "), "{}", ended.stderr);
            }
        };
        let report = ended.report();
        let last = kept.values().last().unwrap().len();
        let execution = execution.unwrap();
        let resuming = format!("resuming job {execution}: {} of 5,005 files done", thousands(last));
        assert_eq!(ended.stderr.lines().next().unwrap(), resuming);
        assert_eq!(report["execution"], execution.to_string());
        let ledger = lines(&ledger);
        for (length, recorded) in &kept {
            let again: Vec<_> = ledger[*length..].iter().filter(|path| recorded.contains(*path)).collect();
            assert!(again.is_empty(), "recorded and read again: {again:?}");
        }
        Self { peak: peak.max(report["peak_memory_bytes"].as_u64().unwrap()), report, ledger }
    }
}

fn thousands(number: usize) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", number / 1_000, number % 1_000) }
}

/// C-X4: a stopped job says how far it is, holds its database against other directories, and is finished by the same command.
#[tokio::test]
async fn a_stopped_job_is_finished_by_the_same_command_and_then_a_new_one_begins() {
    let place = Place::new();
    tree::make(&place.file("tree"), 600);
    fs::create_dir(place.file("other")).unwrap();
    let arguments = ["tree", "--ledger", "ledger", "--json", "--concurrency", "2"];

    let mut program = place.start(&arguments);
    assert!(program.wait_until(|| lines(&place.file("ledger")).len() >= 50));
    program.terminate();
    let stopped = program.end();
    assert_eq!((stopped.status.code(), stopped.stdout.as_str()), (Some(75), ""), "{stopped:?}");
    let last = stopped.stderr.lines().last().unwrap();
    assert!(last.starts_with("stopped: ") && last.ends_with(" of 600 files done; the same command goes on"), "{last}");
    let job = store::job(&place.file("digest.db"), &place.file("tree")).await.unwrap();
    assert!(last.contains(&format!(" {} of 600", job.recorded.len())), "{last}");
    assert_eq!(job.recorded.len(), lines(&place.file("ledger")).len(), "what was being read was finished");

    let other = place.run(&["other"]);
    let holds = format!("the database holds an unfinished job over {}/tree:", place.path().display());
    assert!(other.error(2).starts_with(&holds), "{other:?}");

    let finished = place.run(&arguments);
    let report = finished.report();
    assert_eq!((&report["resumed"], &report["done_before"]), (&true.into(), &job.recorded.len().into()));
    assert_eq!(lines(&place.file("ledger")).len(), 600, "every file was read once");

    let new = place.run(&arguments).report();
    assert_eq!(new["resumed"], false);
    assert_ne!(new["execution"], report["execution"]);
    assert_eq!(found(&new), found(&report));
    assert_eq!(lines(&place.file("ledger")).len(), 1_200, "a new job reads everything");
}

/// C-Y5: what failed is tried again, what succeeded is kept.
#[test]
fn a_failed_job_goes_on_from_what_failed_once_its_cause_is_gone() {
    let place = Place::new();
    tree::make(&place.file("tree"), 50);
    // In the way of the file that is written first.
    fs::create_dir(place.file("sums.new")).unwrap();
    let arguments = ["tree", "--ledger", "ledger", "--sums", "sums"];

    let failed = place.run(&arguments);
    assert!(failed.error(1).contains("cannot write sums: Is a directory"), "{failed:?}");
    fs::remove_dir(place.file("sums.new")).unwrap();
    let mended = place.run(&arguments);
    assert!(mended.status.success() && mended.stderr.starts_with("resuming job "), "{mended:?}");
    assert_eq!(fs::read(place.file("sums")).unwrap(), tree::sums(&place.file("tree")));
    assert_eq!(lines(&place.file("ledger")).len(), 50, "nothing was read again");
}

/// C-Q2, C-K3: two programs on one database are two workers of one job.
#[test]
fn two_programs_started_together_share_one_job() {
    let place = Place::new();
    tree::make(&place.file("tree"), 400);
    let arguments = ["tree", "--ledger", "ledger", "--json", "--concurrency", "2"];
    let programs = [place.start(&arguments), place.start(&arguments)];
    let [one, two] = programs.map(|program| program.end().report());
    assert_eq!(one["execution"], two["execution"]);
    assert_eq!(found(&one), found(&two));
    let ledger = lines(&place.file("ledger"));
    assert_eq!((ledger.len(), ledger.iter().collect::<BTreeSet<_>>().len()), (400, 400), "every file was read once");
}

/// The database stands in the directory that is digested.
#[test]
fn the_report_fits_a_terminal_and_leaves_out_the_programs_own_files() {
    let place = Place::new();
    let tree = place.file("tree");
    tree::make(&tree, 30);
    let long = "a name that is far too long for a line of a terminal, and goes on and on, and on";
    fs::write(tree.join(long), "twins").unwrap();
    fs::write(tree.join("twin"), "twins").unwrap();
    place.give_to_program(&tree);

    for run in 1..=2 {
        let ended = place.run(&["tree", "--db", "tree/jobs.db", "--sums", "tree/sums", "--ledger", "tree/ledger"]);
        assert!(ended.status.success(), "{ended:?}");
        let report: Vec<_> = ended.stdout.lines().collect();
        assert!(report.iter().all(|line| line.chars().count() <= 80), "{}", ended.stdout);
        assert!(report.contains(&"  files        32"), "run {run}: {}", ended.stdout);
        assert!(
            report.contains(&"  identical    2 files in 1 groups; 5 B of them could be spared"),
            "{}",
            ended.stdout
        );
        let listed = fs::read_to_string(tree.join("sums")).unwrap();
        assert_eq!(listed.lines().count(), 32, "{listed}");
    }
}
