//! Stored rows that cannot be read (S19): each ends its own task, with what is wrong, or is left alone; what is beside it completes, is listed, and is claimed no
//! more often than it must be.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use stent_core::backend::{DeadLetterFilter, ExecutionFilter, Page, TaskFilter};
use stent_core::claim::{ClaimFunction, ClaimRequest};
use stent_core::error::ErrorKind;
use stent_core::execution::ExecutionState;
use stent_core::{ClaimToken, WorkerId};
use stent_executor::prelude::*;
use stent_executor::{Execution, ExecutionError};
use stent_scenarios::{Bench, Probe, on_every_database};

#[durable(name = "echo", retry(initial_delay = "1s", jitter = 0.0))]
async fn echo(text: String) -> Result<String> {
    Ok(text)
}

#[durable(name = "nested")]
async fn nested(ctx: Ctx, text: String) -> Result<String> {
    ctx.call(waits(text)).await
}

#[durable(name = "waits")]
async fn waits(ctx: Ctx, text: String) -> Result<String> {
    let _: String = ctx.signal("go").await?;
    Ok(text)
}

/// What becomes of a task whose row is damaged.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Becomes {
    /// It fails as `CorruptRow`.
    Corrupt,
    /// Nobody claims it, and its state is no state.
    Unreadable,
    /// Nobody claims it.
    Waits,
    /// What was damaged is not needed.
    Runs,
}
use Becomes::{Corrupt, Runs, Unreadable, Waits};

/// What is set in the row of a task that is pending, on SQLite and on PostgreSQL.
const DAMAGES: [(&str, &str, &str, Becomes); 21] = [
    ("arguments are garbage", "input = x'00ff'", r"input = '\x00ff'", Corrupt),
    ("arguments are cut off", "input = CAST('[\"a' AS BLOB)", "input = '[\"a'", Corrupt),
    ("arguments are empty", "input = x''", "input = ''", Corrupt),
    ("arguments are of another type", "input = CAST('[7]' AS BLOB)", "input = '[7]'", Corrupt),
    ("arguments are sealed by another codec", "input = x'28b52ffd04'", r"input = '\x28b52ffd04'", Corrupt),
    ("the policy is no JSON", "retry = 'nonsense'", "retry = 'nonsense'", Corrupt),
    ("the policy breaks a rule", "retry = '{\"max_attempts\":0}'", "retry = '{\"max_attempts\":0}'", Corrupt),
    ("attempts are negative", "attempt = -7", "attempt = -7", Corrupt),
    ("deliveries, which a claim counts anew, are negative", "deliveries = -7", "deliveries = -7", Runs),
    ("the generation is negative", "generation = -1", "generation = -1", Corrupt),
    ("the last failure is no JSON", "failure = '{'", "failure = '{'", Corrupt),
    ("the mode of a memo is unknown", "memo_mode = 'sometimes'", "memo_mode = 'sometimes'", Corrupt),
    (
        "the key of a memo is too short",
        "memo_mode = 'idempotent', memo_key = x'00'",
        r"memo_mode = 'idempotent', memo_key = '\x00'",
        Corrupt,
    ),
    ("the fingerprint is too short", "fingerprint = x'00'", r"fingerprint = '\x00'", Corrupt),
    ("the queue has a control character", "queue = char(7)", "queue = chr(7)", Corrupt),
    ("the start is out of range", "started_at = 9223372036854775807", "started_at = 'infinity'", Corrupt),
    ("the depth is negative", "depth = -1", "depth = -1", Corrupt),
    ("the state is unknown", "state = 'dreaming'", "state = 'dreaming'", Unreadable),
    ("the function is unknown", "function = 'nobody'", "function = 'nobody'", Waits),
    ("the version is unknown", "version = '9'", "version = '9'", Waits),
    ("the place is another's", "ancestors = -5", "ancestors = -5", Runs),
];

/// Sets something in the row of an execution's root, whatever the schema has against it.
async fn damage(probe: &mut Probe, id: &str, on_sqlite: &str, on_postgres: &str) {
    let hex = id.replace('-', "");
    probe
        .run(
            &format!("UPDATE tasks SET {on_sqlite} WHERE id = x'{hex}'"),
            &format!("UPDATE tasks SET {on_postgres} WHERE id = '{id}'"),
        )
        .await;
}

/// Takes away what the schema holds rows to.
async fn unchecked(bench: &Bench) -> Probe {
    let mut probe = bench.probe().await;
    let no_checks = "DO $$ DECLARE c record; BEGIN
        FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint
            WHERE contype = 'c' AND connamespace = current_schema()::text::regnamespace LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname); END LOOP;
        FOR c IN SELECT attname FROM pg_attribute WHERE attrelid = 'tasks'::regclass AND attnum > 0 AND attnotnull
            AND attnum <> ALL ((SELECT indkey FROM pg_index WHERE indrelid = attrelid AND indisprimary)::int2[]) LOOP
            EXECUTE format('ALTER TABLE tasks ALTER COLUMN %I DROP NOT NULL', c.attname); END LOOP; END $$";
    let no_rules = "PRAGMA ignore_check_constraints = ON; PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(replace(replace(sql, 'INTEGER NOT NULL', 'INTEGER'), 'TEXT    NOT NULL', 'TEXT'),
            'BLOB    NOT NULL', 'BLOB') WHERE name = 'tasks';
        PRAGMA schema_version = 1000; PRAGMA writable_schema = RESET";
    probe.run(no_rules, no_checks).await;
    probe
}

/// S19
async fn a_damaged_row_ends_its_own_task_and_hinders_no_other(bench: Bench) {
    let process = bench.process(functions![echo]).await;
    let dispatch = |count: usize| process.stent.dispatch_all((0..count).map(|number| echo(number.to_string())));
    let before = dispatch(10).await.unwrap();
    let damaged = dispatch(DAMAGES.len()).await.unwrap();
    let after = dispatch(10).await.unwrap();
    let mut probe = unchecked(&bench).await;
    for (execution, (_, on_sqlite, on_postgres, _)) in damaged.iter().zip(DAMAGES) {
        damage(&mut probe, &execution.id().to_string(), on_sqlite, on_postgres).await;
    }
    let process = process.work(&bench, |worker| worker.concurrency(4)).await;
    for (number, good) in (0..10).zip(before.iter()).chain((0..10).zip(after.iter())) {
        assert_eq!(bench.until("good work", good.result()).await.unwrap(), number.to_string());
    }
    bench.pass(Duration::from_secs(120)).await;
    for (execution, (what, _, _, becomes)) in damaged.iter().zip(DAMAGES) {
        assert_eq!(became(&bench, execution).await, becomes, "{what}");
    }

    // Lists go on beside it, and so does what counts.
    let store = bench.backend().await;
    let listed = store.list_executions(&ExecutionFilter::default(), Page::first(1_000)).await.unwrap();
    let readable = DAMAGES.iter().filter(|(.., becomes)| *becomes != Corrupt && *becomes != Unreadable).count();
    assert!(listed.len() >= 20 + readable, "{} of {}", listed.len(), 20 + DAMAGES.len());
    assert!(store.list_tasks(&TaskFilter::default(), Page::first(1_000)).await.unwrap().len() >= 20 + readable);
    let _ = store.list_dead_letters(&DeadLetterFilter::default(), Page::first(1_000)).await.unwrap();
    // Nobody is at it for ever: an idle worker looks now and then.
    let calls = process.plan.count();
    bench.pass(Duration::from_secs(60)).await;
    assert!(process.plan.count() - calls < 600, "{} calls in a minute", process.plan.count() - calls);
}

async fn became(bench: &Bench, execution: &Execution<String>) -> Becomes {
    match execution.status().await {
        Err(ExecutionError::Backend(error)) => match error.kind() {
            ErrorKind::CorruptRow { .. } => Unreadable,
            kind => panic!("{kind:?}"),
        },
        Err(error) => panic!("{error}"),
        Ok(ExecutionState::Pending | ExecutionState::Scheduled) => Waits,
        Ok(ExecutionState::Completed) => Runs,
        Ok(ExecutionState::Failed) => match bench.until("the failure", execution.result()).await {
            Err(ExecutionError::Failed(failure)) if failure.class().as_str() == "CorruptRow" => Corrupt,
            other => panic!("{other:?}"),
        },
        Ok(state) => panic!("{state}"),
    }
}

/// S19 A journal that cannot be read fails its task; the graph of tasks may be broken, and nobody goes round in it.
async fn a_damaged_graph_hinders_no_other_execution(bench: Bench) {
    let process = bench.process(functions![echo, nested, waits]).await.work(&bench, |worker| worker).await;
    let calls = ["kind", "body", "orphan", "cycle", "foreign"].map(|text| nested(text.into()));
    let executions = process.stent.dispatch_all(calls).await.unwrap();
    bench.pass(Duration::from_secs(15)).await;
    let mut probe = unchecked(&bench).await;
    let ids: Vec<String> = executions.iter().map(|execution| execution.id().to_string()).collect();
    let blob = |id: &String| format!("x'{}'", id.replace('-', ""));
    for (at, on_sqlite, on_postgres) in [
        (
            0,
            "UPDATE journal SET kind = 'rumour' WHERE execution = ID",
            "UPDATE journal SET kind = 'rumour' WHERE execution = ID",
        ),
        (1, "UPDATE journal SET body = '{' WHERE execution = ID", "UPDATE journal SET body = '{' WHERE execution = ID"),
        (2, "DELETE FROM tasks WHERE id = ID", "DELETE FROM tasks WHERE id = ID"),
        (
            3,
            "UPDATE tasks SET parent = id WHERE execution = ID AND depth > 0",
            "UPDATE tasks SET parent = id WHERE execution = ID AND depth > 0",
        ),
        (
            4,
            "UPDATE tasks SET execution = OTHER WHERE execution = ID AND depth > 0",
            "UPDATE tasks SET execution = OTHER WHERE execution = ID AND depth > 0",
        ),
    ] {
        let named = |sql: &str, quote: &dyn Fn(&String) -> String| {
            sql.replace("ID", &quote(&ids[at])).replace("OTHER", &quote(&ids[0]))
        };
        probe.run(&named(on_sqlite, &blob), &named(on_postgres, &|id| format!("'{id}'"))).await;
    }
    for execution in &executions {
        // To one that is gone: an error, and no more.
        let _ = execution.signal("go", "now").await;
    }
    bench.pass(Duration::from_secs(60)).await;
    for execution in &executions {
        let _ = execution.cancel().await;
    }
    let good = process.stent.dispatch(echo("good".into())).await.unwrap();
    assert_eq!(bench.until("good work", good.result()).await.unwrap(), "good");
    let calls = process.plan.count();
    bench.pass(Duration::from_secs(60)).await;
    assert!(process.plan.count() - calls < 600, "{} calls in a minute", process.plan.count() - calls);
}

/// S19 The next thing that is due is asked for at every claim.
async fn a_time_out_of_range_stops_no_claim(bench: Bench) {
    let process = bench.process(functions![echo]).await;
    let late = process.stent.dispatch(echo("late".into()).delay("1d")).await.unwrap();
    let bounded = process.stent.dispatch(echo("bounded".into()).delay("1d").max_duration("1d")).await.unwrap();
    let mut probe = unchecked(&bench).await;
    damage(&mut probe, &late.id().to_string(), "due = 9223372036854775807", "due = 'infinity'").await;
    let far = ("deadline = 9223372036854775807, due = 9223372036854775807", "deadline = 'infinity', due = 'infinity'");
    damage(&mut probe, &bounded.id().to_string(), far.0, far.1).await;
    let process = process.work(&bench, |worker| worker).await;
    let good = process.stent.dispatch(echo("good".into())).await.unwrap();
    assert_eq!(bench.until("good work", good.result()).await.unwrap(), "good");
}

/// A column, and a value that its type can hold, as SQLite and PostgreSQL have it.
fn any_value() -> impl Strategy<Value = (&'static str, String, String)> {
    let both = |value: String| (value.clone(), value);
    let quoted = |text: String| format!("'{}'", text.replace('\'', "''"));
    let text =
        prop_oneof!["[^\0]{0,40}", "[\\[{][\\[{}\\]\":,a-z0-9.-]{0,60}"].prop_map(move |text| both(quoted(text)));
    let bytes = prop::collection::vec(any::<u8>(), 0..64).prop_map(|bytes| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        (format!("x'{hex}'"), format!(r"'\x{hex}'"))
    });
    let int = prop_oneof![any::<i32>(), -2..3].prop_map(move |number| both(number.to_string()));
    let long = any::<i64>().prop_map(move |number| both(format!("({number})")));
    let at = (
        any::<i64>(),
        prop::sample::select(vec!["infinity", "-infinity", "294276-01-01", "4713-01-01 BC", "1900-01-01"]),
    )
        .prop_map(|(number, at)| (format!("({number})"), format!("'{at}'")));
    static TEXTS: [&str; 11] = [
        "function",
        "version",
        "queue",
        "retry",
        "trace",
        "memo_mode",
        "state",
        "failure",
        "reason",
        "resume",
        "dedup",
    ];
    prop_oneof![
        (prop::sample::select(&TEXTS[..]), text),
        (prop::sample::select(&["fingerprint", "memo_key", "input", "output"][..]), bytes),
        (prop::sample::select(&["priority", "ancestors", "attempt", "deliveries", "generation", "depth"][..]), int),
        (prop::sample::select(&["memo_ttl", "max_duration", "cancelled_turn"][..]), long),
        (prop::sample::select(&["due", "created_at", "started_at", "deadline", "journal_from", "reopened_at"][..]), at),
    ]
    .prop_flat_map(|(column, (on_sqlite, on_postgres))| {
        let nothing = (column, "NULL".to_owned(), "NULL".to_owned());
        // What an older dump may lack.
        prop_oneof![4 => Just((column, on_sqlite, on_postgres)), 1 => Just(nothing)]
    })
}

fn claim_of(tasks: u32) -> ClaimRequest {
    ClaimRequest {
        worker: WorkerId::random(),
        token: ClaimToken::random(),
        lease: Duration::from_secs(10),
        limit: tasks,
        functions: [ClaimFunction { name: "echo".try_into().unwrap(), version: None, max_concurrent: None }].into(),
        queues: [].into(),
        tags: [].into(),
        take_expired: true,
        is_poll: false,
    }
}

/// S19 Whatever a column holds: no panic, and what is beside it is claimed and listed. `PROPTEST_CASES` says how many values are tried.
async fn any_value_in_any_column_is_survived(bench: Bench) {
    let (stent, store) = (bench.stent(functions![echo]).await, bench.backend().await);
    let mut probe = unchecked(&bench).await;
    let config = Config { rng_seed: RngSeed::Fixed(7), ..Config::default() };
    let (cases, mut runner) = (config.cases, TestRunner::new(config));
    for _ in 0..cases {
        let (column, on_sqlite, on_postgres) = any_value().new_tree(&mut runner).unwrap().current();
        let what = format!("{column}: {on_sqlite} or {on_postgres}");
        let calls = ["bad", "good"].map(|text| echo(text.into()));
        let [bad, good] = &stent.dispatch_all(calls).await.unwrap()[..] else { panic!("two") };
        let set = |value: &str| format!("{column} = {value}");
        damage(&mut probe, &bad.id().to_string(), &set(&on_sqlite), &set(&on_postgres)).await;
        let claimed = store.claim(bench.now(), &claim_of(4)).await;
        let claimed = claimed.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert!(claimed.tasks.iter().any(|task| task.execution == good.id()), "{what}");
        let listed = store.list_executions(&ExecutionFilter::default(), Page::first(10)).await;
        assert!(listed.unwrap().iter().any(|record| record.id == good.id()), "{what}");
        let _ = store.list_tasks(&TaskFilter::default(), Page::first(10)).await.unwrap();
        let _ = store.load(bad.id().root(), 0).await;
        let _ = store.expire(bench.now(), 10).await;
        let _ = (bad.status().await, bad.cancel().await);
        good.cancel().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        probe.run("DELETE FROM tasks", "DELETE FROM tasks").await;
    }
}

on_every_database![
    any_value_in_any_column_is_survived,
    a_damaged_row_ends_its_own_task_and_hinders_no_other,
    a_damaged_graph_hinders_no_other_execution,
    a_time_out_of_range_stops_no_claim,
];
