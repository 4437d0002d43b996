//! An agent: queries, searches, pages and summaries make a report; what was found once costs nothing again: `cargo run --example research_agent`.

use std::collections::BTreeSet;

use stent_backend_sqlite::SqliteBackend;
use stent_executor::Stent;
use stent_executor::prelude::*;

/// Calls of a model are limited, over all workers, and kept by their input.
#[durable(cached, max_concurrent = 2)]
async fn queries(question: String) -> Result<Vec<String>> {
    println!("thinking about {question}");
    Ok(["overview", "critics"].map(|kind| format!("{question} {kind}")).into())
}

#[durable(cached)]
async fn search(query: String) -> Result<Vec<String>> {
    Ok((1..=3).map(|page| format!("https://example.org/{}/{page}", query.replace(' ', "-"))).collect())
}

#[durable(cached, max_concurrent = 20, retry(max_attempts = 3, initial_delay = "10ms"))]
async fn fetch(url: String) -> Result<String> {
    if url.ends_with("critics/2") { bail!("no answer from {url}") } else { Ok(format!("the text of {url}")) }
}

#[durable(cached, max_concurrent = 5)]
async fn summarize(text: String) -> Result<String> {
    Ok(format!("a summary of {text}"))
}

#[durable]
async fn research(ctx: Ctx, question: String) -> Result<Vec<String>> {
    let queries = ctx.call(queries(question)).await?;
    let found = ctx.map(queries.into_iter().map(search)).await?;
    // Each page once. A set with an order: a replay goes through it in the same one.
    let urls: BTreeSet<String> = found.into_iter().flatten().collect();
    let pages = ctx.map_settled(urls.into_iter().map(fetch)).await?;
    // Pages that cannot be had are left out.
    ctx.map(pages.into_iter().flatten().map(summarize)).await
}

#[tokio::main]
async fn main() -> Result<()> {
    let backend = SqliteBackend::open("research_agent.db").await?;
    let functions = functions![queries, search, fetch, summarize, research];
    let stent = Stent::builder(backend).functions(functions).build().await?;
    let worker = stent.worker().start().await?;

    // The second time nothing is thought, searched or fetched again, but for what failed.
    for _ in 0..2 {
        let report = stent.dispatch(research("durable execution".into())).await?.result().await?;
        println!("{} sources, the first: {}", report.len(), report[0]);
    }

    worker.drain().await?;
    Ok(())
}
