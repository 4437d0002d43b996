//! The server's statistics, which a connection brings up to date when it is closed.

use tokio_postgres::Client;

use crate::server::Schema;

/// Waits until all connections are gone that were opened by the schema's options.
pub(crate) async fn left_alone(schema: &Schema, client: &Client) {
    let there = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE $1 || '%'";
    while client.query_one(there, &[&schema.name]).await.unwrap().get::<_, i64>(0) > 0 {}
}
