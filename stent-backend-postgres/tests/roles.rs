//! The roles of `roles.sql`: what each may do is enough for its work, and all that it may do (P18).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
#[expect(dead_code, reason = "each role has a way of its own")]
mod server;
#[path = "server/way.rs"]
#[expect(dead_code, reason = "nothing stands in between")]
mod way;
#[path = "server/work.rs"]
mod work;

use std::sync::Arc;
use std::thread;

use async_trait::async_trait;
use stent_backend_postgres::{PostgresBackend, PostgresOptions};
use stent_core::Backend;
use stent_core::ExecutionId;
use stent_core::backend::{Claims, Dispatch, ExecutionFilter, Inspect, Page, TaskFilter};
use stent_core::error::ErrorKind;
use stent_core::execution::NewExecution;
use stent_testkit::conformance::Store;
use stent_testkit::model::{explain, first_difference};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use server::Schema;
use way::Way;
use work::{now, request, task};

const ROLES: &str = include_str!("../roles.sql");
const PAGE: &str = include_str!("../../features/023-postgresql.md");

/// A schema that was made and migrated as the page says.
struct Site {
    schema: Schema,
    admin: Client,
}

impl Site {
    async fn new() -> Self {
        let schema = Schema::new();
        let (name, admin) = (&schema.name, schema.client().await);
        let sql = ROLES.replace("stent_", &format!("{name}_")).replace("SCHEMA stent ", &format!("SCHEMA {name} "));
        admin.batch_execute(&sql).await.unwrap();
        for role in ["owner", "app", "ro"] {
            admin.batch_execute(&format!("ALTER ROLE {name}_{role} PASSWORD 'one'")).await.unwrap();
        }
        let site = Self { schema, admin };
        site.options("owner").open().await.unwrap().close().await;
        site
    }

    fn way(&self, role: &str) -> String {
        let user = format!("{}_{role}", self.schema.name);
        Way { user, password: "one".to_owned(), ..Way::of(&self.schema) }.url()
    }

    fn options(&self, role: &str) -> PostgresOptions {
        PostgresOptions::new(self.way(role)).schema(&self.schema.name).pool(4)
    }

    async fn app(&self) -> PostgresBackend {
        self.options("app").migrate(false).open().await.unwrap()
    }

    /// A connection as this role, within the schema.
    async fn client(&self, role: &str) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.way(role), NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path TO {}", self.schema.name)).await.unwrap();
        client
    }
}

impl Drop for Site {
    /// Roles are the whole server's, and outlive the schema.
    fn drop(&mut self) {
        let (url, name) = (self.schema.url.clone(), self.schema.name.clone());
        let leave = async move {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.ok()?;
            tokio::spawn(connection);
            client.batch_execute("SET lock_timeout = '5s'").await.ok()?;
            for role in ["owner", "app", "ro"] {
                let sql = format!("DROP OWNED BY {name}_{role} CASCADE; DROP ROLE {name}_{role}");
                client.batch_execute(&sql).await.ok()?;
            }
            Some(())
        };
        // A runtime of its own: the test's may be ending.
        let leaving = thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(leave)
        });
        let _ = leaving.join();
    }
}

/// A client that was refused for lack of a right, and nothing else.
async fn is_refused(client: &Client, sql: &str) {
    let error = client.batch_execute(sql).await.expect_err(sql);
    let codes = [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::READ_ONLY_SQL_TRANSACTION];
    assert!(error.code().is_some_and(|code| codes.contains(code)), "{sql}: {error:?}");
}

fn new() -> NewExecution {
    NewExecution { id: ExecutionId::new(now()), task: task(), max_duration: None, dedup: None, born: None }
}

#[test]
fn the_page_shows_the_statements_that_are_tested() {
    assert!(PAGE.contains(&format!("```sql\n{}\n```", ROLES.trim())), "features/023 and roles.sql differ");
}

/// A store for random histories, to which every handle is the app's.
struct AsApp(Site);

#[async_trait]
impl Store for AsApp {
    async fn open(&self) -> Arc<dyn Backend> {
        Arc::new(self.0.app().await)
    }
}

/// Every call of every trait, many times: what the app may do is enough.
#[test]
fn the_app_can_do_all_that_clients_and_workers_do() {
    let open = || async { AsApp(Site::new().await) };
    if let Some(seed) = first_difference(0..12, &open) {
        panic!("{}", explain(seed, &open));
    }
}

#[tokio::test]
async fn the_app_can_do_nothing_else() {
    let site = Site::new().await;
    let app = site.client("app").await;
    let _ = site.app().await.dispatch(now(), &[new()]).await.unwrap();
    for sql in [
        "DROP TABLE tasks",
        "TRUNCATE tasks",
        "ALTER TABLE tasks ADD COLUMN x int",
        "CREATE INDEX ON tasks (id)",
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_authid",
        "COPY tasks TO PROGRAM 'cat'",
        "ALTER SYSTEM SET fsync = off",
    ] {
        is_refused(&app, sql).await;
    }
    let error = site.options("app").schema(format!("{}_2", site.schema.name)).open().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error:?}");
}

#[tokio::test]
async fn who_looks_on_sees_everything_and_changes_nothing() {
    let site = Site::new().await;
    let app = site.app().await;
    let (open, taken) = (new(), new());
    let _ = app.dispatch(now(), &[open.clone(), taken]).await.unwrap();
    let ro = site.options("ro").migrate(false).open().await.unwrap();
    assert_eq!(ro.list_executions(&ExecutionFilter::default(), Page::first(10)).await.unwrap().len(), 2);
    assert_eq!(ro.list_tasks(&TaskFilter::default(), Page::first(10)).await.unwrap().len(), 2);
    assert!(ro.execution(open.id).await.unwrap().is_some());
    assert!(ro.workers().await.unwrap().is_empty());
    for refused in [
        ro.dispatch(now(), &[new()]).await.map(drop).unwrap_err(),
        ro.claim(now(), &request(1)).await.map(drop).unwrap_err(),
        ro.cancel(now(), open.id).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(refused.kind(), ErrorKind::ReadOnly | ErrorKind::Unsupported), "{refused:?}");
    }
    let client = site.client("ro").await;
    client.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    for sql in ["DELETE FROM tasks", "UPDATE tasks SET state = 'pending'", "SELECT id FROM tasks FOR UPDATE"] {
        is_refused(&client, sql).await;
    }
    assert_eq!(app.claim(now(), &request(9)).await.unwrap().tasks.len(), 2);
}

/// Whatever else is called like ours, in a role's own path or among temporary tables, is not taken for it.
#[tokio::test]
async fn a_search_path_of_others_does_nothing() {
    let site = Site::new().await;
    let name = &site.schema.name;
    let elsewhere = format!(
        "CREATE SCHEMA {name}_evil; CREATE TABLE {name}_evil.tasks (LIKE {name}.tasks INCLUDING ALL); GRANT ALL ON SCHEMA {name}_evil TO PUBLIC;
         GRANT ALL ON {name}_evil.tasks TO PUBLIC; ALTER ROLE {name}_app SET search_path = {name}_evil, {name}"
    );
    site.admin.batch_execute(&elsewhere).await.unwrap();
    let app = site.app().await;
    let _ = app.dispatch(now(), &[new()]).await.unwrap();
    assert_eq!(app.claim(now(), &request(9)).await.unwrap().tasks.len(), 1);
    let stolen = site.admin.query_one(&format!("SELECT count(*) FROM {name}_evil.tasks"), &[]).await.unwrap();
    assert_eq!(stolen.get::<_, i64>(0), 0);

    // What transactions do first behind a pooler, which may give a connection that another has used before.
    let mut client = site.client("app").await;
    client.batch_execute("CREATE TEMPORARY TABLE tasks (id int)").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.query(include_str!("../sql/maintain/enter.sql"), &[name]).await.unwrap();
    let found = transaction.query_one("SELECT count(*) FROM tasks", &[]).await.unwrap();
    assert_eq!(found.get::<_, i64>(0), 1, "the temporary table is empty");
    transaction.rollback().await.unwrap();
    site.admin.batch_execute(&format!("DROP SCHEMA {name}_evil CASCADE")).await.unwrap();
}
