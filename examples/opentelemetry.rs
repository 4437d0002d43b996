//! An execution as one trace: `cargo run --example opentelemetry`.
//!
//! With `OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318` its spans go to a collector; otherwise they are printed.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter as Exports};
use stent_backend_sqlite::SqliteBackend;
use stent_executor::Stent;
use stent_executor::prelude::*;
use stent_opentelemetry::OpenTelemetry;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;

#[durable(name = "charge")]
async fn charge(order: u32) -> Result<u32> {
    Ok(order)
}

#[durable(name = "order")]
async fn order(ctx: Ctx, id: u32) -> Result<u32> {
    ctx.step("check", async || Ok::<_, Failure>(())).await?;
    ctx.call(charge(id)).await
}

/// Prints each span on a line.
#[derive(Debug)]
struct Prints;

impl Exports for Prints {
    async fn export(&self, spans: Vec<SpanData>) -> opentelemetry_sdk::error::OTelSdkResult {
        for span in spans {
            let function = span.attributes.iter().find(|field| ["function", "name"].contains(&field.key.as_str()));
            let function = function.map(|field| field.value.as_str().into_owned()).unwrap_or_default();
            println!(
                "{} {}/{} {} {function}",
                span.span_context.trace_id(),
                span.parent_span_id,
                span.span_context.span_id(),
                span.name
            );
        }
        Ok(())
    }
}

fn provider() -> Result<SdkTracerProvider> {
    let provider = SdkTracerProvider::builder();
    if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_none() {
        return Ok(provider.with_simple_exporter(Prints).build());
    }
    Ok(provider.with_batch_exporter(SpanExporter::builder().with_http().build()?).build())
}

#[tokio::main]
async fn main() -> Result<()> {
    let provider = provider()?;
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("orders"));
    // A worker's own span lasts as long as the worker, and belongs to no execution.
    let layer = layer.with_filter(filter_fn(|span| span.name() != "worker"));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;

    let backend = SqliteBackend::open("opentelemetry.db").await?;
    let stent = Stent::builder(backend).functions(functions![charge, order]).trace_context(OpenTelemetry::new());
    let stent = stent.build().await?;
    let worker = stent.worker().start().await?;
    println!("order {} is charged", stent.dispatch(order(7)).await?.result().await?);
    worker.drain().await?;
    // What is still in memory goes out.
    provider.shutdown()?;
    Ok(())
}
