//! A program that is a process of its own: a worker on an SQLite file, at work until it is told to shut down.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use stent_backend_sqlite::SqliteBackend;
use stent_core::worker::WorkerState;
use stent_executor::Stent;
use stent_executor::prelude::*;

/// The directory of such a program: its database, what its functions did, and a file for each of them that may end.
#[derive(Debug, Clone)]
pub struct Place(pub PathBuf);

impl Place {
    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join("stent.db")
    }

    /// Lets work of this name end.
    pub fn open(&self, name: &str) {
        std::fs::write(self.0.join(name), []).unwrap();
    }

    /// What functions did, in the order in which it happened, over all processes.
    #[must_use]
    pub fn effects(&self) -> Vec<String> {
        let effects = std::fs::read_to_string(self.0.join("effects")).unwrap_or_default();
        effects.lines().map(str::to_owned).collect()
    }

    fn note(&self, effect: &str) {
        let mut effects = OpenOptions::new().append(true).create(true).open(self.0.join("effects")).unwrap();
        effects.write_all(format!("{effect}\n").as_bytes()).unwrap();
    }
}

/// Runs until its place has a file of this name.
#[durable]
pub async fn work(ctx: Ctx, name: String) -> Result<String> {
    let place = ctx.resource::<Place>()?;
    place.note(&format!("{name} began"));
    while !place.0.join(&name).exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    place.note(&format!("{name} ended"));
    Ok(name)
}

/// Waits for a signal.
#[durable]
pub async fn listen(ctx: Ctx) -> Result<u32> {
    ctx.resource::<Place>()?.note("listening");
    ctx.signal("go").await
}

/// Works until it is told to shut down, and prints the states of its worker as they come.
///
/// # Errors
/// That the store cannot be opened or a setting breaks its rule.
pub async fn serve(directory: &Path, lease: &str, grace: &str) -> Result<ExitCode> {
    let place = Place(directory.to_owned());
    let backend = SqliteBackend::open(place.database()).await?;
    let stent = Stent::builder(backend).functions(functions![work, listen]).resource(place).build().await?;
    let worker = Arc::new(stent.worker().lease(lease).drain_grace(grace).start().await?);
    let states = tokio::spawn({
        let worker = Arc::clone(&worker);
        async move {
            for state in [WorkerState::Ready, WorkerState::Draining, WorkerState::Stopped] {
                println!("{}", worker.wait_for(state).await);
            }
        }
    });
    let code = worker.run_until_shutdown().await.map_or_else(ExitCode::from, |()| ExitCode::SUCCESS);
    states.await?;
    Ok(code)
}
