//! What fails for good is kept as a dead letter, and goes on from there once its cause is mended: `cargo run --example failing_flow`.

use std::sync::atomic::{AtomicBool, Ordering};

use stent_backend_sqlite::SqliteBackend;
use stent_executor::prelude::*;
use stent_executor::{DeadLetterFilter, ExecutionError, Page, Stent};

/// The printer is out of paper, until somebody refills it.
static HAS_PAPER: AtomicBool = AtomicBool::new(false);

#[derive(Debug, thiserror::Error)]
#[error("the printer is out of paper")]
struct OutOfPaper;

#[durable]
async fn address(order: u32) -> Result<String> {
    println!("looking up the address of order {order}");
    Ok(format!("{order} Main Street"))
}

#[durable(retry(max_attempts = 2, initial_delay = "10ms", retry_for = ["OutOfPaper"]))]
async fn print_label(address: String) -> Result<String, OutOfPaper> {
    match HAS_PAPER.load(Ordering::SeqCst) {
        true => Ok(format!("a label for {address}")),
        false => Err(OutOfPaper),
    }
}

#[durable]
async fn ship(ctx: Ctx, order: u32) -> Result<String> {
    let address = ctx.call(address(order)).await?;
    ctx.call(print_label(address)).await
}

#[tokio::main]
async fn main() -> Result<()> {
    let backend = SqliteBackend::open("failing_flow.db").await?;
    let stent = Stent::builder(backend).functions(functions![address, print_label, ship]).build().await?;
    let worker = stent.worker().start().await?;

    let execution = stent.dispatch(ship(7)).await?;
    let Err(ExecutionError::Failed(failure)) = execution.result().await else { bail!("there is paper") };
    println!("failed: {failure} (class {})", failure.class());
    let of_it = DeadLetterFilter { execution: Some(execution.id()), ..DeadLetterFilter::default() };
    for letter in stent.dead_letters(&of_it, Page::first(10)).await? {
        println!("dead letter: {} after {} attempts", letter.failure, letter.attempts);
    }

    HAS_PAPER.store(true, Ordering::SeqCst);
    // `stent redrive ID` does the same from the command line. The address is recorded, and not looked up again.
    execution.redrive().await?;
    println!("after the redrive: {}", execution.result().await?);

    worker.drain().await?;
    Ok(())
}
