//! Naive UTC in microseconds.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::macros::datetime;
use time::{OffsetDateTime, PrimitiveDateTime};

/// A point in time: microseconds since 1970-01-01T00:00:00, naive UTC. Arithmetic saturates and never wraps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00.
    pub const EPOCH: Self = Self(0);

    /// The last representable time, 9999-12-31T23:59:59.999999.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// The time this many microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The present by this machine's clock. Library code asks a [`Clock`](super::Clock) instead.
    #[must_use]
    pub fn system_now() -> Self {
        Self::from(OffsetDateTime::now_utc())
    }

    /// This time and `duration` more, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros).min(Self::MAX.0))
    }

    /// This time and `duration` less.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// From `earlier` to this time; zero if `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same as a naive date and time; `None` past the years that `time` can represent.
    #[must_use]
    pub fn to_datetime(self) -> Option<PrimitiveDateTime> {
        datetime!(1970-01-01 0:00).checked_add(time::Duration::microseconds(self.0))
    }
}

impl From<PrimitiveDateTime> for Timestamp {
    fn from(at: PrimitiveDateTime) -> Self {
        Self::from(at.assume_utc())
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(at: OffsetDateTime) -> Self {
        Self(i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_datetime() {
            Some(at) => {
                let (date, time) = (at.date(), at.time());
                write!(
                    f,
                    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}",
                    date.year(),
                    u8::from(date.month()),
                    date.day(),
                    time.hour(),
                    time.minute(),
                    time.second(),
                    time.microsecond()
                )
            }
            None => write!(f, "{} µs", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.after(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(Timestamp::from_micros(5).before(Duration::from_micros(2)), Timestamp::from_micros(3));
    }

    #[test]
    fn it_reads_as_naive_utc() {
        assert_eq!(Timestamp::from_micros(1_500_000).to_string(), "1970-01-01T00:00:01.500000");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999999");
        let at = datetime!(2026-11-23 08:00);
        assert_eq!(Timestamp::from(at).to_datetime(), Some(at));
    }
}
