//! Retries of functions: whether, when, and by which policy (C-Y1, C-Y2).

use std::collections::BTreeSet;

use stent_core::TaskId;
use stent_core::retry::ErrorClass;
use stent_executor::prelude::*;
use stent_executor::{Execution, ExecutionState};
use stent_scenarios::{Bench, on_every_backend};

use crate::scene::{by_hand, class, failure, note, quick, working};

/// Fails this often; writes down at which time each attempt begins, in milliseconds after `start`.
#[durable]
async fn flaky(ctx: Ctx, name: String, start: i64, failures: u32) -> Result<u32> {
    let at = (ctx.now().as_micros() - start) / 1_000;
    note(&ctx, format!("{name} {at}"));
    if ctx.attempt() <= failures {
        bail!("attempt {}", ctx.attempt());
    }
    Ok(ctx.attempt())
}

/// The times at which the attempts of a [`flaky`] began.
fn times(bench: &Bench, name: &str) -> Vec<u64> {
    let all = bench.ledger.all();
    all.iter().filter_map(|effect| effect.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).collect()
}

/// C-Y1
async fn delays_grow_by_the_factor_up_to_the_cap(bench: Bench) {
    let process = working(&bench, functions![flaky]).await;
    let policy = RetryPolicy::builder().max_attempts(5).initial_delay("1s").factor(3.0).max_delay("5s").jitter(0.0);
    let call = flaky("it".into(), bench.now().as_micros(), 4).retry(policy.build().unwrap());
    let execution = process.stent.dispatch(call).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 5);
    assert_eq!(times(&bench, "it"), [0, 1_000, 4_000, 9_000, 14_000]);
}

/// C-Y1: three attempts, after 1 s and 2 s, each spread by a tenth.
async fn by_default_there_are_three_attempts_with_a_spread(bench: Bench) {
    let process = working(&bench, functions![flaky]).await;
    let (start, names) = (bench.now().as_micros(), (0..12).map(|number| format!("no {number}")));
    let names: Vec<_> = names.collect();
    let calls = names.iter().map(|name| flaky(name.clone(), start, 9));
    let executions = process.stent.dispatch_all(calls).await.unwrap();
    let mut delays = BTreeSet::new();
    for (execution, name) in executions.iter().zip(&names) {
        let failure = failure(bench.until("the end", execution.result()).await);
        assert_eq!((failure.class().as_str(), failure.message()), ("Failure", "attempt 3"));
        let times = times(&bench, name);
        assert_eq!((times.len(), times[0]), (3, 0));
        // Whole milliseconds are cut off.
        assert!((900..=1_100).contains(&times[1]), "{times:?}");
        assert!((1_799..=2_200).contains(&(times[2] - times[1])), "{times:?}");
        delays.insert(times[1]);
    }
    assert!(delays.len() > 1, "all waited alike: {delays:?}");
}

/// C-Y1: a spread of everything makes no delay negative, and no delay is one.
async fn a_retry_may_come_at_once(bench: Bench) {
    let process = working(&bench, functions![flaky]).await;
    let spread = RetryPolicy::builder().max_attempts(8).initial_delay("1s").factor(1.0).jitter(1.0).build().unwrap();
    for (name, policy) in [("quick", quick(8).build().unwrap()), ("spread", spread)] {
        let call = flaky(name.into(), bench.now().as_micros(), 7).retry(policy);
        let execution = process.stent.dispatch(call).await.unwrap();
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 8);
    }
    assert_eq!(times(&bench, "quick"), [0; 8]);
    let spread = times(&bench, "spread");
    assert!(spread.windows(2).all(|two| two[0] <= two[1] && two[1] - two[0] <= 2_000), "{spread:?}");
}

#[derive(Debug, thiserror::Error, ErrorClass)]
enum PaymentError {
    #[error("the gateway did not answer")]
    Timeout,
    #[error("the card was declined")]
    Declined,
}

impl PaymentError {
    fn of(declined: bool) -> Self {
        if declined { Self::Declined } else { Self::Timeout }
    }
}

/// Fails with an error of its own type.
#[durable]
async fn pay(ctx: Ctx, case: String, declined: bool) -> Result<(), PaymentError> {
    note(&ctx, case);
    Err(PaymentError::of(declined))
}

/// Fails with any error.
#[durable]
async fn order(ctx: Ctx, case: String, declined: bool) -> Result<u32> {
    note(&ctx, case);
    if declined { Err(PaymentError::Declined)? } else { Ok("many".parse::<u32>()?) }
}

/// C-Y1
async fn classes_are_matched_by_full_name_type_or_variant(bench: Bench) {
    let process = working(&bench, functions![pay]).await;
    let cases: [(&[&str], usize, usize); 9] = [
        (&["PaymentError::Timeout"], 3, 1),
        (&["PaymentError"], 3, 3),
        (&["Timeout"], 3, 1),
        (&["Declined", "Timeout"], 3, 3),
        (&["Other", "Declined"], 1, 3),
        (&["Exception"], 3, 3),
        (&["Payment", "PaymentError::", "Time", "timeout"], 1, 1),
        (&["Other::Timeout"], 1, 1),
        (&[], 1, 1),
    ];
    for (patterns, timeouts, declines) in cases {
        for (declined, expected) in [(false, timeouts), (true, declines)] {
            let (case, policy) = (format!("{patterns:?} {declined}"), quick(3).retry_for(patterns).build().unwrap());
            let execution = process.stent.dispatch(pay(case.clone(), declined).retry(policy)).await.unwrap();
            let ended = class(bench.until("the end", execution.result()).await);
            assert_eq!(ended, if declined { "PaymentError::Declined" } else { "PaymentError::Timeout" });
            assert_eq!(bench.ledger.count(&case), expected, "{case}");
        }
    }
}

/// C-Y1: an error that was any error is known by its type alone.
async fn classes_behind_a_failure_are_matched_by_type(bench: Bench) {
    let process = working(&bench, functions![order]).await;
    for (pattern, declined, expected, name) in [
        ("ParseIntError", false, 3, "ParseIntError"),
        ("PaymentError", false, 1, "ParseIntError"),
        ("PaymentError", true, 3, "PaymentError"),
        ("Declined", true, 1, "PaymentError"),
    ] {
        let (case, policy) = (format!("{pattern} {declined}"), quick(3).retry_for([pattern]).build().unwrap());
        let execution = process.stent.dispatch(order(case.clone(), declined).retry(policy)).await.unwrap();
        assert_eq!(class(bench.until("the end", execution.result()).await), name);
        assert_eq!(bench.ledger.count(&case), expected, "{case}");
    }
}

mod before {
    //! A program before it was changed.
    use super::*;

    #[durable(name = "renewed", retry(max_attempts = 4, initial_delay = "7s", factor = 1, jitter = 0, retry_for = ["Failure"]))]
    pub(crate) async fn renewed(ctx: Ctx, start: i64) -> Result<()> {
        note(&ctx, format!("before {}", (ctx.now().as_micros() - start) / 1_000));
        bail!("before")
    }
}

mod after {
    //! The same program, with another policy and another error.
    use super::*;

    #[durable(name = "renewed", retry(max_attempts = 9, initial_delay = "1s", factor = 1, jitter = 0))]
    pub(crate) async fn renewed(ctx: Ctx, start: i64) -> Result<u32> {
        note(&ctx, format!("after {}", (ctx.now().as_micros() - start) / 1_000));
        // From the third attempt on it is of a class that the stored policy does not retry.
        if ctx.attempt() < 3 { bail!("after") } else { Ok("many".parse()?) }
    }
}

/// C-Y2, B31: what counts is what was stored with the task, classes included, whatever program runs it.
async fn a_restart_changes_nothing_of_a_policy(bench: Bench) {
    let old = working(&bench, functions![before::renewed]).await;
    let start = bench.now().as_micros();
    let execution = old.stent.dispatch(before::renewed(start)).await.unwrap().id();
    bench.settle().await;
    assert_eq!(bench.ledger.all(), ["before 0"]);
    old.worker().drain().await.unwrap();

    let new = working(&bench, functions![after::renewed]).await;
    let execution = new.stent.execution::<u32>(execution);
    assert_eq!(class(bench.until("the end", execution.result()).await), "ParseIntError");
    assert_eq!(bench.ledger.all(), ["before 0", "after 7000", "after 14000"]);
    let letter = new.stent.dead_letter(execution.id().root()).await.unwrap();
    let stored = RetryPolicy::builder().max_attempts(4).initial_delay("7s").factor(1.0).jitter(0.0);
    assert_eq!(letter.retry, stored.retry_for(["Failure"]).build().unwrap());
}

/// Stored policies of every age that are read, and how many attempts a failure of class `Failure` has by them.
const READ: [(&str, u32); 9] = [
    // The original's, with its root class, and one from before it stored classes.
    (
        r#"{"max_attempts":2,"initial_delay":0.0,"backoff_factor":2.0,"max_delay":60.0,"jitter":0.1,"retry_for":["Exception"]}"#,
        2,
    ),
    (r#"{"max_attempts":4,"initial_delay":0.0,"backoff_factor":2.0,"max_delay":60.0,"jitter":0.1}"#, 4),
    // Ours.
    (
        r#"{"backoff_factor":2.0,"initial_delay":0.0,"jitter":0.1,"max_attempts":2,"max_delay":60.0,"on_retry":"resume","retry_for":["Failure"]}"#,
        2,
    ),
    (r#"{"max_attempts":5,"initial_delay":0,"retry_for":["Timeout"]}"#, 1),
    (r#"{"max_attempts":5,"initial_delay":0,"retry_for":[]}"#, 1),
    // Numbers that are missing or null have their defaults.
    (r#"{"initial_delay":0}"#, 3),
    (r#"{"max_attempts":null,"initial_delay":0,"retry_for":null}"#, 3),
    (r#"{"max_attempts":2}"#, 2),
    // Fields of a later version.
    (r#"{"max_attempts":2,"initial_delay":0,"colour":"blue","budget":{"a":[1]}}"#, 2),
];

/// Texts that are no policy.
const BROKEN: [&str; 7] = [
    "nonsense",
    "[]",
    r#"{"max_attempts":"many"}"#,
    r#"{"max_attempts":0}"#,
    r#"{"retry_for":"Timeout"}"#,
    r#"{"jitter":2.0}"#,
    r#"{"on_retry":"again"}"#,
];

/// Always fails.
#[durable]
async fn fails(ctx: Ctx, case: usize) -> Result<()> {
    note(&ctx, format!("case {case}"));
    bail!("case {case}")
}

/// C-Y2: a program reads the policies of any age, and a dead letter bears the same.
async fn policies_of_every_age_are_read(bench: Bench) {
    let process = working(&bench, functions![fails]).await;
    for (case, (text, attempts)) in READ.into_iter().enumerate() {
        let policy = RetryPolicy::decode(text).unwrap();
        let execution = process.stent.dispatch(fails(case).retry(policy.clone())).await.unwrap();
        assert_eq!(class(bench.until("the end", execution.result()).await), "Failure", "{text}");
        assert_eq!(bench.ledger.count(&format!("case {case}")), attempts as usize, "{text}");
        let letter = process.stent.dead_letter(execution.id().root()).await.unwrap();
        assert_eq!((letter.retry, letter.attempts), (policy, attempts), "{text}");
    }
}

/// The retry policy in a row of this table.
async fn stored(bench: &Bench, table: &str, key: &str, task: TaskId) -> String {
    use sqlx::Connection as _;
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(bench.file().unwrap());
    let mut connection = sqlx::sqlite::SqliteConnection::connect_with(&file).await.unwrap();
    let statement = sqlx::AssertSqlSafe(format!("SELECT retry FROM {table} WHERE {key} = ?1"));
    sqlx::query_scalar(statement).bind(task.as_bytes().to_vec()).fetch_one(&mut connection).await.unwrap()
}

/// C-Y2, S19: rows with policies of every age side by side. One that cannot be read is an error of that row alone, and never has a default.
#[tokio::test]
async fn rows_of_every_age_are_retried_by_what_they_say() {
    let bench = Bench::sqlite();
    let client = bench.process(functions![fails]).await;
    let texts: Vec<&str> = READ.iter().map(|(text, _)| *text).chain(BROKEN).collect();
    let executions = client.stent.dispatch_all((0..texts.len()).map(fails)).await.unwrap();
    for (execution, text) in executions.iter().zip(&texts) {
        let root = execution.id().root();
        by_hand(bench.file().unwrap(), "UPDATE tasks SET retry = ?1 WHERE id = ?2", text, root).await;
    }
    let process = working(&bench, functions![fails]).await;
    for (case, (execution, text)) in executions.iter().zip(&texts).enumerate() {
        let ended = class(bench.until("the end", execution.result()).await);
        let (runs, broken) = (bench.ledger.count(&format!("case {case}")), case >= READ.len());
        let expected = if broken { (ErrorClass::CORRUPT_ROW, 0) } else { ("Failure", READ[case].1 as usize) };
        assert_eq!((ended.as_str(), runs), expected, "{text}");
        assert_eq!(execution.status().await.unwrap(), ExecutionState::Failed);
        if broken {
            let refused = execution.redrive().await.unwrap_err().to_string();
            assert!(refused.contains("its row cannot be read"), "{refused}");
        } else {
            for (table, key) in [("tasks", "id"), ("dead_letters", "task")] {
                assert_eq!(stored(&bench, table, key, execution.id().root()).await, *text, "nobody rewrites a policy");
            }
        }
    }
    let fresh: Execution<()> = process.stent.dispatch(fails(99)).await.unwrap();
    let root = fresh.id().root();
    assert_eq!(stored(&bench, "tasks", "id", root).await, RetryPolicy::default().encode());
    bench.until("the end", fresh.result()).await.unwrap_err();
    assert_eq!(stored(&bench, "dead_letters", "task", root).await, RetryPolicy::default().encode());
}

on_every_backend![
    delays_grow_by_the_factor_up_to_the_cap,
    by_default_there_are_three_attempts_with_a_spread,
    a_retry_may_come_at_once,
    classes_are_matched_by_full_name_type_or_variant,
    classes_behind_a_failure_are_matched_by_type,
    a_restart_changes_nothing_of_a_policy,
    policies_of_every_age_are_read,
];
