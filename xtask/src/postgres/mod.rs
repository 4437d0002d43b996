//! `cargo xtask postgres`: a PostgreSQL server for tests, on any machine.
//!
//! In this order: the server that `STENT_TEST_POSTGRES_URL` names; server programs of this machine; the distribution's package, if it can be installed; a
//! container. What is started here is private: a folder and a free port of its own, and it ends with the command.

mod cluster;
mod container;
mod programs;

use std::process::Command;

use crate::Result;
use crate::cargo;

/// Where tests look for a server.
pub(crate) const URL: &str = "STENT_TEST_POSTGRES_URL";

/// A server that tests may fill as they like.
pub(crate) struct Server {
    url: String,
    // Stopped when it is dropped; none if somebody else's is used.
    _running: Option<Box<dyn Running>>,
}

/// What a server that is started here syncs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Nothing: what it holds does not outlive the command. For tests.
    None,
    /// What it commits, as a server that is used. For benchmarks.
    Full,
}

impl Durability {
    /// Settings of the server.
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::None => &["fsync=off", "full_page_writes=off"],
            Self::Full => &["fsync=on", "full_page_writes=on", "synchronous_commit=on"],
        }
    }
}

/// A server that was started here, and ends when it is dropped.
trait Running {}

impl Server {
    /// Finds one, whatever it syncs, or starts one.
    ///
    /// An error says what to install: tests of a backend are never left out in silence.
    pub(crate) fn start(durability: Durability) -> Result<Self> {
        if let Some(url) = std::env::var(URL).ok().filter(|url| !url.is_empty()) {
            println!("PostgreSQL: the server that {URL} names");
            return Ok(Self { url, _running: None });
        }
        let mut tried = Vec::new();
        match programs::find().or_else(|missing| {
            tried.push(missing.to_string());
            programs::install()
        }) {
            Ok(programs) => {
                println!("PostgreSQL: {}", programs.said());
                let cluster = cluster::Cluster::start(&programs, durability)?;
                return Ok(Self { url: cluster.url(), _running: Some(Box::new(cluster)) });
            }
            Err(error) => tried.push(error.to_string()),
        }
        match container::Container::start(durability) {
            Ok(container) => {
                println!("PostgreSQL: a container");
                Ok(Self { url: container.url(), _running: Some(Box::new(container)) })
            }
            Err(error) => {
                tried.push(error.to_string());
                let tried = tried.join("; ");
                Err(format!("no PostgreSQL: {tried}.\nInstall PostgreSQL {} or newer, or name a server: {URL}=postgres://user@host/database", programs::OLDEST).into())
            }
        }
    }

    /// Has what a command starts find it.
    pub(crate) fn lend(&self, command: &mut Command) {
        command.env(URL, &self.url);
    }
}

/// `cargo xtask postgres [-- COMMAND...]`: a server as long as a command runs, or else until the input ends.
pub(crate) fn run(command: &[String]) -> Result {
    let server = Server::start(Durability::None)?;
    let Some((program, arguments)) = command.split_first() else {
        println!("{URL}={}", server.url);
        println!("It ends when the input does: Ctrl-D.");
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
        return Ok(());
    };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(cargo::root()?);
    server.lend(&mut command);
    cargo::run(&mut command)
}
