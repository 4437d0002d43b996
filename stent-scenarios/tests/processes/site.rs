//! A database with a client, and programs on it that come and go.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use stent_core::Backend;
use stent_executor::Stent;
use stent_scenarios::serve::{Place, all};
use stent_scenarios::soon;
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::cluster::Cluster;
use crate::server::Schema;

/// True if crowds are to be large and storms long.
pub(crate) fn is_long() -> bool {
    std::env::var("STENT_LONG").is_ok_and(|value| !value.is_empty() && value != "0")
}

/// A schema, a directory, and a client.
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) stent: Stent,
    url: String,
    schema: String,
    _directory: TempDir,
    _schema: Option<Schema>,
}

impl Site {
    /// On the server that tests are lent.
    pub(crate) async fn new() -> Self {
        let schema = Schema::new();
        Self::on(schema.url.clone(), schema.name.clone(), Some(schema)).await
    }

    /// On a server of the test's own.
    pub(crate) async fn on_cluster(cluster: &Cluster) -> Self {
        Self::on(cluster.url(), "stent".into(), None).await
    }

    async fn on(url: String, schema: String, dropped: Option<Schema>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::on_postgres(directory.path(), &url, &schema);
        let backend: Arc<dyn Backend> = place.backend().await.unwrap();
        let stent = Stent::with_backend(backend).functions(all()).poll("5s").build().await.unwrap();
        Self { place, stent, url, schema, _directory: directory, _schema: dropped }
    }

    /// A connection of the test's own, within the schema.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path TO {}", self.schema)).await.unwrap();
        client
    }

    /// A program that is ready.
    pub(crate) fn program(&self, lease: &str) -> Program {
        self.programs(1, lease).remove(0)
    }

    /// Programs that are ready. They poll as programs with hints do.
    pub(crate) fn programs(&self, number: usize, lease: &str) -> Vec<Program> {
        let start = |_| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_serve"));
            command.arg(&self.place.0).args([lease, "10s", "5s"]);
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            let stdout = BufReader::new(child.stdout.take().unwrap());
            Program { child, stdout }
        };
        let mut programs: Vec<Program> = (0..number).map(start).collect();
        programs.iter_mut().for_each(|program| assert_eq!(program.line(), "ready"));
        programs
    }

    /// Waits until functions have done this so often.
    pub(crate) async fn sees(&self, effect: &str, times: usize) {
        self.until(effect, || self.place.effects().iter().filter(|seen| *seen == effect).count() >= times).await;
    }

    /// Waits until this is so.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        soon(what, async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
}

/// A program at work. Killed when dropped.
pub(crate) struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Program {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What its connections to the server are called.
    pub(crate) fn application(&self) -> String {
        format!("serve-{}", self.id())
    }

    /// The next state of its worker.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// True as long as it has not ended.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
