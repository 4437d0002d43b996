//! The command line as it was given: read, or refused in one line.

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::secret;

/// What the command line asks for.
pub(crate) enum Given {
    Arguments(Box<Arguments>),
    /// Help or the version.
    Help(String),
}

/// Reads the command line of this process.
pub(crate) fn parse() -> Result<Given, Failure> {
    let given: Vec<OsString> = std::env::args_os().collect();
    if let Some(name) = not_text(&given) {
        return Err(Failure::usage(format!("{name} is not UTF-8; give it as UTF-8 text")));
    }
    let mut arguments = match Arguments::try_parse_from(&given) {
        Ok(arguments) => arguments,
        Err(error) => return refused(&error),
    };
    match &arguments.db {
        Some(address) if secret::is_in(address) => {
            // Whoever does not read it has been told.
            let _ = writeln!(
                io::stderr(),
                "warning: every program of this machine can read the password in --db; use STENT_DB"
            );
        }
        Some(_) => {}
        None => arguments.db = from_environment()?,
    }
    Ok(Given::Arguments(Box::new(arguments)))
}

fn from_environment() -> Result<Option<String>, Failure> {
    let address = std::env::var_os("STENT_DB").filter(|address| !address.is_empty());
    let address = address.map(OsString::into_string).transpose();
    address.map_err(|_| Failure::usage("STENT_DB is not UTF-8; give it as UTF-8 text"))
}

/// The name of the first argument that is not UTF-8.
fn not_text(given: &[OsString]) -> Option<String> {
    let at = given.iter().skip(1).position(|argument| argument.to_str().is_none())? + 1;
    let text = given[at].to_string_lossy();
    let option = |text: &str| text.starts_with("--").then(|| text.split('=').next().unwrap_or(text).to_owned());
    let before = given[at - 1].to_str().filter(|before| at > 1 && !before.contains('='));
    option(&text).or_else(|| before.and_then(option)).or_else(|| Some(format!("argument {at}")))
}

/// One line of what clap says in several, or the help that was asked for.
fn refused(error: &clap::Error) -> Result<Given, Failure> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return Ok(Given::Help(text)),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Err(Failure::usage("no command was given; `stent --help` lists them"));
        }
        _ => {}
    }
    let said: Vec<&str> = text.split("\n\n").next().unwrap_or("").lines().map(str::trim).collect();
    let said = said.join(" ");
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    Err(Failure::usage(format!("{said}; `stent --help` says what there is")))
}
