//! Probes for an orchestrator: `cargo run --example health`. It asks itself, while it works and while it stops.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::get;
use stent_backend_sqlite::SqliteBackend;
use stent_executor::prelude::*;
use stent_executor::{Stent, Worker, WorkerState};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[durable]
async fn noop() -> Result<()> {
    Ok(())
}

fn answer(is_so: bool) -> StatusCode {
    if is_so { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn probes(worker: &Arc<Worker>) -> axum::Router {
    let (live, ready) = (Arc::clone(worker), Arc::clone(worker));
    axum::Router::new()
        .route("/live", get(async move || answer(live.health().is_live())))
        .route("/ready", get(async move || answer(ready.health().is_ready())))
}

#[tokio::main]
async fn main() -> Result<()> {
    let backend = SqliteBackend::open("health.db").await?;
    let stent = Stent::builder(backend).functions(functions![noop]).build().await?;
    let worker = Arc::new(stent.worker().start().await?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = probes(&worker);
    tokio::spawn(async move { axum::serve(listener, app).await });

    worker.wait_for(WorkerState::Ready).await;
    println!("at work: live {}, ready {}", ask(address, "/live").await?, ask(address, "/ready").await?);
    worker.drain().await?;
    println!("stopped: live {}, ready {}", ask(address, "/live").await?, ask(address, "/ready").await?);
    Ok(())
}

/// The status that a probe is answered with.
async fn ask(address: std::net::SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split(' ').nth(1).unwrap_or_default().to_owned())
}
