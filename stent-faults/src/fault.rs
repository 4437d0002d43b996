//! A process that ends itself at a boundary: before or after the k-th call of a named method of its backend.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use stent_testkit::faulty::{FaultPlan, Moment};

use crate::Result;

/// The variable that names the boundary: `complete:after:2`.
pub(crate) const VARIABLE: &str = "STENT_FAULT";

static BOUNDARY: OnceLock<Boundary> = OnceLock::new();

#[derive(Debug)]
struct Boundary {
    method: String,
    moment: Moment,
    left: AtomicU64,
}

/// The plan of this process: it counts nothing but towards its end, if the environment names one.
pub(crate) fn plan() -> Result<Option<FaultPlan>> {
    let Ok(text) = std::env::var(VARIABLE) else { return Ok(None) };
    let boundary = parse(&text).ok_or_else(|| format!("{VARIABLE}={text}: expected METHOD:before|after:K"))?;
    let _ = BOUNDARY.set(boundary);
    let plan = FaultPlan::none();
    plan.observe(crossed);
    Ok(Some(plan))
}

fn parse(text: &str) -> Option<Boundary> {
    let mut parts = text.split(':');
    let method = parts.next()?.to_owned();
    let moment = match parts.next()? {
        "before" => Moment::Before,
        "after" => Moment::After,
        _ => return None,
    };
    let left = AtomicU64::new(parts.next()?.parse().ok()?);
    Some(Boundary { method, moment, left })
}

fn crossed(method: &'static str, moment: Moment) {
    let Some(boundary) = BOUNDARY.get() else { return };
    let is_it = boundary.method == method && boundary.moment == moment;
    if is_it && boundary.left.fetch_sub(1, Ordering::SeqCst) == 1 {
        std::process::abort();
    }
}
