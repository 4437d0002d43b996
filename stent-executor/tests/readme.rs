//! The README's example is the example `quickstart`, word for word, and runs.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where cargo puts the examples that it builds with the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(Path::parent).unwrap();
    built.join("examples").join(name)
}

fn repository(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

#[test]
fn the_readme_shows_what_quickstart_is() {
    let readme = repository("README.md");
    let (_, shown) = readme.split_once("```rust\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let source = repository("stent-executor/examples/quickstart.rs");
    let (_, source) = source.split_once("\n\n").unwrap();
    assert_eq!(shown, source);
}

#[test]
fn quickstart_runs_and_runs_again_on_the_same_database() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let output = Command::new(example("quickstart")).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "charged\n");
    }
}
