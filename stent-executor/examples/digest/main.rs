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

use std::process::ExitCode;
use std::time::Instant;

use stent_executor::{ExecutionError, Worker};

use arguments::{Arguments, Asked};
use print::Run;
use progress::Progress;
use report::Report;
use start::{Job, Trouble};

/// `EX_TEMPFAIL` of `sysexits.h`: not done, but the same again goes on.
const STOPPED: u8 = 75;

fn main() -> ExitCode {
    let arguments = match arguments::read(std::env::args_os().skip(1)) {
        Ok(Asked::Job(arguments)) => arguments,
        Ok(Asked::Help) => {
            print!("{}", arguments::HELP);
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
    let result = tokio::select! {
        result = execution.result() => Some(result),
        () = progress::show(backend, execution.id(), before) => None,
        () = stop_asked() => {
            eprintln!("stopping: files that are being read are finished first; once more stops at once");
            stop(&worker).await
        }
    };
    let _ = worker.drain().await;
    let result = match result {
        Some(result) => result,
        // It may have ended while the worker stopped.
        None => execution.wait("1ms").await,
    };
    let code = match result {
        Ok(report) => {
            let run = Run { execution: execution.id(), resumed: *resumed, time: began.elapsed() };
            print!("{}", if arguments.is_json { print::json(&report, &run) } else { print::text(&report, &run) });
            ExitCode::SUCCESS
        }
        Err(ExecutionError::Elapsed) => {
            let now = Progress::read(backend, execution.id()).await.unwrap_or(before);
            eprintln!("stopped: {}; the same command goes on", now.words());
            ExitCode::from(STOPPED)
        }
        Err(error) => return Err(Trouble::of_job(&error)),
    };
    backend.close().await;
    Ok(code)
}

/// Lets the worker finish what it is at, or stops it at once if that is asked for.
async fn stop(worker: &Worker) -> Option<Result<Report, ExecutionError>> {
    tokio::select! {
        _ = worker.drain() => {}
        () = stop_asked() => {
            let _ = worker.stop().await;
        }
    }
    None
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
