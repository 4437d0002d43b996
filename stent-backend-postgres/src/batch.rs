//! Batches as parameters: however many items a statement handles, it is executed once. Each column of the items is an array, and `unnest` makes rows of them.

use serde::Serialize;
use stent_core::error::{BackendError, ErrorKind};
use stent_core::id::TaskId;
use stent_core::name::Tag;
use uuid::Uuid;

/// Bytes of payloads from which on a batch goes on in another statement: far below the server's bound for a value, even if the last item is as large as
/// can be.
pub(crate) const PARCEL: usize = 16 << 20;

/// Items from which on a batch goes on in another statement. Of its values there are several copies until they are sent: of the 10,000 items of a large
/// chunk they would be most of the memory of a process.
pub(crate) const ITEMS: usize = 1_000;

/// Tasks as an array of their ids.
pub(crate) fn ids<'a>(tasks: impl IntoIterator<Item = &'a TaskId>) -> Vec<Uuid> {
    tasks.into_iter().map(|task| *task.as_uuid()).collect()
}

/// Tags as one text: `unnest` makes a list of lists flat, so a list within a row goes as JSON, and the statement makes an array of it. None if there are none.
pub(crate) fn tags(tags: &[Tag]) -> Option<String> {
    if tags.is_empty() { None } else { serde_json::to_string(tags).ok() }
}

/// What a column holds as JSON text.
pub(crate) fn to_json(operation: &'static str, value: &impl Serialize) -> Result<String, BackendError> {
    serde_json::to_string(value).map_err(|error| BackendError::new(ErrorKind::Internal, operation).with_source(error))
}
