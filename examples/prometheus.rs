//! Metrics for Prometheus: `cargo run --example prometheus`. It asks for its own metrics once, as a scraper would.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use stent_backend_sqlite::SqliteBackend;
use stent_executor::Stent;
use stent_executor::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[durable(name = "add")]
async fn add(a: u32, b: u32) -> Result<u32> {
    Ok(a + b)
}

#[tokio::main]
async fn main() -> Result<()> {
    // Buckets make of a histogram what can be summed over processes.
    let buckets = [0.01, 0.1, 1.0, 10.0, 60.0];
    let recorder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &buckets)?;
    let metrics = recorder.install_recorder()?;

    let backend = SqliteBackend::open("prometheus.db").await?;
    let stent = Stent::builder(backend).functions(functions![add]).build().await?;
    let worker = stent.worker().start().await?;
    for number in 0..3 {
        stent.dispatch(add(number, 1)).await?.result().await?;
    }
    worker.drain().await?;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let mut scraper = tokio::net::TcpStream::connect(listener.local_addr()?).await?;
    let app = axum::Router::new().route("/metrics", axum::routing::get(async move || metrics.render()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    scraper.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    scraper.read_to_string(&mut answer).await?;
    let metrics = answer.lines().filter(|line| line.starts_with("stent_"));
    metrics.filter(|line| !line.contains("_sum")).for_each(|line| println!("{line}"));
    Ok(())
}
