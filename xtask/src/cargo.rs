//! Running cargo, and any other program, from the root of the workspace; what cargo has built.

use crate::Result;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// A test or benchmark that cargo has built, and the folder of its crate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) executable: PathBuf,
    pub(crate) folder: PathBuf,
}

impl Program {
    /// The program of this name that a message of cargo announces; `None` for any other message.
    pub(crate) fn parse(message: &str, name: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(message).ok()?;
        if message["reason"] != "compiler-artifact" || message["target"]["name"] != name {
            return None;
        }
        let manifest = Path::new(message["manifest_path"].as_str()?);
        Some(Self { executable: message["executable"].as_str()?.into(), folder: manifest.parent()?.to_owned() })
    }

    /// The program as cargo would run it, in its crate's folder.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

/// The root of the workspace: the folder above this crate, where cargo says it is now.
pub(crate) fn root() -> Result<PathBuf> {
    let here =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    match here.parent() {
        Some(root) => Ok(root.to_owned()),
        None => Err(format!("{} has no folder above it", here.display()).into()),
    }
}

/// `cargo` with `arguments`, in `root`. The same cargo that runs this program, so that toolchains do not mix.
pub(crate) fn cargo(root: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root);
    // Those of this program: build scripts that look at them would run again whenever cargo is started by hand in between.
    let own = std::env::vars_os().map(|(name, _)| name);
    let is_of_package = |name: &OsString| {
        name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    };
    own.filter(is_of_package).for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// Runs `command` with its output passed through; an exit code other than zero is an error.
pub(crate) fn run(command: &mut Command) -> Result {
    let status = command.status().map_err(|error| unstarted(command, &error))?;
    succeeded(command, status)
}

/// Runs `command` and gives its output to `each`, line by line as it comes. Its errors are passed through.
pub(crate) fn stream(command: &mut Command, mut each: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| unstarted(command, &error))?;
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line)? > 0 {
            each(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
            line.clear();
        }
    }
    Ok(child.wait()?)
}

/// The whole output of `command` as text; an exit code other than zero is an error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| unstarted(command, &error))?;
    succeeded(command, output.status)?;
    Ok(String::from_utf8(output.stdout)?)
}

/// An error that names the command unless `status` is success.
pub(crate) fn succeeded(command: &Command, status: ExitStatus) -> Result {
    match status.success() {
        true => Ok(()),
        false => Err(format!("`{}` failed: {status}", spelled(command)).into()),
    }
}

fn unstarted(command: &Command, error: &std::io::Error) -> String {
    format!("`{}` could not be started: {error}", spelled(command))
}

/// The command as one would type it: the program without its folder, then its arguments.
fn spelled(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_named_with_its_exit_code() {
        let root = root().unwrap();
        let mut command = cargo(&root, ["no-such-command"]);
        command.stderr(Stdio::null());
        let error = run(&mut command).unwrap_err().to_string();
        assert_eq!(error, "`cargo no-such-command` failed: exit status: 101");
    }

    #[test]
    fn output_comes_line_by_line() {
        let mut lines = Vec::new();
        let status = stream(&mut cargo(&root().unwrap(), ["--version"]), |line| {
            lines.push(line.to_owned());
        });
        assert!(status.unwrap().success());
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("cargo 1."), "{lines:?}");
    }

    #[test]
    fn the_program_is_found_among_the_messages_of_cargo() {
        let artifact = r#"{"reason":"compiler-artifact","manifest_path":"/r/stent-testkit/Cargo.toml",
            "target":{"kind":["test"],"name":"conformance"},"executable":"/r/target/debug/deps/conformance-1a"}"#;
        let found =
            Program { executable: "/r/target/debug/deps/conformance-1a".into(), folder: "/r/stent-testkit".into() };
        assert_eq!(Program::parse(artifact, "conformance"), Some(found));
        assert_eq!(Program::parse(artifact, "plans"), None);
        assert_eq!(Program::parse(r#"{"reason":"build-finished","success":true}"#, "conformance"), None);
        assert_eq!(Program::parse("warning: unused", "conformance"), None);
    }
}
