//! The example `two_workers`: what it tells is so, and fits a terminal.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const DATABASE: &str = "DATABASE_URL";
const LENT: &str = "STENT_TEST_POSTGRES_URL";

/// Where cargo puts the examples that it builds with the tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples/two_workers")
}

fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    text.lines().for_each(|line| assert!(line.chars().count() <= 80, "{line}"));
    text
}

fn run(database: Option<&str>, arguments: &[&str]) -> (Output, String, String) {
    let mut command = Command::new(example());
    command.args(arguments).env_remove(DATABASE).env_remove(LENT);
    if let Some(database) = database {
        command.env(DATABASE, database);
    }
    let output = command.output().unwrap();
    let (told, trouble) = (text(&output.stdout), text(&output.stderr));
    (output, told, trouble)
}

/// C-Q6, C-R1.
#[test]
fn one_worker_is_killed_and_the_other_goes_on_within_a_lease() {
    let lent = std::env::var(LENT).unwrap_or_default();
    assert!(
        !lent.is_empty(),
        "a server is named by {LENT}: run the tests by `cargo xtask test`, or in `cargo xtask postgres -- …`"
    );
    let (output, told, trouble) = run(Some(&lent), &[]);
    assert!(output.status.success(), "{told}{trouble}");
    let (before, after) = told.split_once("kill -9 of A").unwrap();
    let is_of = |line: &&str, name: &str| line.split_whitespace().nth(2) == Some(name);
    assert!(before.lines().any(|line| is_of(&line, "B")), "{told}");
    assert!(after.contains(", which A was at"), "{told}");
    assert!(after.contains("the order is complete: 12 parts"), "{told}");
    let took =
        told.split_once("B went on with A's parts ").and_then(|(_, took)| took.split_once(" s after")).unwrap().0;
    assert!(took.parse::<f64>().unwrap() < 5.0 + 1.0, "a lease is 5 s:\n{told}");
    // What a step said before the kill, it says again at most once, and only where the dead worker had not recorded it.
    let (_, counted) = told.split_once("24 steps, ").unwrap();
    let begun: usize = counted.split(' ').next().unwrap().parse().unwrap();
    assert!((25..=32).contains(&begun), "{told}");
}

#[test]
fn without_a_database_it_says_what_to_do() {
    for database in [None, Some("")] {
        let (output, told, trouble) = run(database, &[]);
        assert_eq!((output.status.code(), told.as_str()), (Some(2), ""));
        assert!(trouble.starts_with("error: which database?"), "{trouble}");
        assert!(trouble.contains("cargo xtask postgres -- cargo run --example two_workers"), "{trouble}");
    }
    let (output, told, _) = run(None, &["--help"]);
    assert!(output.status.success() && told.contains("Usage: two_workers [URL]"));
    let (output, _, trouble) = run(None, &["postgres://stent:s3cret@127.0.0.1:1/none"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(trouble.starts_with("error: ") && !trouble.contains("s3cret"), "{trouble}");
}
