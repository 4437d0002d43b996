//! The command line: commands, options, and what they may be.

use std::error::Error;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use stent_core::backend::Page;
use stent_core::execution::ExecutionState;
use stent_core::name::{DedupKey, FunctionName, QueueName, SignalName, Tag, Version};
use stent_core::task::TaskState;
use stent_core::{ExecutionId, TaskId};

use crate::confirm::Consent;
use crate::span;

/// What runs, what waits and why, dead letters and retention, in a Stent database
#[derive(Debug, Parser)]
#[command(name = "stent", version, subcommand_required = true, arg_required_else_help = true, max_term_width = 80)]
pub(crate) struct Arguments {
    /// The database: sqlite:FILE or postgres://USER@HOST/DATABASE; STENT_DB if not given
    #[arg(long, global = true, value_name = "URL", display_order = 100)]
    pub(crate) db: Option<String>,
    /// The schema of a PostgreSQL database; `stent` if not given
    #[arg(long, global = true, value_name = "NAME", display_order = 101)]
    pub(crate) schema: Option<String>,
    /// Answer with JSON
    #[arg(long, global = true, display_order = 102)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Executions, newest first
    List(ListArguments),
    /// One execution: why it runs or not, what it did, failures, variables, children
    Show(ShowArguments),
    /// Tasks, by id
    Tasks(TasksArguments),
    /// Why an execution is not running: its root and the open tasks below it
    Why {
        /// The execution
        id: ExecutionId,
    },
    /// Depths of queues, the oldest ready task of each, and how many executions end
    Stats,
    /// What happens, again and again: a full screen on a terminal, plain lines elsewhere
    Watch(WatchArguments),
    /// Sends a signal
    Signal {
        /// The execution
        id: ExecutionId,
        /// The signal
        name: Name<SignalName>,
        /// Its value, as JSON: 3, '"text"', '{"ok": true}'
        value: String,
    },
    /// Dispatches a function that the workers of other programs have
    Dispatch(DispatchArguments),
    /// Cancels an execution with all open tasks below it
    Cancel {
        /// The execution
        id: ExecutionId,
        /// Be content with an execution that has ended already
        #[arg(long)]
        idempotent: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// Goes on with a failed or timed-out execution from what failed
    Redrive {
        /// The execution
        id: ExecutionId,
    },
    /// Dead letters: what failed for good
    #[command(subcommand)]
    Dlq(Dlq),
    /// Deletes executions that ended long ago, with all that hangs on them
    Cleanup {
        /// How long ago they ended at least: 30d
        #[arg(long, value_name = "DURATION", value_parser = span::positive, allow_hyphen_values = true)]
        older_than: Duration,
        /// Count, and delete nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// Brings the database's schema up to date
    Migrate {
        /// Make the file or schema if it is missing
        #[arg(long)]
        create: bool,
    },
    /// Looks at the connection, the schema's version, the clock and the workers
    Doctor,
    /// Copies an SQLite database to a new file while it is in use
    Backup {
        /// The new file
        file: PathBuf,
    },
    /// The completions of a shell, to be sourced
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// How long to wait before looking again
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = span::positive, allow_hyphen_values = true)]
    pub(crate) every: Duration,
    /// End after so many looks
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    times: Option<u64>,
}

impl WatchArguments {
    /// True if the look of this number, counted from 0, is the last one.
    pub(crate) fn is_done(&self, number: u64) -> bool {
        self.times.is_some_and(|times| number + 1 >= times)
    }
}

#[derive(Debug, Args)]
pub(crate) struct DispatchArguments {
    /// The function
    pub(crate) function: Name<FunctionName>,
    /// Its arguments as a JSON array, an entry for each: '[7, "text"]'
    #[arg(default_value = "[]")]
    pub(crate) arguments: String,
    /// The version that it is pinned to
    #[arg(long = "pin", value_name = "VERSION")]
    pub(crate) version: Option<Name<Version>>,
    /// Into this queue
    #[arg(long, value_name = "NAME")]
    pub(crate) queue: Option<Name<QueueName>>,
    /// With this tag; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) tag: Vec<Name<Tag>>,
    /// High goes first
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) priority: i32,
    /// Starts no earlier than this from now: 2h
    #[arg(long, value_name = "DURATION", value_parser = span::positive, allow_hyphen_values = true)]
    pub(crate) delay: Option<Duration>,
    /// Times out after this from its start: 1h
    #[arg(long, value_name = "DURATION", value_parser = span::positive, allow_hyphen_values = true)]
    pub(crate) max_duration: Option<Duration>,
    /// How often it is tried, at most; 3 if not given
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_attempts: Option<u32>,
    /// A key that one execution bears: a second dispatch finds the first
    #[arg(long, value_name = "KEY")]
    pub(crate) dedup: Option<Name<DedupKey>>,
    /// Dispatch it although no live worker has the function
    #[arg(long)]
    pub(crate) unknown: bool,
}

impl Command {
    /// True if it changes what workers wait for.
    pub(crate) fn changes(&self) -> bool {
        match self {
            Self::Dispatch(_) | Self::Signal { .. } | Self::Cancel { .. } | Self::Redrive { .. } => true,
            Self::Dlq(dlq) => matches!(dlq, Dlq::Replay { .. } | Dlq::ReplayAll { .. }),
            _ => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// In this state; may be repeated
    #[arg(long, value_parser = execution_state)]
    pub(crate) state: Vec<ExecutionState>,
    /// Of this function
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<Name<FunctionName>>,
    /// In this queue
    #[arg(long, value_name = "NAME")]
    pub(crate) queue: Option<Name<QueueName>>,
    /// With this tag
    #[arg(long, value_name = "NAME")]
    pub(crate) tag: Option<Name<Tag>>,
    /// Dispatched at most so long ago: 2h
    #[arg(long, value_name = "DURATION", value_parser = span::positive, allow_hyphen_values = true)]
    pub(crate) since: Option<Duration>,
    #[command(flatten)]
    pub(crate) page: PageArguments<ExecutionId>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// The execution
    pub(crate) id: ExecutionId,
    /// Print the first 256 bytes of arguments, results and values
    #[arg(long)]
    pub(crate) show_payloads: bool,
    /// How many operations to show of the root, from the newest
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) operations: u32,
}

#[derive(Debug, Args)]
pub(crate) struct TasksArguments {
    /// Of this execution
    #[arg(long, value_name = "ID")]
    pub(crate) execution: Option<ExecutionId>,
    /// Children of this task
    #[arg(long, value_name = "ID")]
    pub(crate) parent: Option<TaskId>,
    /// In this state; may be repeated
    #[arg(long, value_parser = task_state)]
    pub(crate) state: Vec<TaskState>,
    /// Of this function
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<Name<FunctionName>>,
    /// In this queue
    #[arg(long, value_name = "NAME")]
    pub(crate) queue: Option<Name<QueueName>>,
    #[command(flatten)]
    pub(crate) page: PageArguments<TaskId>,
}

#[derive(Debug, Args)]
pub(crate) struct PageArguments<K>
where
    K: FromStr<Err: Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    /// At most so many rows, 1 to 1000
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// The last id of the page before
    #[arg(long, value_name = "ID")]
    after: Option<K>,
}

impl<K> PageArguments<K>
where
    K: FromStr<Err: Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    pub(crate) fn page(&self) -> Page<K> {
        Page { after: self.after.clone(), limit: self.limit }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Dlq {
    /// Dead letters, by id
    List {
        #[command(flatten)]
        filter: LetterArguments,
        #[command(flatten)]
        page: PageArguments<TaskId>,
    },
    /// One dead letter with its causes
    Show {
        /// The dead letter
        id: TaskId,
        /// Print the first 256 bytes of the arguments
        #[arg(long)]
        show_payloads: bool,
    },
    /// Goes on with the execution of a dead letter
    Replay {
        /// The dead letter
        id: TaskId,
    },
    /// Goes on with the executions of all dead letters that fit
    ReplayAll {
        #[command(flatten)]
        filter: LetterArguments,
        #[command(flatten)]
        consent: Consent,
    },
    /// Deletes a dead letter; its task stays failed
    Discard {
        /// The dead letter
        id: TaskId,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LetterArguments {
    /// Of this execution
    #[arg(long, value_name = "ID")]
    pub(crate) execution: Option<ExecutionId>,
    /// Of this function
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<Name<FunctionName>>,
}

/// A checked name, as an argument.
#[derive(Debug, Clone)]
pub(crate) struct Name<N>(pub(crate) N);

impl<N> FromStr for Name<N>
where
    N: for<'a> TryFrom<&'a str, Error = stent_core::name::InvalidName>,
{
    type Err = stent_core::name::InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        N::try_from(text).map(Self)
    }
}

fn execution_state(text: &str) -> Result<ExecutionState, String> {
    ExecutionState::parse(text).ok_or_else(|| one_of(ExecutionState::ALL.map(ExecutionState::as_str)))
}

fn task_state(text: &str) -> Result<TaskState, String> {
    TaskState::parse(text).ok_or_else(|| one_of(TaskState::ALL.map(TaskState::as_str)))
}

fn one_of<const N: usize>(states: [&str; N]) -> String {
    format!("expected one of {}", states.join(", "))
}
