//! Answers with ids, times and spans replaced, so that they can be compared with plain text.

use stent_core::time::duration_text;

/// Every line with single blanks, `ID`, `TIME` and `SPAN`.
pub(crate) fn plain(text: &str) -> String {
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn word(word: &str) -> &str {
    let bytes = word.as_bytes();
    if bytes.len() == 36 && bytes.iter().filter(|byte| **byte == b'-').count() == 4 {
        "ID"
    } else if bytes.len() >= 19 && bytes[4] == b'-' && bytes[10] == b'T' {
        "TIME"
    } else if duration_text::parse(word).is_ok() {
        "SPAN"
    } else {
        word
    }
}
