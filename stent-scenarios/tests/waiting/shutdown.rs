//! Real processes that are told to shut down, or killed (C-X4, C-Q6).

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use stent_backend_sqlite::SqliteBackend;
use stent_core::execution::ExecutionState;
use stent_core::task::TaskState;
use stent_core::worker::WorkerState;
use stent_executor::prelude::*;
use stent_executor::{Execution, Stent};
use stent_scenarios::serve::{Place, listen, work};
use stent_scenarios::soon;
use tempfile::TempDir;

use crate::scene::tasks;

/// A database with a client, for programs that come and go.
struct Site {
    place: Place,
    stent: Stent,
    _directory: TempDir,
}

impl Site {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Place(directory.path().to_owned());
        let backend = SqliteBackend::open(place.database()).await.unwrap();
        let stent = Stent::builder(backend).functions(functions![work, listen]).build().await.unwrap();
        Self { place, stent, _directory: directory }
    }

    /// A program that is ready, with leases of an hour: nobody waits for their end.
    fn program(&self, grace: &str) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_serve"))
            .args([self.place.0.to_str().unwrap(), "1h", grace])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut program = Program { child, stdout };
        assert_eq!(program.line(), "ready");
        program
    }

    /// Dispatches work, and waits until it has begun.
    async fn begun(&self, name: &str) -> Execution<String> {
        let execution = self.stent.dispatch(work(name.into())).await.unwrap();
        self.sees(&format!("{name} began"), 1).await;
        execution
    }

    async fn sees(&self, effect: &str, times: usize) {
        soon(effect, async {
            while self.place.effects().iter().filter(|seen| *seen == effect).count() < times {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

/// A program at work. Killed when dropped.
struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Program {
    /// The next state of its worker.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Its exit code, once it has ended.
    fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// C-X4: one SIGTERM, or one Ctrl-C, lets running work finish, suspends what waits, takes no more, and ends with 0.
#[tokio::test]
async fn a_signal_drains() {
    for signal in ["-TERM", "-INT"] {
        let site = Site::new().await;
        let mut program = site.program("1h");
        let running = site.begun("first").await;
        let waiting = site.stent.dispatch(listen()).await.unwrap();
        site.sees("listening", 1).await;
        program.signal(signal);
        assert_eq!(program.line(), "draining");
        let late = site.stent.dispatch(work("second".into())).await.unwrap();
        site.place.open("first");
        assert_eq!(soon("the result", running.result()).await.unwrap(), "first");
        assert_eq!(program.line(), "stopped");
        assert_eq!(program.code(), Some(0));
        assert_eq!(waiting.status().await.unwrap(), ExecutionState::Suspended);
        assert_eq!(late.status().await.unwrap(), ExecutionState::Pending);
        assert_eq!(site.place.effects(), ["first began", "listening", "first ended"]);
        assert_eq!(site.stent.backend().workers().await.unwrap()[0].state, WorkerState::Stopped);
    }
}

/// C-X4: a second signal, whichever, stops at once; the exit code says that something is left, and the next program has it at once.
#[tokio::test]
async fn a_second_signal_stops_at_once() {
    for (first, second) in [("-TERM", "-TERM"), ("-INT", "-TERM"), ("-TERM", "-INT")] {
        let site = Site::new().await;
        let mut program = site.program("1h");
        let execution = site.begun("it").await;
        program.signal(first);
        assert_eq!(program.line(), "draining");
        assert_eq!(site.place.effects(), ["it began"]);
        program.signal(second);
        assert_eq!(program.line(), "stopped");
        assert_eq!(program.code(), Some(75), "EX_TEMPFAIL");

        let _next = site.program("1h");
        site.sees("it began", 2).await;
        let task = tasks(&site.stent, execution.id()).await.remove(0);
        assert_eq!((task.state, task.attempt), (TaskState::Running, 1), "no attempt is used up");
        site.place.open("it");
        assert_eq!(soon("the result", execution.result()).await.unwrap(), "it");
    }
}

/// C-X4: a drain is bounded: past its grace what runs is released.
#[tokio::test]
async fn a_drain_ends_with_its_grace() {
    let site = Site::new().await;
    let program = site.program("100ms");
    site.begun("it").await;
    program.signal("-TERM");
    assert_eq!(program.code(), Some(75));
    let _next = site.program("1h");
    site.sees("it began", 2).await;
}

/// C-Q6: a program that was killed and started again goes on at once, with an attempt used up, and not after a lease.
#[tokio::test]
async fn the_work_of_a_killed_program_goes_on_at_once() {
    let site = Site::new().await;
    let program = site.program("1h");
    let execution = site.begun("it").await;
    program.signal("-KILL");
    assert_eq!(program.code(), None);
    let _next = site.program("1h");
    site.sees("it began", 2).await;
    assert_eq!(tasks(&site.stent, execution.id()).await[0].attempt, 2);
    site.place.open("it");
    assert_eq!(soon("the result", execution.result()).await.unwrap(), "it");
}

/// C-Q6: a neighbour that lives on sees it gone within seconds, also one that has not been buried yet.
#[tokio::test]
async fn a_neighbour_goes_on_with_the_work_of_a_killed_program() {
    let site = Site::new().await;
    let killed = site.program("1h");
    let execution = site.begun("it").await;
    let _neighbour = site.program("1h");
    killed.signal("-KILL");
    site.sees("it began", 2).await;
    site.place.open("it");
    assert_eq!(soon("the result", execution.result()).await.unwrap(), "it");
}
