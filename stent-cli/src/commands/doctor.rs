//! `doctor`: whether the database can be worked with.

use std::time::Duration;

use serde_json::{Map, json};
use stent_core::Timestamp;

use crate::answer::Answer;
use crate::database::{Database, Place};
use crate::failure::Failure;
use crate::{print, span};

/// More than this between the clocks of a client and its server deserves a look; workers follow the server's anyway.
const SKEW: Duration = Duration::from_secs(5);

pub(super) async fn doctor(database: &Database, place: &Place) -> Result<Answer, Failure> {
    let backend = database.backend();
    let schema_version = backend.schema_version().await?;
    let before = Timestamp::system_now();
    let theirs = backend.ping().await?;
    let round_trip = Timestamp::system_now().since(before);
    // Their answer was made somewhere between; the middle is off by half a round trip at most.
    let skew = theirs.map(|theirs| {
        let ours = before.after(round_trip / 2);
        if theirs > ours { (theirs.since(ours), "ahead") } else { (ours.since(theirs), "behind") }
    });
    let now = database.now();
    let workers = backend.workers().await?;
    let live = workers.iter().filter(|worker| worker.is_live(now)).count();
    let examination = database.examine().await?;
    let is_skewed = skew.is_some_and(|(skew, _)| skew > SKEW);
    let skewed = is_skewed.then(|| "the clocks of this machine and the server differ by more than 5 s".to_owned());
    let warnings: Vec<String> = examination.findings.iter().cloned().chain(skewed).collect();
    let json = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "database": place.kind(),
        "schema_version": schema_version,
        "round_trip_us": u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX),
        "clock_skew_us": skew.map(|(skew, _)| u64::try_from(skew.as_micros()).unwrap_or(u64::MAX)),
        "live_workers": live,
        "settings": examination.settings.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>(),
        "warnings": warnings,
    });
    let clock = match skew {
        None => "this machine's, which all who share the file have".to_owned(),
        Some((skew, way)) if is_skewed => {
            format!("the server's is {} {way}: set one of the two right", span::short(skew))
        }
        Some((skew, way)) => format!("the server's is {} {way}", span::short(skew)),
    };
    let mut fields = vec![
        ("stent", env!("CARGO_PKG_VERSION").to_owned()),
        ("database", format!("{}, answers in {}", place.kind(), span::short(round_trip))),
        ("schema", format!("version {schema_version}, which this program needs")),
        ("clock", clock),
        ("workers", format!("{live} live")),
    ];
    fields.extend(examination.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
    fields.extend(warnings.iter().map(|warning| ("warning", warning.clone())));
    Ok(Answer::new(json, print::fields(&fields)))
}
