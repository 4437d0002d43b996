//! When a failed task runs again: the policy, its stored form, the [delay](backoff) and the [class](error_class) of a failure.

pub mod backoff;
pub mod error_class;

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::time::duration_text::IntoDuration;

pub use error_class::ErrorClass;

/// How a task is retried (C-Y1). Stored whole with the task, so that a restart changes nothing (C-Y2).
///
/// At least one attempt; `1 <= factor < ∞`; `0 <= jitter <= 1`; `initial_delay <= max_delay <=` [`DURATION`](crate::limits::DURATION), both in
/// whole microseconds.
///
/// As text or through serde it is one JSON object with delays in seconds, the original's names included:
/// `{"backoff_factor":2.0,"initial_delay":1.0,"jitter":0.1,"max_attempts":3,"max_delay":60.0,"on_retry":"fail","retry_for":["Exception"]}`.
/// Read is also `factor` for `backoff_factor`; what is missing or null has its default, unknown fields are ignored; anything
/// else is an error, never a default.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    max_attempts: u32,
    initial_delay: Duration,
    factor: f64,
    max_delay: Duration,
    jitter: f64,
    retry_for: RetryFor,
    on_retry: OnRetry,
}

/// Which failures are retried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RetryFor {
    /// Those of every class.
    #[default]
    Every,
    /// Those that one of these [means](ErrorClass::matches); of none, if there are none.
    Only(Vec<ErrorClass>),
}

/// What a retry does with the journal of a function that made operations (C-Y3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnRetry {
    /// There is no retry: it fails for good.
    #[default]
    Fail,
    /// It goes on from what failed.
    Resume,
    /// It begins again with a new journal.
    Restart,
}

/// A retry policy that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid retry policy: {field} {rule}")]
pub struct InvalidRetryPolicy {
    /// The offending field; `policy` if it is the whole.
    pub field: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

impl RetryPolicy {
    /// Begins with the defaults (C-Y1): 3 attempts, 1 s, factor 2, 60 s, jitter 0.1, every class, [`OnRetry::Fail`].
    pub fn builder() -> RetryPolicyBuilder {
        RetryPolicyBuilder { policy: Self::default(), max_delay: None, invalid: None }
    }

    /// One attempt, no retry.
    #[must_use]
    pub fn none() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// Whether a failure of this class at this attempt (1 = the first) is retried.
    #[must_use]
    pub fn retries(&self, class: &ErrorClass, attempt: u32) -> bool {
        attempt < self.max_attempts && self.retry_for.matches(class)
    }

    /// Attempts in all, the first included; at least 1.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// The delay before the first retry.
    #[must_use]
    pub fn initial_delay(&self) -> Duration {
        self.initial_delay
    }

    /// By what the delay grows from retry to retry.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// The longest delay, before the jitter.
    #[must_use]
    pub fn max_delay(&self) -> Duration {
        self.max_delay
    }

    /// By which part of itself a delay is spread, up and down.
    #[must_use]
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// Which failures are retried.
    #[must_use]
    pub fn retry_for(&self) -> &RetryFor {
        &self.retry_for
    }

    /// What a retry does with a journal.
    #[must_use]
    pub fn on_retry(&self) -> OnRetry {
        self.on_retry
    }

    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> String {
        self.to_json().to_string()
    }

    /// Reads the stored form, the original's included.
    ///
    /// # Errors
    /// [`InvalidRetryPolicy`] with the field that cannot be read or breaks its rule.
    pub fn decode(text: &str) -> Result<Self, InvalidRetryPolicy> {
        let fields = serde_json::from_str(text).map_err(|_| NOT_AN_OBJECT)?;
        Self::from_json(&fields)
    }

    fn to_json(&self) -> Value {
        let retry_for = match &self.retry_for {
            RetryFor::Every => vec![ErrorClass::EXCEPTION],
            RetryFor::Only(classes) => classes.iter().map(ErrorClass::as_str).collect(),
        };
        json!({
            "max_attempts": self.max_attempts,
            "initial_delay": to_seconds(self.initial_delay),
            "backoff_factor": self.factor,
            "max_delay": to_seconds(self.max_delay),
            "jitter": self.jitter,
            "retry_for": retry_for,
            "on_retry": self.on_retry.as_str(),
        })
    }

    fn from_json(fields: &Map<String, Value>) -> Result<Self, InvalidRetryPolicy> {
        let mut builder = Self::builder();
        if let Some(value) = given(fields, "max_attempts") {
            let attempts = value.as_u64().and_then(|attempts| u32::try_from(attempts).ok());
            builder = builder.max_attempts(attempts.ok_or(MAX_ATTEMPTS)?);
        }
        if let Some(value) = given(fields, "initial_delay") {
            builder = builder.initial_delay(seconds(value).ok_or(INITIAL_DELAY)?);
        }
        if let Some(value) = given(fields, "max_delay") {
            builder = builder.max_delay(seconds(value).ok_or(MAX_DELAY)?);
        }
        if let Some(value) = given(fields, "backoff_factor").or(given(fields, "factor")) {
            builder = builder.factor(value.as_f64().ok_or(FACTOR)?);
        }
        if let Some(value) = given(fields, "jitter") {
            builder = builder.jitter(value.as_f64().ok_or(JITTER)?);
        }
        if let Some(value) = given(fields, "retry_for") {
            let classes = value.as_array().ok_or(RETRY_FOR)?;
            let classes: Option<Vec<_>> = classes.iter().map(Value::as_str).collect();
            builder = builder.retry_for(classes.ok_or(RETRY_FOR)?);
        }
        if let Some(value) = given(fields, "on_retry") {
            builder = builder.on_retry(value.as_str().ok_or(ON_RETRY)?.parse()?);
        }
        builder.build()
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial_delay: Duration::from_secs(1),
            factor: 2.0,
            max_delay: Duration::from_secs(60),
            jitter: 0.1,
            retry_for: RetryFor::Every,
            on_retry: OnRetry::Fail,
        }
    }
}

impl Serialize for RetryPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RetryPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Map::deserialize(deserializer)?;
        Self::from_json(&fields).map_err(serde::de::Error::custom)
    }
}

impl RetryFor {
    /// Whether failures of this class are retried.
    #[must_use]
    pub fn matches(&self, class: &ErrorClass) -> bool {
        match self {
            Self::Every => true,
            Self::Only(patterns) => patterns.iter().any(|pattern| class.matches(pattern)),
        }
    }
}

impl OnRetry {
    /// `fail`, `resume` or `restart`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Resume => "resume",
            Self::Restart => "restart",
        }
    }
}

impl FromStr for OnRetry {
    type Err = InvalidRetryPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidRetryPolicy> {
        let all = [Self::Fail, Self::Resume, Self::Restart];
        all.into_iter().find(|on_retry| on_retry.as_str() == text).ok_or(ON_RETRY)
    }
}

/// A retry policy being made. What was refused first is what [`build`](Self::build) says.
#[derive(Debug, Clone)]
#[must_use]
pub struct RetryPolicyBuilder {
    policy: RetryPolicy,
    max_delay: Option<Duration>,
    invalid: Option<InvalidRetryPolicy>,
}

impl RetryPolicyBuilder {
    /// Attempts in all, the first included; at least 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.policy.max_attempts = attempts;
        self.check(attempts > 0, MAX_ATTEMPTS)
    }

    /// The delay before the first retry: `"500ms"`, a [`Duration`].
    pub fn initial_delay(mut self, delay: impl IntoDuration) -> Self {
        let delay = delay.into_duration().map(whole_micros);
        self.policy.initial_delay = delay.unwrap_or_default();
        self.check(delay.is_ok(), INITIAL_DELAY)
    }

    /// By what the delay grows from retry to retry; at least 1.
    pub fn factor(mut self, factor: f64) -> Self {
        self.policy.factor = factor;
        self.check(factor.is_finite() && factor >= 1.0, FACTOR)
    }

    /// The longest delay, before the jitter. If it is not given and the initial delay is over 60 s, it is that.
    pub fn max_delay(mut self, delay: impl IntoDuration) -> Self {
        let delay = delay.into_duration().map(whole_micros);
        self.max_delay = delay.ok();
        self.check(delay.is_ok(), MAX_DELAY)
    }

    /// By which part of itself a delay is spread, up and down; 0 to 1.
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.policy.jitter = jitter;
        self.check((0.0..=1.0).contains(&jitter), JITTER)
    }

    /// Retries failures of these classes only; `"Exception"` among them means every class.
    pub fn retry_for(mut self, classes: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let classes: Result<Vec<_>, _> = classes.into_iter().map(ErrorClass::new).collect();
        let valid = classes.is_ok();
        self.policy.retry_for = match classes.unwrap_or_default() {
            all if all.contains(&ErrorClass::exception()) => RetryFor::Every,
            classes => RetryFor::Only(classes),
        };
        self.check(valid, RETRY_FOR)
    }

    /// What a retry does with a journal.
    pub fn on_retry(mut self, on_retry: OnRetry) -> Self {
        self.policy.on_retry = on_retry;
        self
    }

    /// The policy.
    ///
    /// # Errors
    /// [`InvalidRetryPolicy`]: the first field that broke its rule.
    pub fn build(self) -> Result<RetryPolicy, InvalidRetryPolicy> {
        let initial = self.policy.initial_delay;
        let max_delay = self.max_delay.unwrap_or(self.policy.max_delay.max(initial));
        match self.check(max_delay >= initial, MAX_DELAY) {
            Self { invalid: Some(invalid), .. } => Err(invalid),
            Self { policy, .. } => Ok(RetryPolicy { max_delay, ..policy }),
        }
    }

    fn check(mut self, valid: bool, otherwise: InvalidRetryPolicy) -> Self {
        if !valid {
            self.invalid = self.invalid.or(Some(otherwise));
        }
        self
    }
}

const fn rule(field: &'static str, rule: &'static str) -> InvalidRetryPolicy {
    InvalidRetryPolicy { field, rule }
}

const NOT_AN_OBJECT: InvalidRetryPolicy = rule("policy", "must be a JSON object");
const MAX_ATTEMPTS: InvalidRetryPolicy = rule("max_attempts", "must be a whole number from 1 to 4294967295");
const INITIAL_DELAY: InvalidRetryPolicy = rule("initial_delay", "must be a duration from 0 to 100 years");
const MAX_DELAY: InvalidRetryPolicy = rule("max_delay", "must be a duration from initial_delay to 100 years");
const FACTOR: InvalidRetryPolicy = rule("factor", "must be a finite number of at least 1");
const JITTER: InvalidRetryPolicy = rule("jitter", "must be a number from 0 to 1");
const RETRY_FOR: InvalidRetryPolicy =
    rule("retry_for", "must be a list of class names of 1 to 255 bytes without control characters");
const ON_RETRY: InvalidRetryPolicy = rule("on_retry", "must be fail, resume or restart");

fn given<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn seconds(value: &Value) -> Option<Duration> {
    value.as_f64().and_then(from_seconds)
}

/// Seconds as a float hold every microsecond of 100 years apart (2^52 µs are 142 years), if they are divided once.
fn to_seconds(delay: Duration) -> f64 {
    let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
    #[expect(clippy::cast_precision_loss, reason = "100 years of microseconds are below 2^53")]
    let micros = micros as f64;
    micros / 1e6
}

/// `None` if they are negative, not finite or too many.
fn from_seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().map(whole_micros)
}

/// The nearest whole microsecond, which is what is stored (C-X2).
fn whole_micros(delay: Duration) -> Duration {
    let rounded = delay.saturating_add(Duration::from_nanos(500));
    Duration::new(rounded.as_secs(), rounded.subsec_micros() * 1_000)
}
