//! Whether the process of another worker on this machine is gone (C-Q6). Where that cannot be told, nothing is
//! concluded.

use stent_core::worker::ProcessIdentity;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use unknown as system;

/// The identity of this process; its boot is empty where processes cannot be told apart.
pub(super) fn identity() -> ProcessIdentity {
    system::identity().unwrap_or_default()
}

/// True if `other` ran on this machine, as seen from the same place as `mine`, and runs no more.
pub(super) fn is_gone(mine: &ProcessIdentity, other: &ProcessIdentity) -> bool {
    let place = |process: &ProcessIdentity| [process.host.clone(), process.boot.clone(), process.namespace.clone()];
    let is_neighbour = place(mine) == place(other) && place(mine).iter().all(|part| !part.is_empty());
    is_neighbour && system::is_gone(other)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::io::ErrorKind;

    use stent_core::worker::ProcessIdentity;

    pub(super) fn identity() -> Option<ProcessIdentity> {
        let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        Some(ProcessIdentity {
            host: read("/proc/sys/kernel/hostname")?,
            boot: read("/proc/sys/kernel/random/boot_id")?,
            namespace: fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned(),
            pid: std::process::id(),
            started: parse(&read("/proc/self/stat")?)?.started,
        })
    }

    pub(super) fn is_gone(process: &ProcessIdentity) -> bool {
        match fs::read_to_string(format!("/proc/{}/stat", process.pid)) {
            // The mount option `hidepid` hides the processes of other users; then that of the first is hidden, too.
            Err(error) if error.kind() == ErrorKind::NotFound => fs::metadata("/proc/1/stat").is_ok(),
            Err(_) => false,
            Ok(stat) => parse(&stat).is_some_and(|stat| {
                stat.started != process.started || (stat.is_over && threads(process.pid) == Some(1))
            }),
        }
    }

    /// Threads that are left; the first of a process is over while others run, if it ended by itself.
    fn threads(pid: u32) -> Option<usize> {
        fs::read_dir(format!("/proc/{pid}/task")).ok().map(Iterator::count)
    }

    pub(super) struct Stat {
        /// It runs no more, and waits for its parent to take notice.
        pub(super) is_over: bool,
        pub(super) started: u64,
    }

    /// Field 3 (state) and 22 (start time) of `proc_pid_stat(5)`. The second, in parentheses, may hold anything.
    pub(super) fn parse(stat: &str) -> Option<Stat> {
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        Some(Stat { is_over: matches!(state, "Z" | "X"), started })
    }
}

#[cfg(not(target_os = "linux"))]
mod unknown {
    use stent_core::worker::ProcessIdentity;

    pub(super) fn identity() -> Option<ProcessIdentity> {
        None
    }

    pub(super) fn is_gone(_: &ProcessIdentity) -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// C-Q6
    #[test]
    fn a_process_that_runs_is_not_gone_and_one_that_ran_is() {
        let mine = identity();
        assert!(!mine.boot.is_empty() && !is_gone(&mine, &mine));

        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let other = ProcessIdentity { pid: child.id(), started: linux::parse(&stat).unwrap().started, ..mine.clone() };
        assert!(!is_gone(&mine, &other));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_gone(&mine, &other));
        assert!(is_gone(&mine, &ProcessIdentity { started: 1, ..mine.clone() }), "its id was used again");
    }

    /// C-Q6
    #[test]
    fn nothing_is_concluded_about_other_machines_boots_and_namespaces() {
        let mine = identity();
        let gone = ProcessIdentity { started: 1, ..mine.clone() };
        assert!(is_gone(&mine, &gone));
        assert!(!is_gone(&mine, &ProcessIdentity { host: "other".into(), ..gone.clone() }));
        assert!(!is_gone(&mine, &ProcessIdentity { boot: "other".into(), ..gone.clone() }));
        assert!(!is_gone(&mine, &ProcessIdentity { namespace: "other".into(), ..gone.clone() }));
        let nowhere = ProcessIdentity { boot: String::new(), ..gone };
        assert!(!is_gone(&nowhere, &nowhere));
    }

    #[test]
    fn the_name_of_a_program_may_hold_anything() {
        let stat = format!("7 (a) b (c) Z 1 {}424242 0 0", "0 ".repeat(17));
        let stat = linux::parse(&stat).unwrap();
        assert!(stat.is_over);
        assert_eq!(stat.started, 424_242);
    }
}
