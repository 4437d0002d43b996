//! How long to wait before a retry: exponential, capped, spread (C-Y1).
//!
//! `min(initial * factor^(attempt - 1), max) * (1 ± jitter)`: the original's formula, where the spread comes after the cap and may
//! pass it by the jitter. The spread keeps tasks that failed together from coming back together: M. Brooker, "Exponential
//! Backoff And Jitter", AWS Architecture Blog, 2015.

use std::time::Duration;

use super::{RetryPolicy, from_seconds};

/// The delay after failed attempt `attempt` (1 = before the first retry), in whole microseconds.
///
/// `unit_random` in `[0, 1)` chooses the point of the spread: 0 is the shortest delay, 0.5 the unspread one. A value outside
/// is moved to the nearer end, a NaN to the middle. Attempt 0 is taken as 1.
#[must_use]
pub fn delay(policy: &RetryPolicy, attempt: u32, unit_random: f64) -> Duration {
    let initial = policy.initial_delay().as_secs_f64();
    if initial == 0.0 {
        // An infinite power of the factor would make it a NaN.
        return Duration::ZERO;
    }
    let power = policy.factor().powf(f64::from(attempt.saturating_sub(1)));
    let base = (initial * power).min(policy.max_delay().as_secs_f64());
    let random = if unit_random.is_nan() { 0.5 } else { unit_random.clamp(0.0, 1.0) };
    let spread = policy.jitter() * (2.0 * random - 1.0);
    from_seconds((base * (1.0 + spread)).max(0.0)).unwrap_or(policy.max_delay())
}
