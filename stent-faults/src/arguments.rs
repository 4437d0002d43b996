//! Arguments of the form `--name value`, and `--name` alone for what is on or off.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::Result;

/// Those that have no value.
const SWITCHES: [&str; 5] = ["long", "ci", "keep", "no-migrate", "without-late"];

/// What was given, by name.
#[derive(Debug, Default)]
pub(crate) struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// Reads them.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut given = BTreeMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("`{word}`: expected --name value"))?;
            let value = match SWITCHES.contains(&name) {
                true => String::new(),
                false => words.next().ok_or_else(|| format!("--{name} has no value"))?,
            };
            given.insert(name.to_owned(), value);
        }
        Ok(Self(given))
    }

    /// True if a switch is on.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The text of this name, if it was given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The text of this name, which must be given.
    pub(crate) fn needed(&self, name: &str) -> Result<&str> {
        self.text(name).ok_or_else(|| format!("--{name} is missing").into())
    }

    /// The value of this name, or another if none was given.
    pub(crate) fn or<T: FromStr>(&self, name: &str, otherwise: T) -> Result<T> {
        match self.text(name) {
            None => Ok(otherwise),
            Some(text) => text.parse().map_err(|_| format!("--{name} {text}: cannot be read").into()),
        }
    }
}
