//! `cargo xtask fix`: what a machine can put right. `ci` only reads; this changes files.

use crate::Result;
use crate::cargo;
use crate::tidy;

/// Applies clippy's suggestions, formats, and lowers the ratchet.
pub(crate) fn run() -> Result {
    let root = cargo::root()?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"];
    cargo::run(&mut cargo::cargo(&root, clippy))?;
    cargo::run(&mut cargo::cargo(&root, ["fmt", "--all"]))?;
    tidy::tighten()
}
