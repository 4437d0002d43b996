//! The worker processes: this program once more, each with a name, and what they say line by line.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use stent_executor::prelude::*;
use tokio::sync::mpsc;

/// The argument that makes this program a worker.
pub(crate) const WORKER: &str = "--worker";

/// A line that a worker said; none: it will say no more.
pub(crate) struct Said {
    pub(crate) worker: &'static str,
    pub(crate) line: Option<String>,
}

/// A worker process.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    /// What the store calls it, once it is ready.
    pub(crate) id: String,
    process: Child,
}

/// The worker processes; killed when this is dropped.
pub(crate) struct Crew {
    pub(crate) members: Vec<Member>,
    said: mpsc::UnboundedReceiver<Said>,
}

impl Crew {
    pub(crate) fn start(url: &str, names: [&'static str; 2]) -> Result<Self> {
        let (sender, said) = mpsc::unbounded_channel();
        let mut crew = Self { members: Vec::new(), said };
        for name in names {
            // Not as an argument, which everybody on the machine may read: it may hold a password.
            let mut command = Command::new(std::env::current_exe()?);
            command.arg(WORKER).env("DATABASE_URL", url).stdin(Stdio::null()).stdout(Stdio::piped());
            let mut process = command.spawn()?;
            let output = process.stdout.take();
            crew.members.push(Member { name, id: String::new(), process });
            let sender = sender.clone();
            thread::spawn(move || {
                let lines =
                    output.map(BufReader::new).into_iter().flat_map(BufReader::lines).map_while(|line| line.ok());
                for line in lines.map(Some).chain([None]) {
                    // Nobody hears it any more when the client is done.
                    let _ = sender.send(Said { worker: name, line });
                }
            });
        }
        Ok(crew)
    }

    /// The next line of any of them.
    pub(crate) async fn hear(&mut self) -> Result<Said> {
        self.said.recv().await.ok_or_else(|| Failure::msg("all workers are gone"))
    }

    pub(crate) async fn wait_until_ready(&mut self) -> Result<()> {
        while self.members.iter().any(|member| member.id.is_empty()) {
            let said = self.hear().await?;
            let Some(line) = said.line else {
                return Err(Failure::msg(format!("worker {} ended before it was ready", said.worker)));
            };
            if let (Some(id), Some(member)) = (line.strip_prefix("ready "), self.member(said.worker)) {
                id.clone_into(&mut member.id);
            }
        }
        Ok(())
    }

    /// Ends a worker from one moment to the next, with SIGKILL, as `kill -9` does; answers with its id.
    pub(crate) fn kill(&mut self, name: &str) -> Result<String> {
        let member = self.member(name).ok_or_else(|| Failure::msg(format!("there is no worker {name}")))?;
        member.process.kill()?;
        member.process.wait()?;
        Ok(member.id.clone())
    }

    fn member(&mut self, name: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.name == name)
    }
}

impl Member {
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for member in &mut self.members {
            // It may have ended before.
            let _ = member.process.kill();
            let _ = member.process.wait();
        }
    }
}
