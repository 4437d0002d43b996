//! A database with a client, and programs on it that come and go.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use stent_core::Backend;
use stent_executor::Stent;
use stent_scenarios::serve::{Place, all};
use stent_scenarios::{Probe, soon};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::cluster::Cluster;
use crate::server::Schema;

/// True if crowds are to be large and storms long.
pub(crate) fn is_long() -> bool {
    std::env::var("STENT_LONG").is_ok_and(|value| !value.is_empty() && value != "0")
}

/// A database, a directory, and a client.
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) stent: Stent,
    /// URL and schema, on a server.
    server: Option<(String, String)>,
    _directory: TempDir,
    _schema: Option<Schema>,
}

impl Site {
    /// On the server that tests are lent.
    pub(crate) async fn new() -> Self {
        let schema = Schema::new();
        Self::on_server(schema.url.clone(), schema.name.clone(), Some(schema)).await
    }

    /// On a server of the test's own.
    pub(crate) async fn on_cluster(cluster: &Cluster) -> Self {
        Self::on_server(cluster.url(), "stent".into(), None).await
    }

    /// On a file of its directory.
    pub(crate) async fn on_sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Place(directory.path().to_owned());
        Self { stent: client(&place).await, place, server: None, _directory: directory, _schema: None }
    }

    async fn on_server(url: String, schema: String, dropped: Option<Schema>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::on_postgres(directory.path(), &url, &schema);
        let server = Some((url, schema));
        Self { stent: client(&place).await, place, server, _directory: directory, _schema: dropped }
    }

    /// A connection of the test's own, within the schema.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        let (url, schema) = self.server.as_ref().unwrap();
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path TO {schema}")).await.unwrap();
        client
    }

    /// A look at the database, whichever it is.
    pub(crate) async fn probe(&self) -> Probe {
        match &self.server {
            Some((url, schema)) => Probe::postgres(url, schema).await,
            None => Probe::sqlite(&self.place.database()).await,
        }
    }

    /// A program that is ready.
    pub(crate) fn program(&self, lease: &str) -> Program {
        self.programs(1, lease).remove(0)
    }

    /// One that is ready, and does so much at once.
    pub(crate) fn wide_program(&self, lease: &str, concurrency: usize) -> Program {
        self.start(lease, Some(concurrency)).ready()
    }

    /// Programs that are ready.
    pub(crate) fn programs(&self, number: usize, lease: &str) -> Vec<Program> {
        let programs: Vec<Program> = (0..number).map(|_| self.start(lease, None)).collect();
        programs.into_iter().map(Program::ready).collect()
    }

    /// Programs poll as those do that have hints.
    fn start(&self, lease: &str, concurrency: Option<usize>) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_serve"));
        command.arg(&self.place.0).args([lease, "10s", "5s"]).args(concurrency.map(|tasks| tasks.to_string()));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Program { child, stdout }
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

/// A client of the test's own. It polls as programs with hints do.
async fn client(place: &Place) -> Stent {
    let backend: Arc<dyn Backend> = place.backend().await.unwrap();
    Stent::with_backend(backend).functions(all()).poll("5s").build().await.unwrap()
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

    fn ready(mut self) -> Self {
        assert_eq!(self.line(), "ready");
        self
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
