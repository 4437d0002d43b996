//! `backup`: a copy of an SQLite database, made while others use it.

use std::path::Path;

use serde_json::json;

use crate::answer::Answer;
use crate::database::Place;
use crate::failure::Failure;

pub(super) async fn back_up(place: &Place, file: &Path) -> Result<Answer, Failure> {
    let backend = place.open_file().await?;
    let name = file.display();
    if file.exists() {
        return Err(Failure::conflict(format!("{name} exists already; name a new file")));
    }
    backend.backup(file).await?;
    let size = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    Ok(Answer::new(json!({"file": file, "bytes": size}), format!("wrote {name}, {size} bytes")))
}
