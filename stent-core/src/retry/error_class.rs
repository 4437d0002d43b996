//! What kind of failure it was: the name by which `retry_for` chooses what is retried (C-Y1).

use std::any;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::{self, InvalidName};

/// Bytes of a class.
const LIMIT: usize = 255;

/// The class of a failure: a type's name (`PaymentError`), or a type's and its variant's (`PaymentError::Timeout`).
///
/// Never empty, at most 255 bytes, without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ErrorClass(Arc<str>);

macro_rules! known {
    ($($(#[$doc:meta])* $constant:ident = $text:literal, $function:ident;)*) => {
        /// The classes that Stent itself gives.
        impl ErrorClass {
            $(
                $(#[$doc])*
                pub const $constant: &'static str = $text;
            )*

            $(
                #[doc = concat!("[`Self::", stringify!($constant), "`]")]
                #[must_use]
                pub fn $function() -> Self {
                    Self(Self::$constant.into())
                }
            )*
        }
    };
}

known! {
    /// The root class: as a pattern it matches every class (C-Y2).
    EXCEPTION = "Exception", exception;
    /// The code panicked (C-Y4).
    PANIC = "Panic", panic;
    /// Worker after worker was lost without a new journal entry (C-Y4).
    WORKER_LOST = "WorkerLost", worker_lost;
    /// The code no longer does what its journal records (C-R4).
    NONDETERMINISM = "Nondeterminism", nondeterminism;
    /// A stored row or value cannot be read.
    CORRUPT_ROW = "CorruptRow", corrupt_row;
    /// Two steps of one turn cannot be told apart (C-R3).
    AMBIGUOUS_STEP = "AmbiguousStep", ambiguous_step;
    /// What was waited for was cancelled.
    CANCELLED = "Cancelled", cancelled;
    /// The execution's deadline passed (C-T3).
    TIMED_OUT = "TimedOut", timed_out;
    /// A call's own timeout passed (C-T1).
    ELAPSED = "Elapsed", elapsed;
    /// An operation was made where it could not be replayed (C-R8).
    OUT_OF_PLACE = "OutOfPlace", out_of_place;
    /// The function awaited something outside of its context, where that is forbidden (C-R8).
    FOREIGN_AWAIT = "ForeignAwait", foreign_await;
    /// A call or operation breaks a rule and was not made.
    INVALID_CALL = "InvalidCall", invalid_call;
    /// The program lacks a resource that the function asks for.
    MISSING_RESOURCE = "MissingResource", missing_resource;
    /// A journal or map is longer than allowed (C-R10).
    LIMIT_EXCEEDED = "LimitExceeded", limit_exceeded;
}

impl ErrorClass {
    /// Checks and wraps a class.
    ///
    /// # Errors
    /// [`InvalidName`] if it is empty, too long or has control characters.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
        name::check("error class", text.as_ref(), LIMIT)?;
        Ok(Self(text.as_ref().into()))
    }

    /// The class of a type: the last segment of its path, without references and generics. `a::Wrap<b::C>` is `Wrap`,
    /// `&str` is `str`, `Box<dyn Error>` is `Box`; a type without a name, a tuple say, is `Error`.
    #[must_use]
    pub fn of<E: ?Sized>() -> Self {
        let segment = last_segment(any::type_name::<E>());
        Self(segment[..segment.floor_char_boundary(LIMIT)].into())
    }

    /// The class's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a pattern means this class: by its full name, by its type, by its variant, or as the root class.
    ///
    /// `PaymentError::Timeout` is matched by itself, `PaymentError`, `Timeout` and `Exception`.
    #[must_use]
    pub fn matches(&self, pattern: &Self) -> bool {
        let pattern = pattern.as_str();
        pattern == Self::EXCEPTION
            || pattern == self.as_str()
            || self.rsplit_once("::").is_some_and(|(ty, variant)| pattern == ty || pattern == variant)
    }
}

fn last_segment(type_name: &str) -> &str {
    const PREFIXES: [&str; 5] = ["&", "*const ", "*mut ", "mut ", "dyn "];
    let mut path = type_name;
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix)) {
        path = rest;
    }
    // A path may pass through brackets (`a::<impl b::C>::d::E`), so only those after the last segment end it.
    let mut depth = 0_usize;
    let mut start = 0;
    let mut end = None;
    let mut previous = b' ';
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'<' | b'(' | b'[' | b'{' => {
                if depth == 0 {
                    end = end.or(Some(at));
                }
                depth += 1;
            }
            b'>' if previous == b'-' => {}
            b'>' | b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 => {
                start = at + 1;
                end = None;
            }
            // A bound (`Error + Send`), a result (`Fn(A) -> B`) or the next of a tuple: the path is over.
            b' ' | b',' | b';' if depth == 0 => {
                end = end.or(Some(at));
                break;
            }
            _ => {}
        }
        previous = byte;
    }
    match &path[start..end.unwrap_or(path.len())] {
        "" => "Error",
        segment => segment,
    }
}

impl Deref for ErrorClass {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ErrorClass {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl FromStr for ErrorClass {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

impl TryFrom<&str> for ErrorClass {
    type Error = InvalidName;

    fn try_from(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

impl TryFrom<String> for ErrorClass {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

impl From<ErrorClass> for String {
    fn from(class: ErrorClass) -> Self {
        class.0.as_ref().into()
    }
}
