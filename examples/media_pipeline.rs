//! Two chains of work on one upload, side by side, on queues of their own: `cargo run --example media_pipeline`.

use serde::{Deserialize, Serialize};
use stent_backend_sqlite::SqliteBackend;
use stent_executor::Stent;
use stent_executor::prelude::*;

#[derive(Debug, Serialize, Deserialize)]
struct Package {
    transcript: String,
    thumbnails: Vec<String>,
}

#[durable(queue = "cpu")]
async fn check(file: String) -> Result<()> {
    if file.contains("corrupt") { bail!("the header of {file} is corrupt") } else { Ok(()) }
}

/// Its result is kept: the same file costs it once.
#[durable(cached, queue = "cpu")]
async fn extract_audio(file: String) -> Result<String> {
    println!("extracting the audio of {file}");
    Ok(format!("{file}.wav"))
}

/// At most one at a time, over all workers.
#[durable(queue = "gpu", max_concurrent = 1)]
async fn transcribe(audio: String) -> Result<String> {
    Ok(format!("what is said in {audio}"))
}

#[durable(queue = "gpu")]
async fn thumbnail(file: String, second: u32) -> Result<String> {
    Ok(format!("{file} at {second} s"))
}

#[durable]
async fn publish(ctx: Ctx, file: String) -> Result<Package> {
    ctx.call(check(file.clone())).await?;
    let transcript = async {
        let audio = ctx.call(extract_audio(file.clone())).await?;
        ctx.call(transcribe(audio)).await
    };
    let thumbnails = ctx.map([0, 30, 60].map(|second| thumbnail(file.clone(), second)));
    let (transcript, thumbnails) = try_join!(transcript, thumbnails)?;
    Ok(Package { transcript, thumbnails })
}

#[tokio::main]
async fn main() -> Result<()> {
    let backend = SqliteBackend::open("media_pipeline.db").await?;
    let functions = functions![check, extract_audio, transcribe, thumbnail, publish];
    let stent = Stent::builder(backend).functions(functions).build().await?;
    // Usually on machines of their own. Tasks without a queue go to any worker.
    let workers = [stent.worker().queues(["cpu"]).start().await?, stent.worker().queues(["gpu"]).start().await?];

    for _ in 0..2 {
        let package = stent.dispatch(publish("talk.mp4".into())).await?.result().await?;
        println!("{} and {} thumbnails", package.transcript, package.thumbnails.len());
    }
    if let Err(error) = stent.dispatch(publish("corrupt.mp4".into())).await?.result().await {
        println!("{error}");
    }

    for worker in workers {
        worker.drain().await?;
    }
    Ok(())
}
