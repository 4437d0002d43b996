//! The commands, one a file.

mod backup;
mod cancel;
mod cleanup;
mod completions;
mod dispatch;
mod dlq;
mod doctor;
mod list;
mod listing;
mod migrate;
mod redrive;
mod show;
mod signal;
mod stats;
mod tasks;
mod watch;
mod why;

use crate::answer::Answer;
use crate::arguments::{Arguments, Command};
use crate::database::{Database, Place};
use crate::failure::Failure;

/// Carries a command out.
pub(crate) async fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::Completions { shell } => return Ok(completions::write(*shell)),
        Command::Migrate { create } => return migrate::migrate(&Place::of(arguments)?, *create).await,
        Command::Backup { file } => return backup::back_up(&Place::of(arguments)?, file).await,
        Command::Signal { value, .. } => signal::check(value)?,
        Command::Dispatch(dispatch) => drop(dispatch::arguments(&dispatch.arguments)?),
        _ => {}
    }
    let database = Database::open(arguments).await?;
    let answer = ask(&database, arguments).await;
    database.close().await;
    answer
}

async fn ask(database: &Database, arguments: &Arguments) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::List(list) => list::list(database, list).await,
        Command::Show(show) => show::show(database, show).await,
        Command::Tasks(tasks) => tasks::tasks(database, tasks).await,
        Command::Why { id } => why::why(database, *id).await,
        Command::Stats => stats::stats(database).await,
        Command::Watch(watch) => watch::watch(database, &Place::of(arguments)?, watch, arguments.json).await,
        Command::Signal { id, name, value } => signal::signal(database, *id, name, value).await,
        Command::Dispatch(dispatch) => dispatch::dispatch(database, dispatch).await,
        Command::Cancel { id, idempotent, consent } => cancel::cancel(database, *id, *idempotent, *consent).await,
        Command::Redrive { id } => redrive::redrive(database, *id).await,
        Command::Dlq(dlq) => dlq::dlq(database, dlq).await,
        Command::Cleanup { older_than, dry_run, consent } => {
            cleanup::cleanup(database, *older_than, *dry_run, *consent).await
        }
        Command::Doctor => doctor::doctor(database, &Place::of(arguments)?).await,
        Command::Completions { .. } | Command::Migrate { .. } | Command::Backup { .. } => {
            Err(Failure::bug("a command was reached twice"))
        }
    }
}
