//! An expense waits for a person, but not for ever: `cargo run --example approval`.
//!
//! Waiting is a row in the database and no worker's slot, so that "7d" in place of "2s" costs the same. From elsewhere one approves with
//! `stent --db sqlite:approval.db signal ID verdict true`.

use stent_backend_sqlite::SqliteBackend;
use stent_executor::Stent;
use stent_executor::prelude::*;

#[durable]
async fn expense(ctx: Ctx, euros: u32) -> Result<String> {
    ctx.progress(format!("{euros} EUR wait for approval"));
    let verdict = ctx.signal::<bool>("verdict").timeout("2s").await?;
    Ok(match verdict {
        Some(true) => format!("{euros} EUR are paid"),
        Some(false) => format!("{euros} EUR are refused"),
        None => format!("{euros} EUR go to the boss: nobody said a word"),
    })
}

#[tokio::main]
async fn main() -> Result<()> {
    let backend = SqliteBackend::open("approval.db").await?;
    let stent = Stent::builder(backend).functions(functions![expense]).build().await?;
    let worker = stent.worker().start().await?;

    let [granted, refused, forgotten] = [
        stent.dispatch(expense(120)).await?,
        stent.dispatch(expense(9_000)).await?,
        stent.dispatch(expense(45)).await?,
    ];
    granted.signal("verdict", &true).await?;
    // The latest value wins until one is taken; an id is enough to send one.
    stent.signal(refused.id(), "verdict", &false).await?;
    for execution in [granted, refused, forgotten] {
        println!("{}", execution.result().await?);
    }

    worker.drain().await?;
    Ok(())
}
