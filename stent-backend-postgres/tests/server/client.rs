//! A test's own way to its schema.

use tokio_postgres::NoTls;

use crate::server::Schema;

impl Schema {
    /// A connection of the test's own, within the schema.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.expect("the server answers");
        tokio::spawn(connection);
        let enter = format!("SET search_path TO {}", self.name);
        client.batch_execute(&enter).await.expect("the schema is there");
        client
    }
}
