//! Statements find what they want by indexes, however much there is besides, and however little their plans know of what they are given.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

mod server;

use std::fs;
use std::path::Path;

use server::Schema;
use tokio_postgres::{Client, SimpleQueryMessage};

/// These read all of something, and say why they may.
const SCANS: [&str; 0] = [];

/// A store that has seen some use: 20,000 ended tasks, a crowd of pending and suspended ones, a few that run.
const CROWD: &str = include_str!("server/crowd.sql");

async fn plan(client: &Client, name: &str, text: &str) -> Option<String> {
    let statement = client.prepare(text).await.expect(name);
    let values: Vec<_> = statement.params().iter().map(|of| format!("NULL::{of}")).collect();
    let values = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
    let explain = format!("DEALLOCATE ALL; PREPARE asked AS {text} EXPLAIN EXECUTE asked{values}");
    let lines = match client.simple_query(&explain).await {
        Ok(messages) => messages,
        // What sets something has no plan.
        Err(error) if text.contains("SET LOCAL") => return error.as_db_error().is_none().then(String::new),
        Err(error) => panic!("{name}: {error:?}"),
    };
    let line = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    Some(lines.into_iter().filter_map(line).collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn no_statement_scans_a_table_that_grows() {
    let schema = Schema::new();
    schema.options().open().await.unwrap().close().await;
    let client = schema.client().await;
    if std::env::var("EMPTY").is_err() { client.batch_execute(CROWD).await.unwrap(); }
    if let Ok(set) = std::env::var("SETTINGS") { client.batch_execute(&set).await.unwrap(); }
    client.batch_execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    let mut found = Vec::new();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    for stage in fs::read_dir(directory).unwrap() {
        for file in fs::read_dir(stage.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.with_extension("");
            let name = name.to_str().unwrap().rsplit("/sql/").next().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let Some(plan) = plan(&client, &name, &text).await else { continue };
            if std::env::var("SHOW_PLANS").is_ok_and(|wanted| name.contains(&wanted)) {
                println!("=== {name}\n{plan}");
            }
            if plan.contains("Seq Scan on tasks") || plan.contains("Seq Scan on journal") || plan.contains("Seq Scan on waits") || plan.contains("Seq Scan on signals") || plan.contains("Seq Scan on memos") || plan.contains("Seq Scan on counters") {
                found.push((name, plan));
            }
        }
    }
    found.retain(|(name, _)| !SCANS.contains(&name.as_str()));
    for (name, plan) in &found { println!("### {name}\n{plan}"); }
    let names: Vec<_> = found.iter().map(|(name, _)| name).collect();
    assert!(found.is_empty(), "{names:?}");
}
