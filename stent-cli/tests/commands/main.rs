//! The program, run on real databases: what it prints, what it says on stderr, how it ends. Every case is the same on SQLite and PostgreSQL.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]

mod given;
mod place;
mod plain;
mod story;
mod terminal;
mod walk;

use place::Place;

#[tokio::test(flavor = "multi_thread")]
async fn every_command_does_what_it_says_on_sqlite() {
    let place = Place::sqlite();
    walk::all(&place).await;
    place.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_does_what_it_says_on_postgresql() {
    let place = Place::postgres("walk");
    walk::all(&place).await;
    place.drop().await;
}
