//! The plans of the backend's statements.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tokio_postgres::{Client, SimpleQueryMessage};

/// Tables that grow.
pub(crate) const GROWN: [&str; 9] =
    ["tasks", "journal", "signals", "signal_sends", "waits", "memos", "counters", "state_values", "dead_letters"];

/// These read all of a table, and say why they may.
const SCANS: [&str; 4] = [
    // Counting all with a filter.
    "inspect/count_tasks",
    "inspect/count_executions",
    "inspect/count_dead_letters",
    // Counting those that are pending, which may be most of them.
    "inspect/queues",
];

/// Fails if a statement reads all of one of these tables, although that is not forbidden.
pub(crate) async fn no_scan(client: &Client, tables: &[&str]) {
    for (name, plan) in plans(client).await.into_iter().filter(|(name, _)| !SCANS.contains(&name.as_str())) {
        let scans = |line: &String| tables.iter().any(|table| line.contains(&format!("Seq Scan on {table} ")));
        assert!(!plan.iter().any(scans), "{name}:\n{}", plan.join("\n"));
    }
}

/// The lines of every statement's plan, by the statement's name. Plans are generic: they know nothing of what they are given.
pub(crate) async fn plans(client: &Client) -> BTreeMap<String, Vec<String>> {
    // As the backend's own connections are set up.
    client.batch_execute("SET plan_cache_mode = force_generic_plan; SET enable_bitmapscan = off").await.unwrap();
    let mut plans = BTreeMap::new();
    for stage in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("sql")).unwrap() {
        let stage = stage.unwrap();
        for file in fs::read_dir(stage.path()).unwrap() {
            let path = file.unwrap().path();
            let (stage, name) = (stage.file_name(), path.file_stem().unwrap().to_owned());
            let name = format!("{}/{}", stage.to_str().unwrap(), name.to_str().unwrap());
            let text = fs::read_to_string(&path).unwrap();
            // What sets something has no plan.
            if !text.contains("SET LOCAL") {
                plans.insert(name, plan(client, &text).await);
            }
        }
    }
    plans
}

async fn plan(client: &Client, text: &str) -> Vec<String> {
    let statement = client.prepare(text).await.unwrap();
    let values: Vec<_> = statement.params().iter().map(|of| format!("NULL::{of}")).collect();
    let values = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
    let explain = format!("PREPARE asked AS {text} EXPLAIN EXECUTE asked{values}; DEALLOCATE asked");
    let line = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    client.simple_query(&explain).await.unwrap().into_iter().filter_map(line).collect()
}
