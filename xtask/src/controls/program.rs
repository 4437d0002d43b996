//! One test of a test program, in its own process, with a bound on its time.

use crate::Result;
use crate::libtest::{Case, Verdict};
use std::fmt;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longer takes no test that is named for a control: one that hangs has not caught it.
const PATIENCE: Duration = Duration::from_secs(150);

/// How a test ended.
pub(crate) enum Ended {
    Passed,
    /// It panicked, and said this first.
    Failed(String),
    /// It was no test, was ended, or died.
    Otherwise(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed(said) => write!(f, "failed: {said}"),
            Self::Otherwise(how) => f.write_str(how),
        }
    }
}

/// Runs the one test that a command's arguments name.
pub(crate) fn run_test(mut command: Command) -> Result<Ended> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (output, errors) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let deadline = Instant::now() + PATIENCE;
    let is_over = loop {
        if child.try_wait()?.is_some() {
            break false;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            break true;
        }
        thread::sleep(Duration::from_millis(10));
    };
    if is_over {
        return Ok(Ended::Otherwise(format!("did not end within {} s", PATIENCE.as_secs())));
    }
    let text = [output, errors].map(|reader| reader.join().unwrap_or_default()).concat();
    Ok(judge(&text))
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could be read is what there is to say.
        let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// How the one test ended of which this is the output.
fn judge(text: &str) -> Ended {
    let cases: Vec<Case> = text.lines().filter_map(Case::parse).collect();
    match cases.as_slice() {
        [Case { verdict: Verdict::Passed, .. }] => Ended::Passed,
        [Case { verdict: Verdict::Failed, .. }] => Ended::Failed(said(text)),
        [] => Ended::Otherwise("ran no test, or died".to_owned()),
        _ => Ended::Otherwise("was ignored".to_owned()),
    }
}

/// The first line of the first panic's message.
fn said(text: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.contains("panicked at ")).skip(1);
    lines.find(|line| !line.trim().is_empty()).unwrap_or("no message").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_failed_is_told_by_its_message() {
        let text = "
running 1 test
test a::b ... FAILED

---- a::b stdout ----

thread 'a::b' (12) panicked at a/src/b.rs:5:13:
assertion `left == right` failed: nothing deadlocks
  left: 1
";
        match judge(text) {
            Ended::Failed(said) => assert_eq!(said, "assertion `left == right` failed: nothing deadlocks"),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn no_test_is_neither_passed_nor_failed() {
        assert!(matches!(judge("running 0 tests\n"), Ended::Otherwise(_)));
        assert!(matches!(judge("running 1 test\ntest a ... ok\n"), Ended::Passed));
        assert!(matches!(judge("running 1 test\ntest a ... ignored\n"), Ended::Otherwise(_)));
    }
}
