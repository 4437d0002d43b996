//! Ten images at once, of which two cannot be downloaded: `cargo run --example batch_processing`.

use stent_backend_sqlite::SqliteBackend;
use stent_executor::prelude::*;
use stent_executor::{DeadLetterFilter, Page, Stent};

#[derive(Debug, thiserror::Error)]
#[error("image {0} cannot be downloaded")]
struct ConnectionError(u32);

#[durable(retry(max_attempts = 3, initial_delay = "10ms"))]
async fn download(id: u32) -> Result<String, ConnectionError> {
    match id {
        3 | 7 => Err(ConnectionError(id)),
        id => Ok(format!("img_{id}.jpg")),
    }
}

#[durable]
async fn to_grey(image: String) -> Result<String> {
    Ok(image.replace(".jpg", "_grey.jpg"))
}

#[durable]
async fn gallery(ctx: Ctx, ids: Vec<u32>) -> Result<Vec<String>> {
    // Every item has an outcome, also if some fail; `map` would fail with the first failure.
    let downloads = ctx.map_settled(ids.into_iter().map(download)).await?;
    let (found, lost): (Vec<_>, Vec<_>) = downloads.into_iter().partition(|outcome| outcome.is_ok());
    ctx.progress(format!("{} downloaded, {} lost", found.len(), lost.len()));
    ctx.map(found.into_iter().flatten().map(to_grey)).await
}

#[tokio::main]
async fn main() -> Result<()> {
    let backend = SqliteBackend::open("batch_processing.db").await?;
    let stent = Stent::builder(backend).functions(functions![download, to_grey, gallery]).build().await?;
    let worker = stent.worker().concurrency(8).start().await?;

    let execution = stent.dispatch(gallery((1..=10).collect())).await?;
    for image in execution.result().await? {
        println!("{image}");
    }
    // What failed in all its attempts is kept, with its arguments and its failure.
    let of_it = DeadLetterFilter { execution: Some(execution.id()), ..DeadLetterFilter::default() };
    for letter in stent.dead_letters(&of_it, Page::first(10)).await? {
        println!("lost: {} (after {} attempts)", letter.failure, letter.attempts);
    }

    worker.drain().await?;
    Ok(())
}
