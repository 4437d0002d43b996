//! Text laid out for a terminal of 80 columns: tables and wrapped paragraphs.

/// The width that everything printed here keeps to, paths and test names aside.
pub(crate) const COLUMNS: usize = 80;

/// On which side the cells of a column stand.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Rows as aligned columns, two spaces apart. The first row is the header and is followed by a rule.
pub(crate) fn table(sides: &[Side], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..sides.len()).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(sides).zip(&widths);
        let cells = cells.map(|((cell, side), width)| match side {
            Side::Left => format!("{cell:<width$}"),
            Side::Right => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            text.push_str(&rules.join("  "));
            text.push('\n');
        }
    }
    text
}

/// `text` broken at spaces into lines of at most 80 columns, each after `indent` spaces.
pub(crate) fn wrap(text: &str, indent: usize) -> String {
    let mut lines = vec![" ".repeat(indent)];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        let used = line.chars().count();
        if used == indent {
            line.push_str(word);
        } else if used + 1 + word.chars().count() <= COLUMNS {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(" ".repeat(indent) + word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let rows = [row(["area", "memory"]), row(["dispatch", "9/12"])];
        let text = "area      memory\n--------  ------\ndispatch    9/12\n";
        assert_eq!(table(&[Side::Left, Side::Right], &rows), text);
    }

    #[test]
    fn long_text_is_broken_before_column_81() {
        let text = "word ".repeat(40);
        let wrapped = wrap(&text, 4);
        assert_eq!(wrapped.lines().count(), 3);
        for line in wrapped.lines() {
            assert!(line.starts_with("    word") && line.chars().count() <= COLUMNS);
        }
    }
}
