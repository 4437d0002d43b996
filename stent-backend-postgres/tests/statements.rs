//! Every statement is prepared against the migrated schema, and used.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
mod server;

use std::fs;
use std::path::{Path, PathBuf};

use server::Schema;

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

/// A statement's name, `<stage>/<statement>`, and text.
fn statements() -> Vec<(String, String)> {
    let directory = package().join("sql");
    let statement = |path: PathBuf| {
        let name = path.strip_prefix(&directory).unwrap().with_extension("");
        (name.to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
    };
    files(&directory, "sql").into_iter().map(statement).collect()
}

#[tokio::test]
async fn every_statement_is_prepared_against_the_migrated_schema() {
    let schema = Schema::new();
    schema.options().open().await.unwrap().close().await;
    let client = schema.client().await;
    for (name, text) in statements() {
        let prepared = client.prepare(&text).await;
        assert!(prepared.is_ok(), "{name}: {:?}", prepared.err().unwrap());
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
