//! Retries of functions: whether, when, and by which policy (C-Y1, C-Y2).

use std::collections::BTreeSet;
use std::time::Duration;

use stent_core::TaskId;
use stent_core::retry::ErrorClass;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_executor::{Execution, ExecutionState};
use stent_scenarios::{Bench, on_every_backend, soon};

use crate::scene::{by_hand, class, eventually, failure, note, quick, tasks, working};

/// Fails this often; writes down each attempt.
#[durable]
async fn flaky(ctx: Ctx, name: String, failures: u32) -> Result<u32> {
    note(&ctx, name);
    if ctx.attempt() <= failures {
        bail!("attempt {}", ctx.attempt());
    }
    Ok(ctx.attempt())
}

/// How long a task waits for its retry from now on, in microseconds.
async fn delay(bench: &Bench, execution: &Execution<u32>) -> u64 {
    let due = async || {
        let task = tasks(bench, execution.id()).await.remove(0);
        task.due.filter(|due| task.state == TaskState::Scheduled && *due > bench.now())
    };
    eventually("it waits for its retry", async || due().await.is_some()).await;
    u64::try_from(due().await.unwrap().as_micros() - bench.now().as_micros()).unwrap()
}

/// C-Y1: not a microsecond earlier.
async fn delays_grow_by_the_factor_up_to_the_cap(bench: Bench) {
    let process = working(&bench, functions![flaky]).await;
    let policy = RetryPolicy::builder().max_attempts(5).initial_delay("1s").factor(3.0).max_delay("5s").jitter(0.0);
    let call = flaky("it".into(), 4).retry(policy.build().unwrap());
    let execution = process.stent.dispatch(call).await.unwrap();
    for (attempts, seconds) in [1, 3, 5, 5].into_iter().enumerate() {
        let delay = Duration::from_micros(delay(&bench, &execution).await);
        assert_eq!(delay, Duration::from_secs(seconds));
        bench.leap(delay - Duration::from_micros(1)).await;
        assert_eq!(bench.ledger.count("it"), attempts + 1);
        bench.leap(Duration::from_micros(1)).await;
    }
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 5);
}

/// C-Y1: three attempts, after 1 s and 2 s, each spread by a tenth.
async fn by_default_there_are_three_attempts_with_a_spread(bench: Bench) {
    let process = working(&bench, functions![flaky]).await;
    let mut delays = BTreeSet::new();
    for number in 0..12 {
        let name = format!("no {number}");
        let execution = process.stent.dispatch(flaky(name.clone(), 9)).await.unwrap();
        for range in [900_000..=1_100_000, 1_800_000..=2_200_000] {
            let delay = delay(&bench, &execution).await;
            assert!(range.contains(&delay), "{delay} is not in {range:?}");
            delays.insert(delay);
            bench.leap(Duration::from_micros(delay)).await;
        }
        let failure = failure(bench.until("the end", execution.result()).await);
        assert_eq!((failure.class().as_str(), failure.message()), ("Failure", "attempt 3"));
        assert_eq!(bench.ledger.count(&name), 3);
    }
    assert!(delays.len() > 4, "all waited alike: {delays:?}");
}

/// C-Y1: no delay is one, and a spread of everything makes none negative.
async fn a_retry_may_come_at_once(bench: Bench) {
    let process = working(&bench, functions![flaky]).await;
    let (began, call) = (bench.now(), flaky("quick".into(), 7).retry(quick(8).build().unwrap()));
    let execution = process.stent.dispatch(call).await.unwrap();
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 8);
    assert_eq!(bench.now(), began, "no time has passed");

    let spread = RetryPolicy::builder().max_attempts(9).initial_delay("1s").factor(1.0).jitter(1.0).build().unwrap();
    let execution = process.stent.dispatch(flaky("spread".into(), 8).retry(spread)).await.unwrap();
    for _ in 0..8 {
        let delay = delay(&bench, &execution).await;
        assert!(delay <= 2_000_000, "{delay}");
        bench.leap(Duration::from_micros(delay)).await;
    }
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 9);
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
    pub(crate) async fn renewed(ctx: Ctx) -> Result<u32> {
        note(&ctx, "before");
        bail!("before")
    }
}

mod after {
    //! The same program, with another policy and another error.
    use super::*;

    #[durable(name = "renewed", retry(max_attempts = 9, initial_delay = "1s", factor = 1, jitter = 0))]
    pub(crate) async fn renewed(ctx: Ctx) -> Result<u32> {
        note(&ctx, "after");
        // From the third attempt on it is of a class that the stored policy does not retry.
        if ctx.attempt() < 3 { bail!("after") } else { Ok("many".parse()?) }
    }
}

/// C-Y2, B31: what counts is what was stored with the task, classes included, whatever program runs it.
async fn a_restart_changes_nothing_of_a_policy(bench: Bench) {
    let old = working(&bench, functions![before::renewed]).await;
    let execution = old.stent.dispatch(before::renewed()).await.unwrap();
    assert_eq!(delay(&bench, &execution).await, 7_000_000);
    old.worker().drain().await.unwrap();

    let new = working(&bench, functions![after::renewed]).await;
    bench.leap(Duration::from_secs(7)).await;
    assert_eq!(delay(&bench, &execution).await, 7_000_000);
    bench.leap(Duration::from_secs(7)).await;
    assert_eq!(class(bench.until("the end", execution.result()).await), "ParseIntError");
    assert_eq!(bench.ledger.all(), ["before", "after", "after"]);
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
