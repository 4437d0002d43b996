//! A failure as it is stored, carried through any depth of calls, and given back: class, text, causes, details, origin.

use std::error::Error;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::id::TaskId;
use crate::limits;
use crate::name::FunctionName;
use crate::retry::ErrorClass;

/// Why something failed. Any [`std::error::Error`] turns into one by `?`.
///
/// Like `anyhow::Error` it derefs to an error and is none itself, so that `?` can take every error. A failure that is passed on,
/// alone or as a source of another error, keeps its origin: that is how one root cause makes one dead letter (C-Y5).
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Failure(Box<Outer>);

/// What a failure derefs to. Its record is its source, so that an error that is transparent over a failure has the record in its sources, too.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Outer {
    record: FailureRecord,
}

/// The contents of a [`Failure`]; what it derefs to, found in the source chain of errors that wrap one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailureRecord {
    /// The error's class, which `retry_for` matches.
    pub class: ErrorClass,
    /// Its text, at most [`limits::MESSAGE`] bytes.
    pub message: String,
    /// The texts of its causes, nearest first, at most [`limits::CAUSES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
    /// The error itself, where it serialises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
    /// The index of the map's item that failed, while the map's failure is passed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
    /// Where the failure began; `None` until the task in which it arose has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Which of the running function's operations gave this failure. Not stored.
    #[serde(skip)]
    pub given_by: Option<GivenBy>,
}

/// Where a failure began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Origin {
    /// The task in which it arose.
    pub task: TaskId,
    /// The function of that task.
    pub function: FunctionName,
}

impl Origin {
    /// The beginning of a failure in this task.
    #[must_use]
    pub fn new(task: TaskId, function: FunctionName) -> Self {
        Self { task, function }
    }
}

/// The operation of a running function that gave a failure: its place among the activation's operations, and the turn that its
/// outcome opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenBy {
    /// The number of the operation within the activation.
    pub slot: usize,
    /// The turn that was opened by giving the failure.
    pub turn: u32,
}

impl Failure {
    fn of(record: FailureRecord) -> Self {
        Self(Box::new(Outer { record }))
    }

    /// A failure of this class and text.
    #[must_use]
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self::of(FailureRecord {
            class,
            message: cut(message.into()),
            chain: Vec::new(),
            details: None,
            item: None,
            origin: None,
            given_by: None,
        })
    }

    /// A failure of this text alone, of class `Failure`.
    #[must_use]
    pub fn msg(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::of::<Self>(), message)
    }

    /// A failure from an error whose class is given.
    ///
    /// If the error's sources hold a failure, its origin is kept.
    #[must_use]
    pub fn from_error(class: ErrorClass, error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(class, error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            if let Some(record) = record_of(cause) {
                failure.0.record.origin.clone_from(&record.origin);
                failure.0.record.given_by = record.given_by;
                failure.0.record.item = record.item;
                // A transparent error has the failure's own text.
                if record.message != failure.0.record.message {
                    failure.push_cause(record.to_string());
                }
                record.chain.iter().cloned().for_each(|text| failure.push_cause(text));
                break;
            }
            failure.push_cause(cause.to_string());
            source = cause.source();
        }
        failure
    }

    /// Adds the error itself, so that it comes back typed by [`Failure::details`].
    #[must_use]
    pub fn with_details(mut self, details: Option<serde_json::Value>) -> Self {
        self.0.record.details = details;
        self
    }

    /// Sets where the failure began, unless it is known.
    pub fn begin_at(&mut self, origin: Origin) {
        self.0.record.origin.get_or_insert(origin);
    }

    /// Notes which operation gave this failure to the running function.
    pub fn give(&mut self, by: GivenBy) {
        self.0.record.given_by = Some(by);
    }

    /// Notes which item of a map failed.
    #[must_use]
    pub fn of_item(mut self, index: u32) -> Self {
        self.0.record.item = Some(index);
        self
    }

    /// The failure's class.
    #[must_use]
    pub fn class(&self) -> &ErrorClass {
        &self.0.record.class
    }

    /// The failure's text.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.record.message
    }

    /// The error as a value of its type, if it serialises and `T` reads it.
    #[must_use]
    pub fn details<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        self.0.record.details.as_ref().and_then(|value| T::deserialize(value).ok())
    }

    /// All of it.
    #[must_use]
    pub fn record(&self) -> &FailureRecord {
        &self.0.record
    }

    fn push_cause(&mut self, text: String) {
        if self.0.record.chain.len() < limits::CAUSES {
            self.0.record.chain.push(cut(text));
        }
    }
}

/// Cuts a text at [`limits::MESSAGE`] bytes, on a character's border, and says how much is missing.
fn cut(mut text: String) -> String {
    if text.len() > limits::MESSAGE {
        let mut end = limits::MESSAGE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let missing = text.len() - end;
        text.truncate(end);
        text.push_str(&format!("…[truncated {missing} bytes]"));
    }
    text
}

impl fmt::Display for FailureRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for FailureRecord {}

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.record, f)
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.record)
    }
}

/// The record of an error that is a failure's.
fn record_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a FailureRecord> {
    error.downcast_ref::<FailureRecord>().or_else(|| error.downcast_ref::<Outer>().map(|outer| &outer.record))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.record, f)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.record.class, self.0.record.message)?;
        self.0.record.chain.iter().try_for_each(|cause| write!(f, "\n  caused by: {cause}"))
    }
}

/// Compares what is stored.
impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.0.record, &other.0.record);
        (&a.class, &a.message, &a.chain, &a.details, &a.item, &a.origin)
            == (&b.class, &b.message, &b.chain, &b.details, &b.item, &b.origin)
    }
}

impl Deref for Failure {
    type Target = dyn Error + Send + Sync + 'static;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl AsRef<dyn Error + Send + Sync + 'static> for Failure {
    fn as_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        if let Some(record) = record_of(&error) {
            return Self::of(record.clone());
        }
        Self::from_error(ErrorClass::of::<E>(), &error)
    }
}

/// What functions and steps may fail with: a [`Failure`], or anything that turns into a boxed error: errors,
/// `anyhow::Error`, `String`, `&str`.
pub trait IntoFailure {
    /// The failure, classed by the type's name.
    fn into_failure(self) -> Failure;
}

impl IntoFailure for Failure {
    fn into_failure(self) -> Failure {
        self
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> IntoFailure for E {
    fn into_failure(self) -> Failure {
        let error: Box<dyn Error + Send + Sync> = self.into();
        match record_of(&*error) {
            Some(record) => Failure::of(record.clone()),
            None => Failure::from_error(ErrorClass::of::<E>(), &*error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("payment gone wrong")]
    struct PaymentError(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    enum Booking {
        #[error("no room: {0}")]
        Room(#[from] Failure),
    }

    #[derive(Debug, thiserror::Error)]
    #[error(transparent)]
    struct Transparent(#[from] Failure);

    fn io() -> std::io::Error {
        std::io::Error::other("cable cut")
    }

    #[test]
    fn any_error_becomes_a_failure_with_class_and_causes() {
        let failure = Failure::from(PaymentError(io()));
        assert_eq!(failure.class().as_str(), "PaymentError");
        assert_eq!(
            (failure.message(), &*failure.record().chain),
            ("payment gone wrong", &["cable cut".to_owned()][..])
        );
        assert_eq!("plain text".into_failure().message(), "plain text");
    }

    #[test]
    fn a_failure_that_is_passed_on_keeps_its_origin() {
        let mut cause = Failure::from(PaymentError(io()));
        let origin = Origin::new(crate::ExecutionId::new(crate::Timestamp::EPOCH).root(), "pay".try_into().unwrap());
        cause.begin_at(origin.clone());
        cause.give(GivenBy { slot: 1, turn: 4 });

        let same: Failure = (|| -> Result<(), Failure> { Err(cause.clone())? })().unwrap_err();
        let wrapped = Failure::from(Booking::from(cause.clone()));
        let transparent = Failure::from(Transparent::from(cause));
        assert_eq!(same.class().as_str(), "PaymentError");
        assert_eq!(wrapped.class().as_str(), "Booking");
        assert_eq!(transparent.record().chain, ["cable cut"]);
        for failure in [same, wrapped, transparent] {
            assert_eq!(failure.record().origin, Some(origin.clone()));
            assert_eq!(failure.record().given_by, Some(GivenBy { slot: 1, turn: 4 }));
        }
    }

    #[test]
    fn it_is_stored_whole_and_long_texts_are_cut() {
        let failure = Failure::new(ErrorClass::of::<PaymentError>(), "ü".repeat(limits::MESSAGE));
        assert!(failure.message().ends_with(&format!("…[truncated {} bytes]", limits::MESSAGE)));
        let stored = serde_json::to_string(&failure).unwrap();
        assert_eq!(serde_json::from_str::<Failure>(&stored).unwrap(), failure);
    }
}
