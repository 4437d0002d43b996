//! Names: short texts without control characters, checked once when they are made.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits;

/// A text that cannot be a name of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {field} name: {reason}")]
pub struct InvalidName {
    /// What the name was for: "function", "queue", "tag" …
    pub field: &'static str,
    /// Which rule it broke.
    pub reason: NameRule,
}

/// The rules of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameRule {
    /// It has no characters.
    #[error("it is empty")]
    Empty,
    /// It is longer than the limit, in bytes of UTF-8.
    #[error("it has {bytes} bytes, {limit} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It contains NUL, a line break or another control character.
    #[error("it has a control character at byte {at}")]
    Control {
        /// Where.
        at: usize,
    },
}

pub(crate) fn check(field: &'static str, text: &str, limit: usize) -> Result<(), InvalidName> {
    let broken = if text.is_empty() {
        Some(NameRule::Empty)
    } else if text.len() > limit {
        Some(NameRule::TooLong { bytes: text.len(), limit })
    } else {
        text.char_indices().find(|(_, c)| c.is_control()).map(|(at, _)| NameRule::Control { at })
    };
    broken.map_or(Ok(()), |reason| Err(InvalidName { field, reason }))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $field:literal, $limit:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// [`InvalidName`] if it is empty, too long or has control characters.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
                check($field, text.as_ref(), $limit)?;
                Ok(Self(text.as_ref().into()))
            }

            /// The name's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl From<$name> for Arc<str> {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidName;

            fn try_from(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().into()
            }
        }
    };
}

name!(
    /// The stable name of a durable function.
    FunctionName,
    "function",
    limits::FUNCTION_NAME
);
name!(
    /// A version of a durable function's code.
    Version,
    "version",
    limits::NAME
);
name!(
    /// A queue: which workers may take a task (C-Q1).
    QueueName,
    "queue",
    limits::NAME
);
name!(
    /// A tag of a task; workers with tags take tasks that share one, and those without any (C-Q1).
    Tag,
    "tag",
    limits::NAME
);
name!(
    /// A signal of an execution.
    SignalName,
    "signal",
    limits::NAME
);
name!(
    /// A counter or value of an execution.
    VariableName,
    "variable",
    limits::NAME
);
name!(
    /// A client's key for a dispatch: one execution bears it (C-K3).
    DedupKey,
    "dedup key",
    limits::KEY
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_when_made_and_when_read() {
        assert_eq!(QueueName::new("mail").unwrap().as_str(), "mail");
        assert_eq!(QueueName::new("").unwrap_err().reason, NameRule::Empty);
        assert_eq!(Tag::new("a\nb").unwrap_err().reason, NameRule::Control { at: 1 });
        let long = "x".repeat(limits::FUNCTION_NAME + 1);
        assert!(FunctionName::new(&long).unwrap_err().to_string().contains("255 are allowed"));
        assert!(serde_json::from_str::<Tag>("\"\"").is_err());
    }
}
