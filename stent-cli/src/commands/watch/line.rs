//! A look as one line.

use serde_json::json;

use super::snapshot::Snapshot;
use crate::failure::Failure;
use crate::print;

/// Lines between two lines of headings.
const HEADED: u64 = 20;

pub(super) fn text(snapshot: &Snapshot, number: u64) -> String {
    let mut text = String::new();
    if number.is_multiple_of(HEADED) {
        text += "AT                     READY SCHEDULED RUNNING SUSPENDED  ENDED/S FAILED/S  DEAD\n";
    }
    let ([ready, scheduled, running, suspended], [ended, failed]) = (snapshot.depths(), snapshot.rates());
    // Of the time, the seconds are enough to read.
    let at: String = snapshot.at.to_string().chars().take(19).collect();
    let dead = snapshot.dead_letters;
    text + &format!("{at} {ready:>8} {scheduled:>9} {running:>7} {suspended:>9} {ended:>8.1} {failed:>8.1} {dead:>5}\n")
}

pub(super) fn json(snapshot: &Snapshot) -> Result<String, Failure> {
    let ([ready, scheduled, running, suspended], [ended, failed]) = (snapshot.depths(), snapshot.rates());
    let line = json!({
        "at": snapshot.at.to_string(),
        "ready": ready,
        "scheduled": scheduled,
        "running": running,
        "suspended": suspended,
        "ended_per_second": ended,
        "failed_per_second": failed,
        "dead_letters": snapshot.dead_letters,
        "live_workers": snapshot.live_workers,
    });
    let text = serde_json::to_string(&line);
    let text = text.map_err(|error| Failure::bug(format!("the line is no JSON: {error}")))?;
    Ok(print::json_escaped(&text) + "\n")
}
