//! Rows that are not run: what they need is not here, or what they try is held by tests elsewhere.

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
    bad_input: "held by the tests of limits, options, names and rows of every package";
    /// P07: a link that is slow.
    slow_link: "needs a network of its own (netns, tc)";
    /// P08, Q04: a disk without room.
    disk_full: "needs a file system of its own";
    /// P11: a pooler that gives out connections a transaction.
    pooler: "needs PgBouncer; `stent-backend-postgres/tests/pooler.rs` runs the conformance suite as behind one";
    /// P17: a process that takes too much memory.
    memory: "needs a control group of its own";
    /// P18: a role that may do little.
    privilege: "held by `stent-backend-postgres/tests/rights.rs`";
    /// Q08: files, builds and file systems that do not fit.
    environment: "held by `stent-backend-sqlite/tests/file.rs`; other builds and file systems are not here";
    /// Q09: the host's clock jumps.
    clock: "needs a clock of its own (libfaketime)";
}
