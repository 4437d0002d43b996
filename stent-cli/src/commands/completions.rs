//! `completions`: what a shell proposes.

use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::json;

use crate::answer::Answer;
use crate::arguments::Arguments;

pub(super) fn write(shell: Shell) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "stent", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Answer::new(json!({"shell": shell.to_string(), "script": script}), script)
}
