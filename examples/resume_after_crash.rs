//! A program that dies in the middle, and goes on when it is started again: run `cargo run --example resume_after_crash` twice.

use std::io::Write as _;

use stent_backend_sqlite::SqliteBackend;
use stent_executor::Stent;
use stent_executor::prelude::*;

#[durable]
async fn brew(ctx: Ctx) -> Result<String> {
    for step in ["grind", "boil", "pour", "serve"] {
        ctx.step(step, async || {
            println!("{step}");
            if step == "pour" && is_first_run() {
                println!("... and the power is gone. Start the program again.");
                let _ = std::io::stdout().flush();
                // No destructor runs, nothing is written any more: like `kill -9`.
                std::process::abort();
            }
            Ok::<_, Failure>(())
        })
        .await?;
    }
    Ok("a cup of coffee".into())
}

/// A file remembers it: the code itself starts from nothing each time.
fn is_first_run() -> bool {
    std::fs::File::create_new("resume_after_crash.lock").is_ok()
}

#[tokio::main]
async fn main() -> Result<()> {
    let backend = SqliteBackend::open("resume_after_crash.db").await?;
    let stent = Stent::builder(backend).functions(functions![brew]).build().await?;
    let worker = stent.worker().start().await?;

    // The key finds the execution that is there already: the second run dispatches nothing new.
    let execution = stent.dispatch(brew().dedup("morning")).await?;
    println!("{}", execution.result().await?);

    worker.drain().await?;
    Ok(())
}
