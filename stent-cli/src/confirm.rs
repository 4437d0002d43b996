//! What destroys is asked about first.

use std::io::{self, IsTerminal as _, Write as _};

use crate::failure::Failure;
use crate::print;

/// Whether what cannot be undone was agreed to.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Consent {
    /// Do it without asking
    #[arg(long)]
    yes: bool,
}

impl Consent {
    /// Goes on if it was agreed to: beforehand, or now at the terminal. `deed` says what happens, and to how many.
    pub(crate) fn to(self, deed: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Err(Failure::unconfirmed(format!("this {deed}; say --yes to do it, nothing was changed")));
        }
        let mut answer = String::new();
        let asked = write!(io::stderr(), "This {}. Go on? [y/N] ", print::escaped(deed));
        let read = asked.and_then(|()| io::stdin().read_line(&mut answer));
        match (read, answer.trim()) {
            (Ok(_), "y" | "Y" | "yes") => Ok(()),
            _ => Err(Failure::unconfirmed("not agreed to, nothing was changed")),
        }
    }
}
