//! Every control: a promise that is broken, and the test that must notice.

/// A defect that can be chosen, and what finds it.
pub(crate) struct Control {
    pub(crate) name: &'static str,
    /// The crate that holds it.
    pub(crate) package: &'static str,
    /// What goes wrong while it is chosen.
    pub(crate) breaks: &'static str,
    /// The test program of the crate; its own tests bear the crate's name.
    pub(crate) program: &'static str,
    pub(crate) test: &'static str,
}

macro_rules! controls {
    ($($package:literal { $($name:literal, $breaks:literal, $program:literal, $test:literal;)* })*) => {
        pub(crate) const CONTROLS: &[Control] = &[$($(
            Control { name: $name, package: $package, breaks: $breaks, program: $program, test: $test },
        )*)*];
    };
}

controls! {
    "stent-executor" {
        "order-entry", "a child's outcome leaves no entry",
            "stent_executor", "activation::programs::random_programs_replay_and_fence_one";
        "step-before-order", "steps start before it is committed",
            "stent_executor", "activation::programs::random_programs_replay_and_fence_one";
        "outcome-before-commit", "a step's outcome is given unwritten",
            "stent_executor", "activation::programs::random_programs_replay_and_fence_one";
        "signal-before-outcomes", "a signal is taken out of turn",
            "stent_executor", "activation::programs::random_programs_replay_and_fence_one";
        "child-identity", "a replay makes other children",
            "crash_points", "scenarios::a_sequence_survives_every_crash_point_in_memory";
        "written-turns", "changed code is not flagged",
            "stent_executor", "activation::programs::random_programs_replay_and_fence_one";
        "closed-chunks", "a chunk's range is off by one",
            "stent_executor", "activation::programs::random_programs_replay_and_fence_one";
        "lost-claims", "code of a lost claim runs on",
            "worker", "claims::code_whose_claim_was_taken_by_another_is_dropped_and_writes_nothing";
    }
    "stent-backend-sqlite" {
        "token-check", "an end needs no token",
            "conformance", "conformance::fencing::a_claim_that_was_taken_over_writes_nothing";
        "attempt-on-failure", "a crash uses no attempt up",
            "conformance", "conformance::takeover::a_claim_with_an_empty_journal_is_an_attempt";
        "limit-before-filter", "a claim sees the first rows alone",
            "conformance", "conformance::claim::no_crowd_of_others_makes_a_claim_falsely_empty";
        "take-without-entry", "a signal is taken and not journaled",
            "conformance", "conformance::signal::a_taken_value_is_journaled_as_the_outcome_of_its_wait";
        "parent-not-woken", "a child's end wakes nobody",
            "conformance", "conformance::wake::the_end_of_a_calls_child_wakes_its_parent";
        "end-without-effects", "an end drops its notes",
            "conformance", "conformance::complete::a_completion_bears_its_last_changes_and_notes";
        "cancel-without-guard", "a cancel overwrites an end",
            "conformance", "conformance::cancel::an_ended_execution_is_not_cancelled";
        "redrive-of-completed", "a redrive is not refused",
            "conformance", "conformance::refusal::an_execution_that_did_not_fail_is_refused";
        "retry-policy-lost", "the store forgets the retry policy",
            "conformance", "conformance::dispatch::what_was_dispatched_is_what_is_claimed_and_shown";
    }
    "stent-backend-postgres" {
        "suspend-at-once", "a suspension checks without locks",
            "suspension", "a_suspension_waits_for_a_send_that_is_under_way";
        "mixed-depths", "a batch locks parents before children",
            "batches", "an_end_that_waits_for_its_task_does_not_hold_the_parent";
        "locks-without-order", "a tree is locked as it comes",
            "trees", "however_executions_end_nothing_is_left_open_below_what_has_ended";
        "parents-unlocked", "an end does not hold its parent",
            "conformance", "conformance::suspend::an_end_and_a_suspension_at_once_lose_no_wake_up";
        "take-without-sequence", "a repeated take acts twice",
            "conformance", "conformance::signal::a_repeated_take_answers_with_the_same_value";
        "renewed-though-lost", "a lost lease is renewed",
            "conformance", "conformance::lease::a_claim_taken_over_is_lost";
        "places-unlocked", "claims count places without a lock",
            "claims", "no_more_places_are_held_than_there_are";
        "claim-what-was-seen", "a claim takes what others took",
            "conformance", "conformance::race::many_workers_claim_each_task_once";
    }
}
