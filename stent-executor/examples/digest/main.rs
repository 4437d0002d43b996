//! `digest DIR`: SHA-256 of all files below a directory, as a durable job that survives being killed.
//!
//! In the order of the data: `arguments` is what the program is told, `start` opens the database and finds or begins the job, `job` is the
//! job: `listing`, `sum` and `report` are its parts, and `name` how files are called in it. `progress` and `print` show it.

mod arguments;
mod job;
mod listing;
mod name;
mod print;
mod progress;
mod report;
mod start;
mod sum;

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use stent_executor::Worker;

use arguments::{Arguments, Asked};
use print::Run;
use progress::Progress;
use start::{Job, Trouble};

/// `EX_TEMPFAIL` of `sysexits.h`: not done, but the same again goes on.
const STOPPED: u8 = 75;

fn main() -> ExitCode {
    let arguments = match arguments::read(std::env::args_os().skip(1)) {
        Ok(Asked::Job(arguments)) => arguments,
        Ok(Asked::Help) => {
            show(arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(text) => return Trouble::usage(text).tell(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Trouble::job(format!("no threads: {error}")).tell(),
    };
    let code = runtime.block_on(run(&arguments)).unwrap_or_else(|trouble| trouble.tell());
    // A file on a slow drive may still be read; nobody waits for it.
    runtime.shutdown_background();
    code
}

async fn run(arguments: &Arguments) -> Result<ExitCode, Trouble> {
    let began = Instant::now();
    let job = start::open(arguments).await?;
    let Job { execution, resumed, backend, .. } = &job;
    let before = resumed.unwrap_or_default();
    if resumed.is_some() {
        eprintln!("resuming job {}: {}", execution.id(), before.words());
    }
    let worker = job.work(arguments.concurrency).await?;
    tokio::select! {
        // Asked for again below.
        _ = execution.result() => {}
        () = progress::show(backend, execution.id(), before) => {}
        () = stop_asked() => {
            eprintln!("stopping: files that are being read are finished first; once more stops at once");
        }
    }
    stop(&worker).await;
    // A job may have ended while the worker stopped.
    let code = if execution.status().await?.is_final() {
        let run = Run { execution: execution.id(), resumed: *resumed, time: began.elapsed() };
        execution.result().await.map_err(Trouble::from).map(|report| {
            show(&if arguments.is_json { print::json(&report, &run) } else { print::text(&report, &run) });
            ExitCode::SUCCESS
        })
    } else {
        let now = Progress::read(backend, execution.id()).await?;
        eprintln!("stopped: {}; the same command goes on", now.words());
        Ok(ExitCode::from(STOPPED))
    };
    backend.close().await;
    code
}

/// Prints; that nobody reads it to its end is no trouble.
fn show(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Lets the worker finish what it is at, or stops it at once if that is asked for.
async fn stop(worker: &Worker) {
    tokio::select! {
        _ = worker.drain() => {}
        () = stop_asked() => {
            let _ = worker.stop().await;
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn stop_asked() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
