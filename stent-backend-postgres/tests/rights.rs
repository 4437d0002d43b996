//! Users that may do little, and what an error tells.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
mod server;
#[path = "server/way.rs"]
#[expect(dead_code, reason = "nothing stands in between")]
mod way;
#[path = "server/work.rs"]
mod work;

use std::error::Error;

use stent_backend_postgres::{PostgresBackend, PostgresOptions};
use stent_core::backend::{Claims, Dispatch};
use stent_core::commit::Dispatched;
use stent_core::error::{BackendError, ErrorKind};
use stent_core::execution::NewExecution;
use stent_core::{ExecutionId, Payload};
use tokio_postgres::Client;

use server::Schema;
use way::Way;
use work::{now, request, task};

/// A user that may log in, and nothing else.
struct User {
    schema: Schema,
    name: String,
    client: Client,
}

impl User {
    async fn new() -> Self {
        let schema = Schema::new();
        let (name, client) = (format!("{}_user", schema.name), schema.client().await);
        client.batch_execute(&format!("CREATE ROLE {name} LOGIN PASSWORD 'one'")).await.unwrap();
        Self { schema, name, client }
    }

    fn options(&self) -> PostgresOptions {
        let way = Way { user: self.name.clone(), password: "one".to_owned(), ..Way::of(&self.schema) };
        PostgresOptions::new(way.url()).schema(&self.schema.name).pool(2)
    }

    /// What one who may does, with the schema's and the user's name in it.
    async fn give(&self, sql: &str) {
        let sql = sql.replace("THE_SCHEMA", &self.schema.name).replace("THE_USER", &self.name);
        self.client.batch_execute(&sql).await.unwrap();
    }

    async fn open(&self) -> Result<PostgresBackend, BackendError> {
        self.options().open().await
    }

    /// Opening is refused, and the error tells what is missing.
    async fn is_refused(&self) {
        for migrates in [true, false] {
            let error = self.options().migrate(migrates).open().await.unwrap_err();
            // Without the right to see that there is no schema, there is none.
            if let (false, ErrorKind::SchemaMismatch { found: 0, .. }) = (migrates, error.kind()) {
                continue;
            }
            assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error:?}");
            assert!(error.to_string().contains(&format!("rights on schema {}", self.schema.name)), "{error}");
        }
    }

    async fn leave(self) {
        self.give("DROP OWNED BY THE_USER CASCADE; DROP ROLE THE_USER").await;
    }
}

fn new(dedup: Option<&str>) -> NewExecution {
    let dedup = dedup.map(|key| key.try_into().unwrap());
    NewExecution { id: ExecutionId::new(now()), task: task(), max_duration: None, dedup, born: None }
}

async fn use_it(backend: &PostgresBackend) {
    assert_eq!(backend.dispatch(now(), &[new(None)]).await.unwrap(), [Dispatched::Created]);
    assert_eq!(backend.claim(now(), &request(1)).await.unwrap().tasks.len(), 1);
}

#[tokio::test]
async fn a_user_that_may_not_make_a_schema_is_told_so() {
    let user = User::new().await;
    user.is_refused().await;
    user.leave().await;
}

#[tokio::test]
async fn a_schema_that_the_user_was_given_is_filled() {
    let user = User::new().await;
    user.give("CREATE SCHEMA THE_SCHEMA AUTHORIZATION THE_USER").await;
    let backend = user.open().await.unwrap();
    use_it(&backend).await;
    backend.close().await;
    user.leave().await;
}

#[tokio::test]
async fn a_schema_that_another_filled_needs_no_right_to_create_anything() {
    let user = User::new().await;
    user.schema.options().open().await.unwrap().close().await;
    user.is_refused().await;
    user.give("GRANT USAGE ON SCHEMA THE_SCHEMA TO THE_USER").await;
    user.is_refused().await;
    user.give("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA THE_SCHEMA TO THE_USER").await;
    for migrates in [true, false] {
        let backend = user.options().migrate(migrates).open().await.unwrap();
        use_it(&backend).await;
        backend.close().await;
    }
    user.leave().await;
}

#[tokio::test]
async fn an_empty_schema_of_anothers_is_refused() {
    let user = User::new().await;
    user.give("CREATE SCHEMA THE_SCHEMA").await;
    user.is_refused().await;
    user.give("GRANT USAGE ON SCHEMA THE_SCHEMA TO THE_USER").await;
    user.is_refused().await;
    user.leave().await;
}

/// Payloads are in no error: the server quotes the whole row that breaks a rule, and the key that is there already.
#[tokio::test]
async fn no_error_shows_what_is_stored() {
    let schema = Schema::new();
    let backend = schema.options().open().await.unwrap();
    let client = schema.client().await;
    let rules = [
        "ALTER TABLE tasks ADD CONSTRAINT a_rule CHECK (dedup IS NULL)",
        "ALTER TABLE tasks DROP CONSTRAINT a_rule;
        CREATE FUNCTION spread() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
            RAISE unique_violation USING DETAIL = NEW.dedup, HINT = NEW.dedup, CONSTRAINT = ''a_rule''; END';
        CREATE TRIGGER spread BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION spread();",
    ];
    for rule in rules {
        client.batch_execute(rule).await.unwrap();
        let mut execution = new(Some("jane.doe"));
        execution.task.input = Payload::from(&b"s3cret"[..]);
        let error = backend.dispatch(now(), &[execution]).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Internal);
        let mut told = format!("{error} {error:?} {error:#?}");
        let mut below = error.source();
        while let Some(source) = below {
            told += &format!(" {source} {source:?}");
            below = source.source();
        }
        for word in ["jane", "s3cret", "733363726574"] {
            assert!(!told.contains(word), "{told}");
        }
        assert!(told.contains("a_rule"), "what was broken is told: {told}");
    }
}
