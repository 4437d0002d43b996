//! Time: one type, one source, one text for durations (C-X2).

mod clock;
pub mod duration_text;
mod timestamp;

pub use clock::{Clock, Wait};
pub use duration_text::{DurationTextError, IntoDuration};
pub use timestamp::Timestamp;
