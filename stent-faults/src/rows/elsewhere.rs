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
    /// P18: a role that may do little.
    privilege: "held by `rights.rs` and `roles.rs` of `stent-backend-postgres/tests`";
    /// Q06, Q07: a file that is moved, replaced, deleted or damaged.
    file: "held by `posture.rs` and `file.rs` of `stent-backend-sqlite/tests`";
    /// Q08: files, builds and file systems that do not fit.
    environment: "held by `stent-backend-sqlite/tests/file.rs`; other builds and file systems are not here";
}
