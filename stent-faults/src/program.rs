//! Functions whose code is not the same in every process: deployed anew, failing, or stuck.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use stent_executor::Registration;
use stent_executor::prelude::*;

use crate::functions::{BODY, Pages, item};
use crate::ledger::What;

/// What the code of this process is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Original,
    /// `changing` is what its argument says, instead of what it was.
    Changed,
    /// `changing` goes no further than to its fourth step.
    Holding,
    /// `flaky` fails.
    Failing,
    /// `stuck` blocks its thread.
    Stuck,
}

impl FromStr for Program {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "changed" => Self::Changed,
            "holding" => Self::Holding,
            "failing" => Self::Failing,
            "stuck" => Self::Stuck,
            _ => Self::Original,
        })
    }
}

pub(crate) fn functions() -> Vec<Registration> {
    functions![changing, flaky, stuck]
}

/// The step at which `Holding` stops.
pub(crate) const HELD: &str = "step d";

/// The changes that a replay has to find.
pub(crate) const DIVERGING: [&str; 5] = ["reordered", "renamed", "inserted", "removed", "another input"];
/// Those that touch nothing recorded: a step after the recorded ones, and a step that was in flight under another name.
pub(crate) const FITTING: [&str; 2] = ["appended", "in flight renamed"];

/// Steps and a call, in the order and by the names of this process's program.
#[durable(retry(max_attempts = 100))]
pub(crate) async fn changing(ctx: Ctx, number: u64, change: String) -> Result<u64> {
    let (pages, program) = (Pages::of(&ctx)?, *ctx.resource::<Program>()?);
    let change = if program == Program::Changed { change.as_str() } else { "" };
    let names: &[&str] = match change {
        "reordered" => &["step b", "step a", "step c", HELD, "step e"],
        "renamed" => &["step a", "step x", "step c", HELD, "step e"],
        "inserted" => &["step a", "step x", "step b", "step c", HELD, "step e"],
        "removed" => &["step b", "step c", HELD, "step e"],
        "appended" => &["step a", "step b", "step c", HELD, "step e", "step x"],
        "in flight renamed" => &["step a", "step b", "step c", "step x", "step e"],
        _ => &["step a", "step b", "step c", HELD, "step e"],
    };
    ctx.call(item(number, u64::from(change == "another input"))).await?;
    for name in names {
        let code = async || {
            pages.note(What::Start, name, None)?;
            if program == Program::Holding && *name == HELD {
                std::future::pending::<()>().await;
            }
            pages.note(What::End, name, None)?;
            Ok::<_, Failure>(())
        };
        ctx.step(name, code).await?;
        pages.note(What::Given, name, None)?;
    }
    Ok(number)
}

/// Fails once and for all as long as its process is told to.
#[durable(retry(max_attempts = 1))]
pub(crate) async fn flaky(ctx: Ctx, number: u64) -> Result<u64> {
    Pages::of(&ctx)?.note(What::Start, BODY, None)?;
    if *ctx.resource::<Program>()? == Program::Failing {
        bail!("told to fail");
    }
    Ok(number)
}

/// A step that may block its thread for so long.
#[durable(retry(max_attempts = 100))]
pub(crate) async fn stuck(ctx: Ctx, number: u64, millis: u64) -> Result<u64> {
    let (pages, program) = (Pages::of(&ctx)?, *ctx.resource::<Program>()?);
    let code = async || {
        pages.note(What::Start, "step", None)?;
        if program == Program::Stuck {
            std::thread::sleep(Duration::from_millis(millis));
        }
        pages.note(What::End, "step", None)?;
        Ok::<_, Failure>(number)
    };
    let number = ctx.step("step", code).await?;
    pages.note(What::Given, "step", None)?;
    Ok(number)
}
