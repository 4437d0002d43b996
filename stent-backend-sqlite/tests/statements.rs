//! Every statement is prepared against the migrated schema, and used; those that run over tasks do so by their indexes.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::fs;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor, Row, SqlSafeStr};
use stent_backend_sqlite::SqliteBackend;
use tempfile::TempDir;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|of| of == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The statements that tables are read and written by, one by one: a file may hold a transaction.
fn single() -> Vec<(String, String)> {
    let parts = |(name, text): (String, String)| -> Vec<_> {
        if !text.contains("\nBEGIN IMMEDIATE;\n") {
            return vec![(name, text)];
        }
        text.split_inclusive(";\n").map(|part| (name.clone(), part.to_owned())).collect()
    };
    let is_bound =
        |(_, text): &(String, String)| !["BEGIN IMMEDIATE;\n", "COMMIT;\n"].iter().any(|end| text.ends_with(end));
    statements().into_iter().flat_map(parts).filter(is_bound).collect()
}

/// A statement's name, `<stage>/<statement>`, and text.
fn statements() -> Vec<(String, String)> {
    let directory = package().join("sql");
    let statement = |path: PathBuf| {
        let name = path.strip_prefix(&directory).unwrap().with_extension("");
        (name.to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
    };
    files(&directory, "sql").into_iter().map(statement).collect()
}

async fn migrated() -> (TempDir, SqliteConnection) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stent.db");
    SqliteBackend::open(&path).await.unwrap().close().await;
    let connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
    (directory, connection)
}

#[tokio::test]
async fn every_statement_is_prepared_against_the_migrated_schema() {
    let (_directory, mut connection) = migrated().await;
    for (name, text) in single() {
        let prepared = (&mut connection).prepare(AssertSqlSafe(text).into_sql_str()).await;
        assert!(prepared.is_ok(), "{name}: {}", prepared.err().unwrap());
    }
}

/// SQLite prepares a statement anew at each execution if a bare parameter is its limit: the plan might depend on it.
#[test]
fn no_limit_is_a_bare_parameter() {
    for (name, text) in statements() {
        let mut limits = text.split("LIMIT ?").skip(1);
        assert!(limits.all(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(" + 0")), "{name}");
    }
}

#[test]
fn every_statement_is_used() {
    let sources: String =
        files(&package().join("src"), "rs").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for (name, _) in statements() {
        assert!(sources.contains(&format!("sql/{name}.sql\"")), "no source includes sql/{name}.sql");
    }
}

async fn plan(connection: &mut SqliteConnection, text: &str) -> Vec<String> {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
    let rows = sqlx::query(explain).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}

/// These read all of something, and say why they may.
const SCANS: [&str; 1] = [
    // Counting all tasks with a filter.
    "inspect/count_tasks",
];

#[tokio::test]
async fn no_statement_scans_a_table_that_grows() {
    let (_directory, mut connection) = migrated().await;
    let grown = ["tasks", "journal", "signals", "signal_sends", "waits", "memos", "counters", "state_values"];
    for (name, text) in single().into_iter().filter(|(name, _)| !SCANS.contains(&name.as_str())) {
        for step in plan(&mut connection, &text).await {
            let scans = grown.iter().any(|table| step == format!("SCAN {table}"));
            assert!(!scans, "{name}: {step}");
            // The shapes of a batch are few; an index on them is made as fast as they are read.
            let has_shapes = ["dispatch/insert", "journal/children"].contains(&&*name);
            assert!(!step.contains("AUTOMATIC") || has_shapes, "{name}: {step}");
        }
    }
}

#[tokio::test]
async fn a_claim_reads_a_functions_best_tasks_in_order_from_the_index_alone() {
    let (_directory, mut connection) = migrated().await;
    let text = |name: &str| statements().into_iter().find(|(of, _)| of == name).unwrap().1;
    let look = plan(&mut connection, &text("claim/look")).await;
    let probe = "SEARCH tasks USING COVERING INDEX tasks_pending (function=? AND version=?)";
    assert!(look.iter().any(|step| step == probe), "{look:#?}");
    // The one sort is of what the probes found, the best of each function.
    assert_eq!(look.iter().filter(|step| step.contains("TEMP B-TREE FOR ORDER BY")).count(), 1, "{look:#?}");
    for name in ["claim/promote", "dispatch/passed", "inspect/executions", "inspect/tasks"] {
        let plan = plan(&mut connection, &text(name)).await;
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{name}: {plan:#?}");
    }
    for name in
        ["inspect/tasks_of_execution", "inspect/progress", "inspect/journal", "inspect/dead_letters_of_execution"]
    {
        let plan = plan(&mut connection, &text(name)).await;
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{name}: {plan:#?}");
    }
}
