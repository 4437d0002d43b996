//! How answers look: tables of at most 80 columns without colours, and stored text that cannot move the cursor.

use std::io::{self, Write as _};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};

use crate::failure::Failure;

/// Columns of a terminal.
const COLUMNS: u16 = 80;
/// Columns of an id.
const ID: u16 = 36;

/// Control characters, and those that change the direction of text, as escapes.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_control(letter) { shown.extend(letter.escape_default()) } else { shown.push(letter) }
    }
    shown
}

/// The same within the strings of a JSON text: the format itself has line feeds alone, and escapes what is below blank.
pub(crate) fn json_escaped(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '\n' => shown.push(letter),
            _ if is_control(letter) => shown += &format!("\\u{:04x}", u32::from(letter)),
            _ => shown.push(letter),
        }
    }
    shown
}

fn is_control(letter: char) -> bool {
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || turns || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// A table with a line of headings. Columns called `ID` hold ids, which are never broken; those whose names begin with `#` numbers.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = plain();
    table.set_header(headings.iter().map(|heading| heading.trim_start_matches('#')));
    for row in rows {
        table.add_row(row.iter().map(|cell| escaped(cell)));
    }
    let last = headings.len().saturating_sub(1);
    for (at, heading) in headings.iter().enumerate() {
        let Some(column) = table.column_mut(at) else { continue };
        let gap = if at == last { 0 } else { 2 };
        column.set_padding((0, gap));
        if heading.starts_with('#') {
            column.set_cell_alignment(CellAlignment::Right);
        }
        match *heading {
            "ID" => {
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(ID + gap)));
            }
            // Names and texts share what is left, and go on below themselves.
            "FAILURE" | "FUNCTION" | "NAME" | "OPERATION" | "OUTCOME" | "QUEUE" | "REFUSED" | "VALUE" => {}
            _ => {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }
    table.trim_fmt() + "\n"
}

/// Names with their values, a line each; values that are long go on below themselves.
pub(crate) fn fields(fields: &[(&str, String)]) -> String {
    let mut table = plain();
    for (name, value) in fields {
        table.add_row(vec![(*name).to_owned(), escaped(value)]);
    }
    for (at, gap) in [(0, 2), (1, 0)] {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, gap));
        }
    }
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    if fields.is_empty() { String::new() } else { table.trim_fmt() + "\n" }
}

/// A title over what follows; nothing if nothing follows.
pub(crate) fn section(title: &str, body: &str) -> String {
    if body.is_empty() { String::new() } else { format!("\n{title}\n{body}") }
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(COLUMNS);
    table
}

/// Prints to the end. False if nobody reads any more, who has read enough.
pub(crate) fn put(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::unavailable(format!("the output cannot be written: {error}"))),
    }
}

/// The first bytes of a payload as text.
pub(crate) fn payload(bytes: &[u8]) -> String {
    const MOST: usize = 256;
    let text = String::from_utf8_lossy(bytes.get(..MOST).unwrap_or(bytes)).into_owned();
    if bytes.len() > MOST { format!("{text}… ({} bytes)", bytes.len()) } else { text }
}

/// `1 task`, `3 tasks`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_text_cannot_move_the_cursor() {
        assert_eq!(escaped("a\u{1b}[2Jb\n\u{9b}\u{202e}ü"), "a\\u{1b}[2Jb\\n\\u{9b}\\u{202e}ü");
        assert_eq!(json_escaped("\"a\u{9b}\u{7f}\""), "\"a\\u009b\\u007f\"");
    }

    #[test]
    fn a_table_fits_and_keeps_ids_whole() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057".to_owned();
        let text = table(&["ID", "FUNCTION", "#AGE"], &[vec![id.clone(), "f".repeat(200), "1d".to_owned()]]);
        assert!(text.contains(&id) && text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let text = fields(&[("why", "word ".repeat(60))]);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
