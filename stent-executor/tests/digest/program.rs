//! The example's program as a process: found, started, watched, killed.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

/// Nobody. Root may read everything, so tests of what may not be read or written run the program as this user.
const NOBODY: u32 = 65_534;

/// A place for one test: the program, its database, ledger and whatever it makes.
pub(crate) struct Place {
    directory: TempDir,
    program: PathBuf,
    is_root: bool,
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program while it runs.
pub(crate) struct Running(Child);

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let is_root = run("id", &["-u"]).trim() == "0";
        let program = directory.path().join("program");
        // A copy, as nobody may look into the directory of the build.
        fs::copy(program_of_build(), &program).unwrap();
        let place = Self { directory, program, is_root };
        place.give_to_program(place.path());
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The path of a file in this place.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Lets the program write here.
    pub(crate) fn give_to_program(&self, path: &Path) {
        if self.is_root {
            std::os::unix::fs::chown(path, Some(NOBODY), None).unwrap();
        }
        run("chmod", &["a+rx", path.to_str().unwrap()]);
    }

    /// The program with these arguments, in this place.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if self.is_root {
            std::os::unix::process::CommandExt::uid(&mut command, NOBODY);
        }
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running(self.command(arguments).spawn().unwrap())
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }
}

impl Running {
    /// Waits until it has ended.
    pub(crate) fn end(self) -> Ended {
        let ended = self.0.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { status: ended.status, stdout: text(ended.stdout), stderr: text(ended.stderr) }
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) -> Ended {
        self.0.kill().unwrap();
        self.end()
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        run("kill", &["-TERM", &self.0.id().to_string()]);
    }

    /// The most memory it has held so far, in bytes; 0 once it has ended.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Waits until this is so; false if the program ends before.
    pub(crate) fn wait_until(&mut self, mut is_so: impl FnMut() -> bool) -> bool {
        let started = Instant::now();
        while !is_so() {
            if self.0.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(started.elapsed() < Duration::from_secs(120), "the program does nothing");
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

impl Ended {
    /// The report, which must have come as JSON.
    pub(crate) fn report(&self) -> Value {
        assert!(self.status.success(), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// The one line of an error: nothing else is said before it but progress, by a job that had begun.
    pub(crate) fn error(&self, code: i32) -> &str {
        assert_eq!((self.status.code(), self.stdout.as_str()), (Some(code), ""), "{self:?}");
        let errors: Vec<_> = self.stderr.lines().filter(|line| !line.contains(" files/s")).collect();
        let [line] = *errors else { panic!("{self:?}") };
        line.strip_prefix("error: ").unwrap()
    }
}

/// The output of another program, which must succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = String::new();
    command.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(command.wait().unwrap().success(), "{program} {arguments:?}");
    output
}

/// The example beside this test. `cargo test` has built it; `cargo test --test digest` has not, so that it is built here then.
fn program_of_build() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let program = profile.join("examples/digest");
        if fs::metadata(&program).and_then(|program| program.modified()).is_ok_and(|built| built >= newest_source()) {
            return program;
        }
        let profile = if profile.ends_with("release") { "release" } else { "dev" };
        let arguments = ["build", "--package", "stent-executor", "--example", "digest", "--profile", profile];
        run(env!("CARGO"), &arguments);
        program
    })
}

/// When a source of the program was changed last.
fn newest_source() -> SystemTime {
    fn newest(path: &Path) -> SystemTime {
        let metadata = fs::metadata(path).unwrap();
        if !metadata.is_dir() {
            return metadata.modified().unwrap();
        }
        let entries = fs::read_dir(path).unwrap().map(|entry| newest(&entry.unwrap().path()));
        entries.max().unwrap_or(SystemTime::UNIX_EPOCH)
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let sources = [
        "stent-core/src",
        "stent-macros/src",
        "stent-executor/src",
        "stent-executor/examples",
        "stent-backend-sqlite/src",
        "stent-backend-sqlite/sql",
    ];
    sources.map(|source| newest(&workspace.join(source))).into_iter().max().unwrap()
}
