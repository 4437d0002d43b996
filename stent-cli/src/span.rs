//! Spans of time: as they are given, and as they are shown.

use std::time::Duration;

use stent_core::Timestamp;
use stent_core::time::duration_text;

/// A duration longer than nothing, as an argument.
pub(crate) fn positive(text: &str) -> Result<Duration, String> {
    match duration_text::parse(text) {
        Ok(Duration::ZERO) => Err("expected more than zero, in forms like 90s, 1h30m, 2d".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

/// In two units at most, and no finer than people read: `2d4h`, `3m20s`, `1.25s`, `12ms`.
pub(crate) fn short(span: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let seconds = span.as_secs();
    if seconds == 0 {
        return format!("{}ms", span.as_millis());
    }
    if seconds < 10 {
        return format!("{seconds}.{:02}s", span.subsec_millis() / 10);
    }
    let mut text = String::new();
    for (at, (unit, name)) in UNITS.into_iter().enumerate() {
        if seconds < unit {
            continue;
        }
        text += &format!("{}{name}", seconds / unit);
        if let Some((next, name)) = UNITS.get(at + 1)
            && seconds % unit >= *next
        {
            text += &format!("{}{name}", seconds % unit / next);
        }
        break;
    }
    text
}

/// How long ago.
pub(crate) fn age(now: Timestamp, at: Timestamp) -> String {
    short(now.since(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let of = |seconds: u64| short(Duration::from_secs(seconds));
        assert_eq!([of(0), of(1), of(75), of(3_600), of(200_000)], ["0ms", "1.00s", "1m15s", "1h", "2d7h"]);
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_forms() {
        for text in ["10", "1x", "-5s", "", "0s", "1 h"] {
            assert!(positive(text).unwrap_err().contains("90s, 1h30m, 2d"), "{text}");
        }
    }
}
