//! Statements find what they want by indexes, whether the tables are large or were empty when the plan was made, which is kept. Plans are generic: they know
//! nothing of what they are given.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
#[path = "server/explain.rs"]
mod explain;
mod server;

use explain::{GROWN, no_scan, plans};
use server::Schema;

/// A store that has seen some use.
const CROWD: &str = include_str!("server/crowd.sql");

#[tokio::test]
async fn no_statement_scans_a_table_that_grows() {
    let schema = Schema::new();
    schema.options().open().await.unwrap().close().await;
    let client = schema.client().await;
    client.batch_execute(CROWD).await.unwrap();
    no_scan(&client, &GROWN).await;
}

/// These read all of an index, and say why they may.
const INDEX_SCANS: [(&str, &str); 15] = [
    // The first by time.
    ("claim/peek", "tasks_due"),
    ("claim/peek", "tasks_deadline"),
    ("claim/look", "tasks_due"),
    ("claim/look", "tasks_deadline"),
    ("maintain/has_more", "tasks_ended"),
    ("maintain/has_more", "memos_expiry"),
    // What is being deleted is little at any time.
    ("maintain/has_more", "tasks_deleting"),
    ("maintain/marked", "tasks_deleting"),
    // Of running tasks there are only as many as workers have places.
    ("claim/take_new", "tasks_running_function"),
    ("claim/peek", "tasks_running_function"),
    ("claim/look", "tasks_running_function"),
    ("claim/repeat", "tasks_running_function"),
    ("claim/lapse", "tasks_running_function"),
    ("claim/held", "tasks_running_function"),
    // Listings for operators.
    ("inspect/", ""),
];

#[tokio::test]
async fn no_plan_of_an_empty_table_scans_an_index_that_grows() {
    let schema = Schema::new();
    schema.options().open().await.unwrap().close().await;
    let client = schema.client().await;
    // As the backend's own connections are set up, besides what all plans are made with.
    client.batch_execute("SET enable_seqscan = off").await.unwrap();
    for (name, plan) in plans(&client).await {
        for (line, next) in plan.iter().zip(plan.iter().skip(1).map(String::as_str).chain([""])) {
            let Some((_, index)) = line.split_once("Scan using ").or(line.split_once("Index Scan on ")) else {
                continue;
            };
            let is_grown = GROWN.iter().any(|table| index.starts_with(&format!("{table}_")));
            let may = INDEX_SCANS.iter().any(|(of, known)| name.starts_with(of) && index.starts_with(known));
            let is_searched = next.trim_start().starts_with("Index Cond");
            assert!(!is_grown || may || is_searched, "{name}:\n{}", plan.join("\n"));
        }
    }
}

#[tokio::test]
async fn a_claim_reads_a_functions_best_tasks_in_order_from_the_index() {
    let schema = Schema::new();
    schema.options().open().await.unwrap().close().await;
    let client = schema.client().await;
    client.batch_execute(CROWD).await.unwrap();
    let plans = plans(&client).await;
    for name in ["claim/take_new", "claim/free", "claim/free_of_limited", "claim/waiting", "claim/look"] {
        let plan = &plans[name];
        let probe = plan.iter().position(|line| line.contains("Index Scan using tasks_pending on tasks")).unwrap();
        assert!(plan[probe - 1].contains("Limit"), "{name}:\n{}", plan.join("\n"));
        assert!(plan[probe + 1].contains("(function = asked.function) AND (version = asked.version)"), "{name}");
    }
    for name in ["claim/promote", "claim/peek", "claim/look", "dispatch/passed", "maintain/mark", "maintain/marked"] {
        let plan = &plans[name];
        assert!(!plan.iter().any(|line| line.contains("Sort")), "{name}:\n{}", plan.join("\n"));
    }
}
