//! What a function awaits outside of its context is told, since it runs again in every replay (C-R8).
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stent_executor::prelude::*;
use stent_executor::{ExecutionError, Stent, Worker};
use stent_testkit::memory::MemoryBackend;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

#[durable]
async fn double(number: u64) -> Result<u64> {
    Ok(number * 2)
}

/// Awaits something outside of its context before its first operation.
#[durable]
async fn before(ctx: Ctx) -> Result<u64> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    ctx.call(double(1)).await
}

/// Awaits something outside of its context between two operations.
#[durable]
async fn between(ctx: Ctx) -> Result<u64> {
    let two = ctx.call(double(1)).await?;
    tokio::time::sleep(Duration::from_millis(1)).await;
    ctx.call(double(two)).await
}

/// Has its operations stand behind all kinds of combinators, and awaits nothing else.
#[durable]
async fn inside(ctx: Ctx) -> Result<u64> {
    use futures_util::StreamExt as _;
    let mut stream: futures_util::stream::FuturesUnordered<_> = (0..3).map(|number| ctx.call(double(number))).collect();
    let mut sum = 0;
    while let Some(result) = stream.next().await {
        sum += result?;
    }
    let (one, two) = try_join!(
        ctx.step("slow", async || {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok::<_, Failure>(1)
        }),
        ctx.call(double(1)),
    )?;
    Ok(sum + one + two)
}

/// Warnings, as they are told.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        *self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut Text(&mut text));
        self.0.lock().unwrap().push(text);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

async fn start(strict: bool) -> (Stent, Worker) {
    let functions = functions![double, before, between, inside];
    let stent = Stent::builder(MemoryBackend::new()).functions(functions).build().await.unwrap();
    let worker = stent.worker().strict(strict).start().await.unwrap();
    (stent, worker)
}

/// C-R8
#[tokio::test]
async fn it_is_warned_of_once_a_function() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let (stent, _worker) = start(false).await;
    for _ in 0..2 {
        assert_eq!(stent.dispatch(before()).await.unwrap().result().await.unwrap(), 2);
        assert_eq!(stent.dispatch(inside()).await.unwrap().result().await.unwrap(), 9);
    }
    assert!(warnings.0.lock().unwrap().is_empty(), "{warnings:?}", warnings = warnings.0);
    for _ in 0..2 {
        assert_eq!(stent.dispatch(between()).await.unwrap().result().await.unwrap(), 4);
    }
    let told = warnings.0.lock().unwrap().clone();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("outside of its context") && told[0].contains("between"), "{told:?}");
}

/// C-R8
#[tokio::test]
async fn it_is_a_failure_where_that_is_asked_for() {
    let (stent, _worker) = start(true).await;
    assert_eq!(stent.dispatch(before()).await.unwrap().result().await.unwrap(), 2);
    assert_eq!(stent.dispatch(inside()).await.unwrap().result().await.unwrap(), 9);
    let execution = stent.dispatch(between()).await.unwrap();
    let Err(ExecutionError::Failed(failure)) = execution.result().await else { panic!("it should have failed") };
    assert_eq!(failure.class().as_str(), "ForeignAwait");
    assert!(failure.message().contains("between") && failure.message().contains("ctx.step"), "{failure}");
}
