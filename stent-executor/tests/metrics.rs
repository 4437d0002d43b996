//! Metrics: those that the page lists are told, and no others; a recorder that panics changes nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::PrometheusBuilder;
use stent_executor::prelude::*;
use stent_executor::{Stent, Worker, WorkerState};
use stent_testkit::faulty::{Fault, FaultPlan, FaultyBackend, Moment};
use stent_testkit::memory::MemoryBackend;

#[durable(name = "metrics::add", retry(max_attempts = 2, initial_delay = "1ms"))]
async fn add(ctx: Ctx, number: u32) -> Result<u32> {
    if number == 13 && ctx.attempt() == 1 { bail!("not at first") } else { Ok(number) }
}

#[durable(name = "metrics::steps")]
async fn steps(ctx: Ctx) -> Result<u32> {
    let mut tries = 0;
    let often = RetryPolicy::builder().max_attempts(2).initial_delay("1ms").build()?;
    let step = ctx.step("flaky", || {
        tries += 1;
        let is_first = tries == 1;
        async move { if is_first { Err(Failure::msg("not at first")) } else { Ok(1) } }
    });
    let one: u32 = step.retry(often).await?;
    let lost = ctx.step("lost", async || Err::<u32, _>(Failure::msg("never"))).retry(RetryPolicy::none()).await;
    Ok(one + ctx.call(add(13)).await? + u32::from(lost.is_ok()))
}

#[durable(name = "metrics::fails", retry(max_attempts = 1))]
async fn fails() -> Result<()> {
    Err(Failure::msg("for good"))
}

/// Everything that is counted happens. Its runtime has one thread, so that a recorder of that thread hears all of it.
async fn play() {
    let plan = FaultPlan::none();
    let backend = FaultyBackend::new(Arc::new(MemoryBackend::new()), plan.clone());
    let stent = Stent::builder(backend).functions(functions![add, steps, fails]).poll("10ms").build().await.unwrap();
    let worker: Worker = stent.worker().start().await.unwrap();
    worker.wait_for(WorkerState::Ready).await;
    worker.suspend_at_once(true);
    assert_eq!(stent.dispatch(steps()).await.unwrap().wait("60s").await.unwrap(), 14);
    stent.dispatch(fails()).await.unwrap().wait("60s").await.unwrap_err();
    // A claim fails, and the next one does not.
    let before = plan.count();
    while !plan.calls()[before..].contains(&"claim") {
        plan.plan(1, Fault::Once(Moment::Before));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    worker.drain().await.unwrap();
}

/// The name, type and labels of each metric in the table of the page.
fn listed() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../features/027-telemetry.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `stent_"));
    let listed = rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[2].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        (format!("stent_{}", cells[0].trim_matches('`')), (cells[1].to_owned(), labels))
    });
    listed.collect()
}

/// The same of what was told.
fn told(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let labels = |name: &str| -> BTreeSet<String> {
        let samples = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once('}'));
        let pairs = samples.flat_map(|(labels, _)| labels.split(',').filter_map(|label| label.split_once('=')));
        pairs.map(|(label, _)| label.to_owned()).filter(|label| label != "quantile").collect()
    };
    // What is a histogram to `metrics` is told as a summary unless its buckets are set.
    types.map(|(name, kind)| (name.to_owned(), (kind.replace("summary", "histogram"), labels(name)))).collect()
}

#[tokio::test]
async fn every_metric_of_the_page_is_told_and_no_other() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _here = metrics::set_default_local_recorder(&recorder);
    play().await;
    let text = handle.render();
    assert_eq!(told(&text), listed(), "{text}");
    for sample in [
        r#"stent_dispatches_total{function="metrics::steps"} 1"#,
        r#"stent_claims_total{function="metrics::add"} 2"#,
        r#"stent_dead_letters_total{function="metrics::fails"} 1"#,
        r#"stent_steps_total{outcome="completed"} 1"#,
        r#"stent_steps_total{outcome="retried"} 1"#,
        r#"stent_steps_total{outcome="failed"} 1"#,
        r#"stent_activation_seconds_count{function="metrics::add",outcome="retried"} 1"#,
        r#"stent_activation_seconds_count{function="metrics::add",outcome="completed"} 1"#,
        r#"stent_activation_seconds_count{function="metrics::fails",outcome="failed"} 1"#,
        r#"stent_activation_seconds_count{function="metrics::steps",outcome="completed"} 1"#,
        "stent_active_tasks 0",
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample}\n\n{text}");
    }
    assert!(
        text.contains(r#"stent_activation_seconds_count{function="metrics::steps",outcome="suspended"} "#),
        "{text}"
    );
}

struct Panics;

impl Recorder for Panics {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        panic!("no counters here")
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("no gauges here")
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("no histograms here")
    }
}

#[tokio::test]
async fn a_recorder_that_panics_changes_nothing() {
    let _here = metrics::set_default_local_recorder(&Panics);
    play().await;
}
