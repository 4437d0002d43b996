//! Options of functions and calls, and arguments of the same names.

use std::time::Duration;

use stent_core::task::TaskRecord;
use stent_executor::Registration;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, on_every_backend};

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

#[durable(queue = "mail", tags = ["slow"], priority = 9, max_duration = "1h")]
async fn optioned() -> Result<u32> {
    Ok(7)
}

#[durable]
async fn calls(ctx: Ctx) -> Result<u32> {
    ctx.call(optioned()).await
}

async fn task(bench: &Bench, functions: Vec<Registration>, depth: usize) -> TaskRecord {
    let process = bench.process(functions).await.work(bench, |worker| worker.concurrency(1)).await;
    let execution = if depth == 0 {
        process.stent.dispatch(optioned()).await.unwrap()
    } else {
        process.stent.dispatch(calls()).await.unwrap()
    };
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 7);
    bench.tasks(execution.id()).await[depth].clone()
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

/// C-Q1, C-T3, B58: the options of a function hold for a dispatch as for a call of it.
async fn the_options_of_a_function_hold_for_roots_and_children(bench: Bench) {
    for depth in [0, 1] {
        let task = task(&bench.another(), functions![optioned, calls], depth).await;
        let tags: Vec<_> = task.tags.iter().map(|tag| tag.as_str()).collect();
        assert_eq!((task.priority, task.queue.unwrap().as_str(), &*tags), (9, "mail", &["slow"][..]), "depth {depth}");
    }
    let stent = bench.stent(functions![optioned]).await;
    let execution = stent.dispatch(optioned()).await.unwrap();
    let record = stent.backend().execution(execution.id()).await.unwrap().unwrap();
    assert_eq!(record.deadline, Some(bench.now().after(Duration::from_secs(3_600))));
}

on_every_backend![
    arguments_named_like_options_reach_the_function,
    the_options_of_a_function_hold_for_roots_and_children,
];
