//! Every example runs, and says what is written here.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// What each example prints when it is run in an empty folder; words in capitals stand for what differs from run to run.
const TOLD: [(&str, &str); 11] = [
    ("simple_flow", "100 + 10 + 5 = 115\nit is completed\n"),
    (
        "batch_processing",
        "img_1_grey.jpg\nimg_2_grey.jpg\nimg_4_grey.jpg\nimg_5_grey.jpg\nimg_6_grey.jpg\nimg_8_grey.jpg\nimg_9_grey.jpg\nimg_10_grey.jpg\n\
         lost: image 3 cannot be downloaded (after 3 attempts)\nlost: image 7 cannot be downloaded (after 3 attempts)\n",
    ),
    (
        "media_pipeline",
        "extracting the audio of talk.mp4\nwhat is said in talk.mp4.wav and 3 thumbnails\n\
         what is said in talk.mp4.wav and 3 thumbnails\nthe execution failed: the header of corrupt.mp4 is corrupt\n",
    ),
    (
        "saga_trip_booking",
        "booked a flight in Lisbon\nbooked a hotel in Lisbon\nbooked a car in Lisbon\nLisbon: 3 bookings\n\n\
         booked a flight in Monaco\nbooked a hotel in Monaco\ncancelled the hotel in Monaco\ncancelled the flight in Monaco\n\
         Monaco: the execution failed: no cars in Monaco\n",
    ),
    (
        "research_agent",
        "thinking about durable execution\n\
         5 sources, the first: a summary of the text of https://example.org/durable-execution-critics/1\n\
         5 sources, the first: a summary of the text of https://example.org/durable-execution-critics/1\n",
    ),
    (
        "failing_flow",
        "looking up the address of order 7\nfailed: the printer is out of paper (class OutOfPaper)\n\
         dead letter: the printer is out of paper after 2 attempts\nafter the redrive: a label for 7 Main Street\n",
    ),
    ("approval", "120 EUR are paid\n9000 EUR are refused\n45 EUR go to the boss: nobody said a word\n"),
    ("transactional_dispatch", ORDERS),
    ("transactional_dispatch_postgres", ORDERS),
    ("health", "at work: live 200, ready 200\nstopped: live 503, ready 503\n"),
    (
        "opentelemetry",
        "TRACE SPAN/SPAN activation charge\nTRACE SPAN/SPAN activation order\nTRACE SPAN/SPAN dispatch order\n\
         TRACE SPAN/SPAN step check\norder 7 is charged\n",
    ),
];

const ORDERS: &str = "order 1 is shipped\norder 2 is not paid: there is no such execution, or retention has deleted it\n1 order in the shop\n";

/// Where cargo puts the examples that it builds with the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples").join(name)
}

fn run(name: &str, folder: &TempDir) -> Output {
    Command::new(example(name)).current_dir(folder).env_remove("OTEL_EXPORTER_OTLP_ENDPOINT").output().unwrap()
}

fn text(output: &Output) -> String {
    let told = String::from_utf8(output.stdout.clone()).unwrap();
    told.lines().for_each(|line| assert!(line.chars().count() <= 100, "{line}"));
    told
}

fn told(name: &str) -> String {
    let output = run(name, &TempDir::new().unwrap());
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    text(&output)
}

fn expected(name: &str) -> &'static str {
    TOLD.iter().find(|(of, _)| *of == name).unwrap().1
}

macro_rules! says_what_is_written_here {
    ($($name:ident),*) => {
        $(#[test] fn $name() { assert_eq!(told(stringify!($name)), expected(stringify!($name))); })*
    };
}

says_what_is_written_here![
    simple_flow,
    batch_processing,
    media_pipeline,
    saga_trip_booking,
    research_agent,
    failing_flow,
    approval,
    transactional_dispatch,
    transactional_dispatch_postgres,
    health
];

#[test]
fn resume_after_crash() {
    let folder = TempDir::new().unwrap();
    let first = run("resume_after_crash", &folder);
    assert!(!first.status.success());
    let told = text(&first);
    assert_eq!(told, "grind\nboil\npour\n... and the power is gone. Start the program again.\n");
    // What was recorded does not run again; what was at work does.
    let second = run("resume_after_crash", &folder);
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    assert_eq!(text(&second), "pour\nserve\na cup of coffee\n");
    assert_eq!(text(&run("resume_after_crash", &folder)), "a cup of coffee\n");
}

#[test]
fn opentelemetry() {
    let told = told("opentelemetry");
    let traces: BTreeSet<&str> =
        told.lines().filter(|line| line.contains('/')).map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(traces.len(), 1, "one trace:\n{told}");
    // Spans come as they end, by threads of their own.
    let mut lines: Vec<String> = told.lines().map(|line| plain(line, traces.first().unwrap())).collect();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.join("\n") + "\n", expected("opentelemetry"));
}

fn plain(line: &str, trace: &str) -> String {
    let word = |word: &str| match word {
        _ if word == trace => "TRACE".to_owned(),
        _ if word.contains('/') => "SPAN/SPAN".to_owned(),
        _ => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn prometheus() {
    let told = told("prometheus");
    for line in [
        "stent_dispatches_total{function=\"add\"} 3",
        "stent_claims_total{function=\"add\"} 3",
        "stent_active_tasks 0",
        "stent_activation_seconds_bucket{function=\"add\",outcome=\"completed\",le=\"+Inf\"} 3",
    ] {
        assert!(told.lines().any(|other| other == line), "{line}\n\n{told}");
    }
}

#[test]
fn every_example_is_run_and_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap();
    let (tests, list) = (read("tests/examples.rs"), read("README.md"));
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".rs"));
    assert!(names.len() > 10);
    for name in names.iter().map(|name| name.trim_end_matches(".rs")) {
        assert!(list.contains(&format!("[`{name}`]({name}.rs)")), "{name} is not in the list of README.md");
        let is_run = [format!("    {name},\n"), format!("    {name}\n"), format!("fn {name}()")]
            .iter()
            .any(|test| tests.contains(test));
        assert!(is_run, "{name} has no test");
    }
}
