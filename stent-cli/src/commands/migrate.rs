//! `migrate`: brings the schema up to date. No other command does.

use serde_json::json;

use crate::answer::Answer;
use crate::database::Place;
use crate::failure::Failure;

pub(super) async fn migrate(place: &Place, create: bool) -> Result<Answer, Failure> {
    let changed = place.migrate(create).await?;
    let version = place.open(false).await?.backend().schema_version().await?;
    let text = match changed {
        true => format!("the schema was brought to version {version}"),
        false => format!("the schema has version {version}; there is nothing to do"),
    };
    Ok(Answer::new(json!({"schema_version": version, "changed": changed}), text))
}
