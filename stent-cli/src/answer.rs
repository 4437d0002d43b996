//! What a command answers: one value for programs, one text for people.

use serde_json::Value;

use crate::failure::Failure;
use crate::print;

/// The answer of a command.
pub(crate) struct Answer {
    /// `None`: all was said already.
    json: Option<Value>,
    text: String,
    /// The exit code; 0 unless part of what was asked for could not be done.
    pub(crate) exit: u8,
}

impl Answer {
    pub(crate) fn new(json: Value, text: impl Into<String>) -> Self {
        Self { json: Some(json), text: text.into(), exit: 0 }
    }

    /// The answer of a command that has said all itself.
    pub(crate) fn none() -> Self {
        Self { json: None, text: String::new(), exit: 0 }
    }

    pub(crate) fn with_exit(mut self, exit: u8) -> Self {
        self.exit = exit;
        self
    }

    /// The text, as whole lines.
    pub(crate) fn as_text(&self) -> String {
        match self.text.trim_end() {
            "" => String::new(),
            text => format!("{text}\n"),
        }
    }

    pub(crate) fn as_json(&self) -> Result<String, Failure> {
        let Some(json) = &self.json else { return Ok(String::new()) };
        let text = serde_json::to_string_pretty(json);
        let text = text.map_err(|error| Failure::bug(format!("the answer is no JSON: {error}")))?;
        Ok(print::json_escaped(&text) + "\n")
    }
}
