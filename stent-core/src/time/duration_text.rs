//! Durations as people write them: `90s`, `1h30m`, `2d`, `1.5h`, `250ms`.
//!
//! ```text
//! duration = token+            surrounding blanks are stripped; tokens in any order, repeats add up
//! token    = digit+ ["." digit*] unit
//! unit     = "w" | "d" | "h" | "m" | "s" | "ms" | "us"
//! ```
//!
//! Fractions are computed in whole numbers and rounded once, to the nearest nanosecond. Nothing is longer than
//! [`limits::DURATION`].

use std::fmt::Write;
use std::time::Duration;

use crate::limits;

/// A duration that is refused. The input is not repeated: it may come from anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationTextError {
    /// The text does not follow the grammar; a sign, an inner blank or a number without a unit do not.
    #[error("invalid duration: expected forms like 90s, 1h30m, 2d (units w d h m s ms us)")]
    Malformed,
    /// More than [`limits::DURATION`].
    #[error("duration too long: expected forms like 90s, 1h30m, 2d up to 36525d (100 years)")]
    TooLong,
    /// Less than zero; only a [`time::Duration`] can be.
    #[error("negative duration: expected zero or more, in forms like 90s, 1h30m, 2d")]
    Negative,
}

/// Units from long to short, in nanoseconds.
const UNITS: [(&str, u64); 7] = [
    ("w", 7 * 24 * 60 * 60 * 1_000_000_000),
    ("d", 24 * 60 * 60 * 1_000_000_000),
    ("h", 60 * 60 * 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

/// Reads a duration; `const`, so that a literal can be refused when the program is compiled.
///
/// # Errors
/// [`DurationTextError::Malformed`] or [`DurationTextError::TooLong`].
///
/// ```
/// # use std::time::Duration;
/// # use stent_core::time::duration_text::parse;
/// const LEASE: Duration = match parse("1m30s") {
///     Ok(lease) => lease,
///     Err(_) => panic!("not a duration"),
/// };
/// assert_eq!(LEASE, Duration::from_secs(90));
/// ```
pub const fn parse(text: &str) -> Result<Duration, DurationTextError> {
    let text = text.as_bytes().trim_ascii();
    if text.is_empty() {
        return Err(DurationTextError::Malformed);
    }
    let mut total: u64 = 0;
    let mut at = 0;
    while at < text.len() {
        let whole = at;
        at = skip_digits(text, at);
        let whole_end = at;
        if whole == whole_end {
            return Err(DurationTextError::Malformed);
        }
        let mut fraction = at;
        if at < text.len() && text[at] == b'.' {
            fraction = at + 1;
            at = skip_digits(text, fraction);
        }
        let fraction_end = at;
        let Some((unit, unit_end)) = read_unit(text, at) else {
            return Err(DurationTextError::Malformed);
        };
        at = unit_end;

        let Some(number) = read_number(text, whole, whole_end) else {
            return Err(DurationTextError::TooLong);
        };
        let Some(nanos) = number.checked_mul(unit) else {
            return Err(DurationTextError::TooLong);
        };
        let part = fraction_of(unit, text, fraction, fraction_end);
        total = match nanos.checked_add(part) {
            Some(token) => match total.checked_add(token) {
                Some(total) => total,
                None => return Err(DurationTextError::TooLong),
            },
            None => return Err(DurationTextError::TooLong),
        };
    }
    within_limit(Duration::from_nanos(total))
}

/// Writes a duration exactly: each unit at most once, longest first, nothing that is zero, weeks only if they are all there
/// is (`30d`, `2w`). [`parse`] reads it back, up to the limit.
///
/// ```
/// # use std::time::Duration;
/// # use stent_core::time::duration_text::format;
/// assert_eq!(format(Duration::from_secs(5_400)), "1h30m");
/// assert_eq!(format(Duration::ZERO), "0s");
/// ```
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    if rest == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (name, unit) in UNITS {
        let unit = u128::from(unit);
        let count = rest / unit;
        if count == 0 || (name == "w" && !rest.is_multiple_of(unit)) {
            continue;
        }
        rest %= unit;
        text += &count.to_string();
        if name == "us" && rest > 0 {
            text += &thousandths(rest);
            rest = 0;
        }
        text += name;
    }
    if rest > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, "0{}us", thousandths(rest));
    }
    text
}

/// What [`limits::DURATION`] and the sign allow to be a duration: `"24h"`, a [`Duration`], a [`time::Duration`].
pub trait IntoDuration {
    /// The duration, checked.
    ///
    /// # Errors
    /// [`DurationTextError`]: a text that is none, a negative value, more than [`limits::DURATION`].
    fn into_duration(self) -> Result<Duration, DurationTextError>;
}

impl IntoDuration for Duration {
    fn into_duration(self) -> Result<Duration, DurationTextError> {
        within_limit(self)
    }
}

impl IntoDuration for &str {
    fn into_duration(self) -> Result<Duration, DurationTextError> {
        parse(self)
    }
}

impl IntoDuration for String {
    fn into_duration(self) -> Result<Duration, DurationTextError> {
        parse(&self)
    }
}

impl IntoDuration for time::Duration {
    fn into_duration(self) -> Result<Duration, DurationTextError> {
        // Only a negative one has no counterpart.
        Duration::try_from(self).map_err(|_| DurationTextError::Negative).and_then(within_limit)
    }
}

/// `None` is zero: no time where a time is asked for, and no bound where a bound is.
impl IntoDuration for Option<Duration> {
    fn into_duration(self) -> Result<Duration, DurationTextError> {
        self.unwrap_or_default().into_duration()
    }
}

const fn within_limit(duration: Duration) -> Result<Duration, DurationTextError> {
    if duration.as_nanos() > limits::DURATION.as_nanos() {
        return Err(DurationTextError::TooLong);
    }
    Ok(duration)
}

const fn skip_digits(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && text[at].is_ascii_digit() {
        at += 1;
    }
    at
}

/// The unit at `at`, in nanoseconds, and where it ends.
const fn read_unit(text: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut end = at;
    while end < text.len() && text[end].is_ascii_lowercase() {
        end += 1;
    }
    let mut index = 0;
    while index < UNITS.len() {
        let (name, nanos) = UNITS[index];
        let name = name.as_bytes();
        if name.len() == end - at && name[0] == text[at] && name[name.len() - 1] == text[end - 1] {
            return Some((nanos, end));
        }
        index += 1;
    }
    None
}

const fn digit(byte: u8) -> u64 {
    (byte - b'0') as u64
}

const fn read_number(text: &[u8], mut at: usize, end: usize) -> Option<u64> {
    let mut number: u64 = 0;
    while at < end {
        number = match number.checked_mul(10) {
            Some(tens) => match tens.checked_add(digit(text[at])) {
                Some(number) => number,
                None => return None,
            },
            None => return None,
        };
        at += 1;
    }
    Some(number)
}

/// `unit * 0.digits`, rounded half up.
///
/// From the last digit to the first, because a floor of a floor is the floor of the whole: any number of digits stays exact
/// in one `u64`. The unit is doubled, so that its last bit says on which side of the half the value lies.
const fn fraction_of(unit: u64, text: &[u8], start: usize, end: usize) -> u64 {
    let mut halves = 0;
    let mut at = end;
    while at > start {
        at -= 1;
        halves = (digit(text[at]) * 2 * unit + halves) / 10;
    }
    halves.div_ceil(2)
}

/// Nanoseconds below a microsecond as its decimal fraction: 500 is `.5`.
fn thousandths(nanos: u128) -> String {
    format!(".{nanos:03}").trim_end_matches('0').to_owned()
}
