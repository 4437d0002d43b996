//! A server in a container, where Docker answers.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Durability, Running};
use crate::Result;
use crate::cargo;

/// How long it may take until it answers, the first download aside.
const PATIENCE: Duration = Duration::from_secs(60);
const IMAGE: &str = "postgres:17-alpine";

/// A container that ends when this is dropped.
pub(super) struct Container {
    id: String,
    port: u16,
}

impl Running for Container {}

impl Container {
    pub(super) fn start(durability: Durability) -> Result<Self> {
        let answers = docker(&["info"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !answers.is_ok_and(|status| status.success()) {
            return Err("Docker does not answer".into());
        }
        let mut run = docker(&[
            "run",
            "--detach",
            "--rm",
            "--publish",
            "127.0.0.1::5432",
            "--env",
            "POSTGRES_USER=stent",
            "--env",
            "POSTGRES_DB=postgres",
            "--env",
            "POSTGRES_HOST_AUTH_METHOD=trust",
            IMAGE,
            "-c",
            "max_connections=400",
        ]);
        run.args(durability.settings().iter().flat_map(|setting| ["-c", setting]));
        let id = cargo::output(&mut run)?;
        let mut container = Self { id: id.trim().to_owned(), port: 0 };
        let published = cargo::output(&mut docker(&["port", &container.id, "5432/tcp"]))?;
        let port = published.lines().next().and_then(|line| line.rsplit(':').next()?.trim().parse().ok());
        container.port = port.ok_or("Docker does not say which port the server has")?;
        container.wait()?;
        Ok(container)
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://stent@127.0.0.1:{}/postgres", self.port)
    }

    fn wait(&self) -> Result {
        let begun = Instant::now();
        // By TCP: the server that prepares the first start takes connections by its socket alone.
        let ready = ["exec", &self.id, "pg_isready", "--quiet", "--host=127.0.0.1", "--username=stent"];
        while !docker(&ready).status()?.success() {
            if begun.elapsed() > PATIENCE {
                return Err("the server in the container does not answer".into());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = docker(&["rm", "--force", "--volumes", &self.id]).stdout(Stdio::null()).status();
    }
}

fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments).stdin(Stdio::null());
    command
}
