//! An execution over two workers is one trace: with the dispatch, retries, suspensions, children and steps.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by it")]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use opentelemetry::trace::{SpanId, TraceId, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use stent_backend_postgres::PostgresOptions;
use stent_backend_sqlite::SqliteBackend;
use stent_executor::prelude::*;
use stent_executor::{Backend, Registration, Stent, functions};
use stent_opentelemetry::OpenTelemetry;
use tempfile::TempDir;
use tracing_subscriber::layer::SubscriberExt as _;

#[durable(name = "trace::charge", retry(max_attempts = 2, initial_delay = "1ms", jitter = 0.0))]
async fn charge(ctx: Ctx, order: u32) -> Result<u32> {
    let tries = ctx.resource::<AtomicU32>()?;
    match order {
        // Its first attempt fails, and it made nothing.
        2 if tries.fetch_add(1, Ordering::SeqCst) == 0 => Err(Failure::msg("busy")),
        order => Ok(order),
    }
}

#[durable(name = "trace::order")]
async fn order(ctx: Ctx, orders: Vec<u32>) -> Result<u32> {
    let first = ctx.step("count", async || Ok::<_, Failure>(1)).await?;
    let called = ctx.call(charge(7)).await?;
    let mapped = ctx.map(orders.into_iter().map(charge)).await?;
    Ok(first + called + mapped.iter().sum::<u32>())
}

async fn program(backend: Arc<dyn Backend>, functions: Vec<Registration>) -> Stent {
    let program = Stent::with_backend(backend).functions(functions).allow_remote(true).poll("50ms");
    program.resource(AtomicU32::new(0)).trace_context(OpenTelemetry::new()).build().await.unwrap()
}

/// What all tests of this process export to.
fn exporter() -> &'static InMemorySpanExporter {
    static EXPORTER: std::sync::OnceLock<InMemorySpanExporter> = std::sync::OnceLock::new();
    EXPORTER.get_or_init(|| {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
        exporter
    })
}

fn field(span: &SpanData, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    found.unwrap_or_else(|| panic!("{} has no {name}", span.name)).value.as_str().into_owned()
}

/// The spans of this name, and of this function if one is given.
fn named<'a>(spans: &'a [SpanData], name: &str, function: Option<&str>) -> Vec<&'a SpanData> {
    let is =
        |span: &&SpanData| span.name == name && function.is_none_or(|function| field(span, "function") == function);
    spans.iter().filter(is).collect()
}

fn trace_of(spans: &[SpanData], execution: &str) -> TraceId {
    let dispatches = named(spans, "dispatch", None);
    let dispatch = dispatches.into_iter().find(|span| field(span, "execution") == execution);
    dispatch.expect("a span of the dispatch").span_context.trace_id()
}

async fn an_execution_over_two_workers_is_one_trace(first: Arc<dyn Backend>, second: Arc<dyn Backend>) {
    let exporter = exporter();
    let (orders, charges) = (program(first, functions![order]).await, program(second, functions![charge]).await);
    let workers = [orders.worker().start().await.unwrap(), charges.worker().start().await.unwrap()];
    // Every wait for a child ends the activation, and another one goes on.
    workers[0].suspend_at_once(true);
    let execution = orders.dispatch(order(vec![1, 2, 3])).await.unwrap();
    assert_eq!(execution.wait("60s").await.unwrap(), 1 + 7 + 6);
    for worker in &workers {
        worker.drain().await.unwrap();
    }

    let all = exporter.get_finished_spans().unwrap();
    let trace = trace_of(&all, &execution.id().to_string());
    let spans: Vec<SpanData> = all.into_iter().filter(|span| span.span_context.trace_id() == trace).collect();
    let of_it = |span: &&&SpanData| field(span, "execution") == execution.id().to_string();
    let ids =
        |spans: &[&SpanData]| -> HashSet<SpanId> { spans.iter().map(|span| span.span_context.span_id()).collect() };
    let parents = |spans: &[&SpanData]| -> HashSet<SpanId> { spans.iter().map(|span| span.parent_span_id).collect() };
    let workers = |spans: &[&SpanData]| -> HashSet<String> { spans.iter().map(|span| field(span, "worker")).collect() };

    let [dispatch] = named(&spans, "dispatch", None)[..] else { panic!("one dispatch") };
    assert_eq!(field(dispatch, "function"), "trace::order");
    let roots = named(&spans, "activation", Some("trace::order"));
    assert!(roots.len() >= 3, "two suspensions make three activations, not {}", roots.len());
    assert_eq!(parents(&roots), ids(&[dispatch]), "whoever goes on belongs to the dispatch");
    let children = named(&spans, "activation", Some("trace::charge"));
    assert_eq!(children.len(), 5, "four charges, one of them twice");
    assert!(parents(&children).is_subset(&ids(&roots)), "children belong to the activations that made them");
    assert_eq!(children.iter().filter(|span| field(span, "attempt") == "2").count(), 1);
    assert_eq!(roots.iter().chain(&children).filter(of_it).count(), roots.len() + 5);
    assert_eq!((workers(&roots).len(), workers(&children).len()), (1, 1));
    assert!(workers(&roots).is_disjoint(&workers(&children)), "each has its own worker");
    let [step] = named(&spans, "step", None)[..] else { panic!("one step") };
    assert_eq!((field(step, "name").as_str(), field(step, "attempt").as_str()), ("count", "1"));
    assert!(ids(&roots).contains(&step.parent_span_id));
    assert!(spans.iter().all(|span| span.status == opentelemetry::trace::Status::Unset || span.name == "activation"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_over_two_workers_is_one_trace_on_sqlite() {
    let directory = TempDir::new().unwrap();
    let open = async || Arc::new(SqliteBackend::open(directory.path().join("stent.db")).await.unwrap());
    an_execution_over_two_workers_is_one_trace(open().await, open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_over_two_workers_is_one_trace_on_postgresql() {
    let url = std::env::var("STENT_TEST_POSTGRES_URL");
    let url = url.expect("a server is named by STENT_TEST_POSTGRES_URL: run the tests by `cargo xtask test`, or in `cargo xtask postgres -- …`");
    let schema = format!("traces_{}", std::process::id());
    let open = async || Arc::new(PostgresOptions::new(&url).schema(&schema).pool(4).open().await.unwrap());
    an_execution_over_two_workers_is_one_trace(open().await, open().await).await;
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
}
