//! Values, errors and arguments on their way through the store: what arrives is what was sent, or it is refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::json;
use stent_executor::prelude::*;
use stent_executor::{ExecutionError, StentError};
use stent_scenarios::{Bench, on_every_backend};

#[derive(Debug, Clone, PartialEq, thiserror::Error, ErrorClass, Serialize, Deserialize)]
#[error_class(serialize)]
enum PayError {
    #[error("card declined: {0}")]
    Declined(String),
    #[error("no answer within {seconds} s")]
    Timeout { seconds: u32 },
}

#[derive(Debug, thiserror::Error)]
#[error("the ledger is closed")]
struct Closed(#[source] io::Error);

#[durable(retry(max_attempts = 1))]
async fn pays(kind: String) -> Result<u32, PayError> {
    match kind.as_str() {
        "declined" => Err(PayError::Declined("'no' means \"no\"".into())),
        _ => Err(PayError::Timeout { seconds: 30 }),
    }
}

#[durable(retry(max_attempts = 1))]
async fn reads(kind: String) -> Result<u32> {
    match kind.as_str() {
        "io" => Err(io::Error::new(io::ErrorKind::ConnectionRefused, "Failed to connect to db:5432"))?,
        "key" => Err("'order-17'".into_failure()),
        _ => Err(Closed(io::Error::other("cable cut")))?,
    }
}

#[durable]
async fn middle(ctx: Ctx, function: String, kind: String) -> Result<u32> {
    match function.as_str() {
        "pays" => ctx.call(pays(kind)).await,
        _ => ctx.call(reads(kind)).await,
    }
}

#[durable]
async fn top(ctx: Ctx, function: String, kind: String) -> Result<u32> {
    ctx.call(middle(function, kind)).await
}

/// C-Y5, B53: class, text, causes and details are at the top what they were at the bottom.
async fn an_error_comes_through_every_depth_as_it_was(bench: Bench) {
    let functions = functions![pays, reads, middle, top];
    let process = bench.process(functions).await.work(&bench, |worker| worker.concurrency(2)).await;
    let fails = async |function: &str, kind: &str| -> Failure {
        let execution = process.stent.dispatch(top(function.into(), kind.into())).await.unwrap();
        let error = bench.until("the failure", execution.result()).await.unwrap_err();
        error.failure().unwrap().clone()
    };
    let declined = fails("pays", "declined").await;
    assert_eq!(declined.class().as_str(), "PayError::Declined");
    assert_eq!(declined.message(), "card declined: 'no' means \"no\"");
    assert_eq!(declined.details::<PayError>(), Some(PayError::Declined("'no' means \"no\"".into())));
    let timeout = fails("pays", "timeout").await;
    assert_eq!((timeout.class().as_str(), timeout.message()), ("PayError::Timeout", "no answer within 30 s"));
    assert_eq!(timeout.details::<PayError>(), Some(PayError::Timeout { seconds: 30 }));
    let io = fails("reads", "io").await;
    assert_eq!((io.class().as_str(), io.message()), ("Error", "Failed to connect to db:5432"));
    let key = fails("reads", "key").await;
    assert_eq!((key.class().as_str(), key.message()), ("str", "'order-17'"));
    let closed = fails("reads", "closed").await;
    assert_eq!((closed.class().as_str(), closed.message()), ("Closed", "the ledger is closed"));
    assert_eq!(closed.record().chain, ["cable cut"]);
    for failure in [declined, timeout, io, key, closed] {
        let origin = failure.record().origin.clone().unwrap();
        assert!(origin.function.ends_with("::pays") || origin.function.ends_with("::reads"), "{origin:?}");
    }
    assert_eq!(bench.dead_letters().await.len(), 5);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    by_number: BTreeMap<i64, String>,
    by_text: HashMap<String, (u8, String)>,
    unique: BTreeSet<u64>,
    nested: Vec<Option<Vec<u8>>>,
    float: f64,
    large: u64,
    negative: i64,
    text: String,
    tagged: serde_json::Value,
    unit: (),
    choice: Vec<Choice>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Choice {
    Nothing,
    One(char),
    Named { bytes: Vec<u8> },
}

fn everything() -> Everything {
    Everything {
        by_number: [(-1, "minus one".into()), (7, String::new())].into(),
        by_text: [("__type__".into(), (1, "Result".into()))].into(),
        unique: [3, 1, u64::MAX].into(),
        nested: vec![None, Some(vec![0, 255]), Some(Vec::new())],
        float: 0.1 + 0.2,
        large: u64::MAX,
        negative: i64::MIN,
        text: "naïve \u{0} \u{1f980} \"quoted\"\n".into(),
        tagged: json!({"__type__": "Exception", "cls": "KeyError", "ok": null}),
        unit: (),
        choice: vec![Choice::Nothing, Choice::One('ü'), Choice::Named { bytes: vec![1] }],
    }
}

#[durable]
async fn echo(value: Everything) -> Result<Everything> {
    Ok(value)
}

#[durable]
async fn echoes(ctx: Ctx, value: Everything) -> Result<(Everything, Everything)> {
    let child = ctx.call(echo(value.clone())).await?;
    let step = ctx.step("echo", async || Ok::<_, Failure>(value.clone())).await?;
    Ok((child, step))
}

/// C-K1, B54: values come back as they were, whatever is in them; nothing in them is taken for anything of Stent's own.
async fn a_value_comes_back_as_it_was(bench: Bench) {
    let process = bench.process(functions![echo, echoes]).await.work(&bench, |worker| worker.concurrency(1)).await;
    let execution = process.stent.dispatch(echoes(everything())).await.unwrap();
    let (child, step) = bench.until("the echo", execution.result()).await.unwrap();
    assert_eq!(child, everything());
    assert_eq!(step, everything());
}

#[durable(cached)]
async fn average(values: Vec<Option<f64>>) -> Result<Option<f64>> {
    let sum: f64 = values.iter().flatten().sum();
    Ok(Some(sum / if values.is_empty() { 0.0 } else { 2.0 }))
}

#[durable]
async fn nothing_of_something(deep: bool) -> Result<Option<Option<u32>>> {
    Ok(if deep { Some(None) } else { None })
}

/// B54: what JSON has no form for is refused where it is given, and never stored as something else.
async fn a_value_that_json_cannot_hold_is_refused(bench: Bench) {
    let functions = functions![average, nothing_of_something];
    let process = bench.process(functions).await.work(&bench, |worker| worker.concurrency(1)).await;
    for value in [f64::NAN, f64::INFINITY] {
        let refused = process.stent.dispatch(average(vec![Some(value)])).await;
        assert!(matches!(refused, Err(StentError::Call(_))), "{refused:?}");
    }
    let execution = process.stent.dispatch(average(vec![Some(1.0), None])).await.unwrap();
    assert_eq!(bench.until("the average", execution.result()).await.unwrap(), Some(0.5));

    let execution = process.stent.dispatch(average(Vec::new())).await.unwrap();
    let error = bench.until("the refusal", execution.result()).await.unwrap_err();
    assert!(matches!(&error, ExecutionError::Failed(failure) if failure.message().contains("NaN")), "{error:?}");
    let execution = process.stent.dispatch(nothing_of_something(false)).await.unwrap();
    assert_eq!(bench.until("nothing", execution.result()).await.unwrap(), None);
    let execution = process.stent.dispatch(nothing_of_something(true)).await.unwrap();
    let error = bench.until("the refusal", execution.result()).await.unwrap_err();
    assert!(matches!(&error, ExecutionError::Failed(failure) if failure.message().contains("Some(None)")), "{error:?}");
}

type Arguments = (u32, i32, String, String, Vec<String>, String, u32);

/// Its arguments bear the names of options.
#[durable(name = "shop::charge")]
async fn charge(
    function: u32,
    priority: i32,
    queue: String,
    delay: String,
    tags: Vec<String>,
    max_duration: String,
    retry: u32,
) -> Result<Arguments> {
    Ok((function, priority, queue, delay, tags, max_duration, retry))
}

/// C-Q1, B57: an argument is an argument, whatever it is called.
async fn arguments_named_like_options_reach_the_function(bench: Bench) {
    let process = bench.process(functions![charge]).await.work(&bench, |worker| worker.concurrency(1)).await;
    let call = || charge(1, 7, "mail".into(), "1h".into(), vec!["x".into()], "1s".into(), 9);
    let execution = process.stent.dispatch(call().priority(3).queue("shop")).await.unwrap();
    let arguments = bench.until("the arguments", execution.result()).await.unwrap();
    assert_eq!(arguments, (1, 7, "mail".into(), "1h".into(), vec!["x".into()], "1s".into(), 9));
    let task = &bench.tasks(execution.id()).await[0];
    assert_eq!((task.priority, task.queue.as_ref().unwrap().as_str(), task.tags.len()), (3, "shop", 0));
}

on_every_backend![
    an_error_comes_through_every_depth_as_it_was,
    a_value_comes_back_as_it_was,
    a_value_that_json_cannot_hold_is_refused,
    arguments_named_like_options_reach_the_function,
];
