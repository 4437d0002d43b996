//! The checker can fail: one run by hand that is fine, and for each invariant one that violates it alone.

use stent_core::task::TaskState;
use stent_core::{ExecutionId, Timestamp};

use super::{Edge, Evidence, Task, judge};
use crate::functions::{BODY, item_value};
use crate::history::{Answer, Call, Recorded};
use crate::ledger::{Effect, What};

struct Run {
    execution: ExecutionId,
    evidence: Evidence,
}

impl Run {
    /// An execution of two steps that completed, was accepted, and gave its client its result.
    fn new() -> Self {
        let execution = ExecutionId::new(Timestamp::EPOCH);
        let mut run = Self { execution, evidence: Evidence::default() };
        run.task("faults::chain", vec![7.into()], Some("[\"a\",\"b\"]"));
        run.edges(&[
            (None, TaskState::Pending, None),
            (Some(TaskState::Pending), TaskState::Running, Some("one")),
            (Some(TaskState::Running), TaskState::Completed, Some("one")),
        ]);
        for (step, value) in ["a", "b"].iter().enumerate() {
            for what in [What::Start, What::End, What::Given] {
                run.effect(what, &format!("step {step}"), Some(value));
            }
        }
        run.effect(What::Return, "", Some("[\"a\",\"b\"]"));
        run.call(Call::Dispatch { number: 7 }, Answer::Ok { execution: Some(execution), value: None });
        run.call(Call::Wait { execution }, Answer::Ok { execution: None, value: Some("[\"a\",\"b\"]".into()) });
        run
    }

    fn task(&mut self, function: &str, input: Vec<serde_json::Value>, output: Option<&str>) {
        let task = Task {
            execution: self.execution,
            parent: None,
            index: None,
            function: function.into(),
            state: TaskState::Completed,
            attempt: 1,
            input,
            output: output.map(str::to_owned),
        };
        self.evidence.tasks.insert(self.execution.root(), task);
    }

    fn root(&mut self) -> &mut Task {
        self.evidence.tasks.get_mut(&self.execution.root()).unwrap()
    }

    fn edges(&mut self, edges: &[(Option<TaskState>, TaskState, Option<&str>)]) {
        let edges = edges.iter().map(|(was, is, token)| Edge {
            task: self.execution.root(),
            was: *was,
            is: *is,
            token: token.map(str::to_owned),
            reopened: false,
        });
        let edges: Vec<_> = edges.collect();
        self.evidence.edges.get_or_insert_default().extend(edges);
    }

    fn effect(&mut self, what: What, key: &str, value: Option<&str>) {
        let at = u64::try_from(self.evidence.effects.len()).unwrap() * 1_000_000;
        self.evidence.effects.push(Effect {
            what,
            execution: self.execution,
            task: self.execution.root(),
            key: key.into(),
            value: value.map(str::to_owned),
            attempt: 1,
            pid: 1,
            at,
        });
    }

    fn call(&mut self, call: Call, answer: Answer) {
        let begin = u64::try_from(self.evidence.calls.len()).unwrap() * 10;
        self.evidence.calls.push(Recorded { call, begin, end: Some(begin + 5), answer });
    }

    /// The invariants that are violated, each once.
    fn violated(&self) -> Vec<&'static str> {
        let mut found: Vec<_> = judge(&self.evidence).iter().map(|violation| violation.invariant).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn ok() -> Answer {
    Answer::Ok { execution: None, value: None }
}

fn refused(state: Option<&str>) -> Answer {
    Answer::Error { text: "no".into(), state: state.map(str::to_owned) }
}

#[test]
fn a_run_in_which_all_holds_has_no_violation() {
    assert_eq!(Run::new().violated(), <[&str; 0]>::default());
}

#[test]
fn s1_a_client_that_got_another_result() {
    let mut run = Run::new();
    run.root().output = Some("[\"a\",\"c\"]".into());
    assert_eq!(run.violated(), ["S1"]);
}

#[test]
fn s1_a_task_that_ended_twice() {
    let mut run = Run::new();
    run.edges(&[(Some(TaskState::Completed), TaskState::Failed, Some("one"))]);
    assert_eq!(run.violated(), ["S1", "S7"]);
}

#[test]
fn s2_a_token_that_claims_twice() {
    let mut run = Run::new();
    run.evidence.edges = None;
    run.edges(&[
        (None, TaskState::Running, Some("one")),
        (Some(TaskState::Running), TaskState::Suspended, Some("one")),
        (Some(TaskState::Suspended), TaskState::Pending, Some("one")),
        (Some(TaskState::Pending), TaskState::Running, Some("one")),
    ]);
    assert_eq!(run.violated(), ["S2"]);
}

#[test]
fn s3_a_step_that_starts_after_its_outcome_was_given() {
    let mut run = Run::new();
    run.effect(What::Start, "step 0", None);
    assert_eq!(run.violated(), ["S3"]);
}

#[test]
fn s3_a_replay_that_is_given_another_outcome() {
    let mut run = Run::new();
    run.effect(What::Given, "step 0", Some("c"));
    assert_eq!(run.violated(), ["S3"]);
}

#[test]
fn s3_a_replay_and_a_repeat_before_the_outcome_was_recorded_are_fine() {
    let mut run = Run::new();
    run.effect(What::Given, "step 0", Some("a"));
    run.effect(What::Start, "step 2", None);
    run.effect(What::Start, "step 2", None);
    assert_eq!(run.violated(), <[&str; 0]>::default());
}

#[test]
fn s4_an_operation_with_two_outcomes() {
    let mut run = Run::new();
    run.evidence.repeated.push((run.execution.root(), "step a".into()));
    assert_eq!(run.violated(), ["S4"]);
}

#[test]
fn s5_an_accepted_execution_that_is_gone() {
    let mut run = Run::new();
    run.evidence.tasks.clear();
    assert_eq!(run.violated(), ["S5"]);
}

#[test]
fn s5_a_refused_execution_that_is_there() {
    let mut run = Run::new();
    run.evidence.calls.clear();
    run.call(Call::Dispatch { number: 7 }, refused(None));
    assert_eq!(run.violated(), ["S5"]);
}

#[test]
fn s5_of_an_unknown_dispatch_nothing_is_concluded() {
    let mut run = Run::new();
    for number in [7, 8] {
        run.call(Call::Dispatch { number }, Answer::Unknown { text: String::new() });
    }
    assert_eq!(run.violated(), <[&str; 0]>::default());
}

#[test]
fn s22_a_dispatch_that_acted_twice() {
    let mut run = Run::new();
    let other = ExecutionId::new(Timestamp::EPOCH);
    let mut task = run.root().clone();
    task.execution = other;
    run.evidence.tasks.insert(other.root(), task);
    assert_eq!(run.violated(), ["S22"]);
}

#[test]
fn s6_an_execution_that_nothing_moves() {
    let mut run = Run::new();
    run.evidence.limbo.push((run.execution, "suspended".into()));
    assert_eq!(run.violated(), ["S6"]);
}

#[test]
fn s7_an_edge_that_the_protocol_does_not_know() {
    let mut run = Run::new();
    run.evidence.edges = None;
    run.edges(&[(None, TaskState::Pending, None), (Some(TaskState::Pending), TaskState::Completed, None)]);
    assert_eq!(run.violated(), ["S7"]);
}

#[test]
fn s8_a_cancelled_execution_that_completed() {
    let mut run = Run::new();
    run.call(Call::Cancel { execution: run.execution }, ok());
    assert_eq!(run.violated(), ["S8"]);
    let mut run = Run::new();
    run.call(Call::Cancel { execution: run.execution }, refused(Some("failed")));
    assert_eq!(run.violated(), ["S8"]);
    let mut run = Run::new();
    run.call(Call::Cancel { execution: run.execution }, refused(Some("completed")));
    assert_eq!(run.violated(), <[&str; 0]>::default());
}

/// An execution that waits for signals, three of which were sent one after the other.
fn listening(state: TaskState, given: &[&str]) -> Run {
    let mut run = Run::new();
    let execution = run.execution;
    run.evidence = Evidence::default();
    run.task("faults::listen", vec![7.into()], None);
    run.root().state = state;
    for value in 1..=3 {
        run.call(Call::Signal { execution, value }, ok());
    }
    for (wait, value) in given.iter().enumerate() {
        run.effect(What::Given, &format!("wait {wait}"), Some(value));
    }
    run
}

#[test]
fn s9_the_latest_value_wins() {
    let fine = |given: &[&str]| listening(TaskState::Suspended, given).violated().is_empty();
    assert!(fine(&["1", "2", "3"]) && fine(&["3"]) && fine(&["1", "3"]));
    assert!(!fine(&["3", "2"]), "an older value after a newer one");
    assert!(!fine(&["2", "2", "3"]), "one value for two waits");
    assert!(!fine(&["1", "2"]), "the last value was swallowed");
    assert!(!fine(&["9", "3"]), "nobody sent it");
}

#[test]
fn s9_a_pending_value_is_not_swallowed_nor_is_one_that_came_too_late() {
    let mut run = listening(TaskState::Suspended, &["1", "2"]);
    run.evidence.slots.insert(run.execution, 3);
    assert_eq!(run.violated(), <[&str; 0]>::default());
    assert_eq!(listening(TaskState::Completed, &["1", "2"]).violated(), <[&str; 0]>::default());
}

#[test]
fn s10_a_sleep_that_is_over_too_early() {
    let mut run = Run::new();
    run.effect(What::Start, "nap", Some("1000"));
    run.effect(What::Given, "nap", None);
    assert_eq!(run.violated(), ["S10"]);
}

#[test]
fn s11_more_starts_than_attempts() {
    let mut run = Run::new();
    run.root().function = "faults::poison".into();
    run.root().attempt = 3;
    run.evidence.edges = None;
    for _ in 0..3 {
        run.effect(What::Start, BODY, None);
    }
    assert_eq!(run.violated(), <[&str; 0]>::default());
    run.effect(What::Start, BODY, None);
    assert_eq!(run.violated(), ["S11"]);
}

#[test]
fn s11_a_start_that_was_not_counted() {
    let mut run = Run::new();
    run.evidence.edges = None;
    run.effect(What::Start, BODY, None);
    assert_eq!(run.violated(), <[&str; 0]>::default());
    run.root().attempt = 0;
    assert_eq!(run.violated(), ["S11"]);
}

#[test]
fn s11_code_that_runs_without_a_claim() {
    let mut run = Run::new();
    run.effect(What::Start, BODY, None);
    assert_eq!(run.violated(), <[&str; 0]>::default());
    run.effect(What::Start, BODY, None);
    assert_eq!(run.violated(), ["S11"]);
}

/// A crash of the server forgets one claim, and none of what is at most once.
#[test]
fn s11_a_claim_that_a_server_forgot() {
    let mut run = Run::new();
    run.effect(What::Start, BODY, None);
    run.effect(What::Start, BODY, None);
    run.evidence.crashes = 1;
    assert_eq!(run.violated(), <[&str; 0]>::default());
    run.effect(What::Start, BODY, None);
    assert_eq!(run.violated(), ["S11"]);
    let mut once = Run::new();
    once.root().function = "faults::flaky".into();
    once.effect(What::Start, BODY, None);
    assert_eq!(once.violated(), <[&str; 0]>::default());
    once.evidence.crashes = 1;
    once.effect(What::Start, BODY, None);
    assert_eq!(once.violated(), ["S11"]);
}

#[test]
fn s13_a_map_whose_results_are_not_those_of_its_items() {
    let mut run = Run::new();
    run.evidence = Evidence::default();
    let results: Vec<u64> = (0..3).map(|index| item_value(7, index)).collect();
    run.task("faults::batch", vec![7.into(), 3.into()], Some(&serde_json::to_string(&results).unwrap()));
    for index in 0..3 {
        let mut item = run.root().clone();
        (item.parent, item.index, item.function) = (Some(run.execution.root()), Some(index), "faults::item".into());
        run.evidence.tasks.insert(ExecutionId::new(Timestamp::EPOCH).root(), item);
    }
    assert_eq!(run.violated(), <[&str; 0]>::default());
    let swapped = [results[1], results[0], results[2]];
    run.root().output = Some(serde_json::to_string(&swapped).unwrap());
    assert_eq!(run.violated(), ["S13"]);
    run.root().output = Some(serde_json::to_string(&results).unwrap());
    let item = run.evidence.tasks.iter().find(|(_, task)| task.index == Some(1)).map(|(id, _)| *id).unwrap();
    run.evidence.tasks.remove(&item);
    assert_eq!(run.violated(), ["S13"]);
}
