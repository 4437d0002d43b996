//! Rows that are not run: they are not built, or what they try is held by tests elsewhere.

use crate::Result;
use crate::run::Outcome;
use crate::run::scene::Scene;

macro_rules! not_run {
    ($($(#[$doc:meta])* $name:ident: $reason:literal;)*) => {
        $($(#[$doc])*
        pub(super) async fn $name(_: &mut Scene) -> Result<Outcome> {
            Ok(Outcome::not_run($reason))
        })*
    };
}

not_run! {
    /// B14: what is given to the API and found in rows.
    bad_input: "held by `stent-executor/tests/bad_input.rs`, `stent-scenarios/tests/stored.rs` and the tests of names, options and limits";
    /// B09: ten thousand that wait.
    waiting: "not built; `cargo xtask bench W6` holds 100,000, `stent-scenarios/tests/processes/idle.rs` counts queries";
    /// B18: retention beside everything else.
    retention: "not built; `stent-scenarios/tests/trying/retention.rs` has no kills";
    /// P07: a link that is slow.
    slow_link: "not built: a network of its own (netns, tc)";
    /// P08, Q04: a disk without room.
    disk_full: "not built: a file system of its own";
    /// P10: a server that has no connection left.
    connections: "not built";
    /// P11: a pooler that gives out connections a transaction.
    pooler: "not built: PgBouncer itself; `stent-backend-postgres/tests/pooler.rs` runs the conformance suite as behind one";
    /// P12: a snapshot that keeps dead rows.
    snapshot: "not built";
    /// P13: notifications of many.
    notifications: "not built";
    /// P17: a process that takes too much memory.
    memory: "not built: a control group of its own";
    /// P18: a role that may do little.
    privilege: "held by `rights.rs` and `roles.rs` of `stent-backend-postgres/tests`";
    /// Q06, Q07: a file that is moved, replaced, deleted or damaged.
    file: "held by `posture.rs` and `file.rs` of `stent-backend-sqlite/tests`";
    /// Q08: files, builds and file systems that do not fit.
    environment: "held by `stent-backend-sqlite/tests/file.rs`; other builds and file systems are not here";
    /// B15, Q09: the host's clock jumps.
    clock: "not built: a clock of its own (libfaketime)";
}
