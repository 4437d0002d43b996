//! The differential test finds what it is for: its histories meet every answer, and a model with one rule broken does not pass.

mod broken;

use std::sync::Arc;

use async_trait::async_trait;
use stent_core::Backend;
use stent_testkit::conformance::Store;
use stent_testkit::memory::{MemoryBackend, MemoryStore};
use stent_testkit::model::{self, HISTORIES};

use broken::{Broken, Rule};

/// The model without one of its rules.
struct Defective(MemoryStore, Rule);

#[async_trait]
impl Store for Defective {
    async fn open(&self) -> Arc<dyn Backend> {
        let Self(store, rule) = self;
        let store = if *rule == Rule::AStoreOutlivesItsHandles { &MemoryStore::new() } else { store };
        Arc::new(Broken::new(MemoryBackend::open(store), *rule))
    }
}

/// S16, C-Q2: what is not met is not compared.
#[test]
fn the_histories_meet_every_answer_of_every_call() {
    let tally = model::tally(0..HISTORIES);
    let met = |answer: &str| tally.get(answer).copied().unwrap_or(0);
    let rare: Vec<_> = ANSWERS.iter().filter(|answer| met(answer) < 5).map(|answer| (answer, met(answer))).collect();
    assert!(rare.is_empty(), "too rare: {rare:?}\nof {tally:#?}");
}

/// S16: a defect is found within the histories that CI runs, and told by a history that can be read.
#[test]
fn a_broken_rule_is_found() {
    for &rule in Rule::ALL {
        let open = || async move { Defective(MemoryStore::new(), rule) };
        let found = model::first_difference(0..HISTORIES, &open);
        let seed = found.unwrap_or_else(|| panic!("nothing is seen of the absence of {rule:?}"));
        println!("{rule:?}: seed {seed}");
    }
}

/// S16: what is left of a history that differs is what it takes.
#[test]
fn a_history_that_differs_shrinks_to_a_few_calls() {
    let open = || async { Defective(MemoryStore::new(), Rule::DeadLettersAreStored) };
    let seed = model::first_difference(0..HISTORIES, &open).expect("some dead letter");
    let report = model::explain(seed, &open);
    let calls = report.lines().filter(|line| line.contains("0 s  ")).count();
    assert!(calls <= 4, "a dispatch, a claim, an end and a look are enough:\n{report}");
    assert!(report.contains("Complete([TaskEnd { claim: Claim { task: e"), "ids have short names:\n{report}");
}

/// S16: a panic is told like a difference.
#[test]
fn a_history_that_panics_shrinks_to_the_call_that_does() {
    let open = || async { Defective(MemoryStore::new(), Rule::NoCallPanics) };
    let report = model::explain(model::first_difference(0..HISTORIES, &open).expect("some lapse"), &open);
    assert!(report.starts_with("  >  00:00:00.000000  Lapse(w1)\na panic: a worker is gone"), "{report}");
}

/// Every answer that a contract knows to a call that changes something, and every shape of a turn and an end.
const ANSWERS: [&str; 80] = [
    "Dispatch Created",
    "Dispatch Existing",
    "Dispatch Conflict",
    "Cancel Done",
    "Cancel AlreadyFinal",
    "Cancel Unknown",
    "Redrive Done",
    "Redrive Unknown",
    "Redrive State",
    "Redrive NotResumable",
    "Expire gave some",
    "Expire gave none",
    "Claim fresh",
    "Claim with a journal",
    "Claim after an idle one",
    "Claim gave some",
    "Claim gave none",
    "Renew Renewed",
    "Renew Lost",
    "Renew Cancelled",
    "Lapse some",
    "Lapse none",
    "Write entries",
    "Write calls",
    "Write items",
    "Write dispatches",
    "Write cancels",
    "Write variables",
    "Write a signal",
    "Write no signal",
    "Write a wait's end",
    "Write ClaimLost",
    "Complete Completed Applied",
    "Complete Completed ClaimLost",
    "Complete Failed At a child Applied",
    "Complete Failed At an operation Applied",
    "Complete Failed At the end Applied",
    "Complete Failed At the end ClaimLost",
    "Complete Failed Restart Applied",
    "Complete Failed Restart ClaimLost",
    "Complete Failed Refused Applied",
    "Complete Failed Refused ClaimLost",
    "Complete Retry At a child Applied",
    "Complete Retry At an operation Applied",
    "Complete Retry At the end Applied",
    "Complete Retry At the end ClaimLost",
    "Complete Retry Restart Applied",
    "Complete Retry Restart ClaimLost",
    "Complete Retry Refused Applied",
    "Complete Released Applied",
    "Complete Released ClaimLost",
    "Suspend Yes",
    "Suspend Awake",
    "Suspend ClaimLost",
    "Send Stored",
    "Send Overwrote",
    "Send Unknown",
    "Send AlreadyFinal",
    "Reserve Yours",
    "Reserve Value",
    "Reserve Held",
    "Reserve Held by an ancestor",
    "Reserve ClaimLost",
    "Prune some",
    "Prune none",
    "Discard true",
    "Discard false",
    "Tasks",
    "MapItems",
    "Executions",
    "News",
    "Recall",
    "Read",
    "Load",
    "ListTasks",
    "ListExecutions",
    "ListJournal",
    "ListProgress",
    "ListDeadLetters",
    "reopened",
];
