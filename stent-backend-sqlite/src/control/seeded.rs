//! What each control makes of which statements.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A clause of a statement that matters, and what stands in its place while the control is chosen.
struct Edit {
    control: &'static str,
    sql: &'static str,
    right: &'static str,
    wrong: &'static str,
}

macro_rules! edits {
    ($($control:literal: $file:literal, $right:literal => $wrong:literal;)*) => {
        const EDITS: &[Edit] = &[$(Edit {
            control: $control,
            sql: include_str!(concat!("../../sql/", $file, ".sql")),
            right: $right,
            wrong: $wrong,
        }),*];
    };
}

edits! {
    // The fence of an end asks for no token (C-Q2).
    "token-check": "complete/completed", "\n  AND tasks.token = unhex(ends.value ->> 'token')" => "";
    "token-check": "complete/completed_one", "\n  AND token = ?2" => "\n  AND ?2 IS NOT NULL";
    // An attempt is counted when it fails; one that a crash ends is none (C-Y4).
    "attempt-on-failure": "claim/take_new", "attempt = 1" => "attempt = 0";
    "attempt-on-failure": "claim/take", "max(attempt, 0) + ?7" => "max(attempt, 0) + (?7 AND FALSE)";
    "attempt-on-failure": "complete/retried", "place = 0\n" => "place = 0, attempt = attempt + 1\n";
    // A claim looks at the first tasks of all alone, whoever may take them (C-Q1).
    "limit-before-filter": "claim/look", "FROM tasks INDEXED BY tasks_pending\n                        WHERE state = 'pending'" =>
        "FROM (SELECT * FROM tasks WHERE state = 'pending' ORDER BY priority DESC, due, id LIMIT ?6 + 0)\n WHERE TRUE";
    // A signal's value is taken, and what was taken is nowhere (C-S2).
    "take-without-entry": "journal/take", "COMMIT;" => "DELETE FROM journal WHERE task = ?1 AND kind = 'outcome' AND op_kind = 'signal';\nCOMMIT;";
    "take-without-entry": "journal/append", "AND t.token = unhex(e.value ->> 'token')" =>
        "AND t.token = unhex(e.value ->> 'token') AND NOT coalesce(e.value ->> 'kind' = 'outcome' AND e.value ->> 'op_kind' = 'signal', FALSE)";
    // Nobody wakes the parent at the end of a child (C-Q5).
    "parent-not-woken": "complete/wake", "c.made_kind = 'call'" => "FALSE";
    // An end is committed without the notes that it bears (C-V2).
    "end-without-effects": "complete/notes", "notes.value ->> 'row';" => "notes.value ->> 'row' AND FALSE;";
    // A cancel does not look whether the execution has ended (C-X1, C-X3).
    "cancel-without-guard": "dispatch/root", "SELECT id, state," => "SELECT id, CASE WHEN ended_at IS NULL THEN state ELSE 'running' END AS state,";
    "cancel-without-guard": "tree/cancel", "\n    AND tasks.ended_at IS NULL;" => ";";
    // What was completed may be redriven (C-Y5).
    "redrive-of-completed": "dispatch/root", "SELECT id, state," => "SELECT id, CASE state WHEN 'completed' THEN 'failed' ELSE state END AS state,";
    // The retry policy is another one in the store (C-Y2).
    "retry-policy-lost": "dispatch/insert", "       shapes.retry,\n" => "       '{}',\n";
}

/// The statement, with the defect that `STENT_CONTROL` names.
pub(crate) fn statement(sql: &'static str) -> &'static str {
    static DEFECTIVE: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
        let chosen = std::env::var("STENT_CONTROL").unwrap_or_default();
        let mut defective: HashMap<_, String> = HashMap::new();
        for edit in EDITS.iter().filter(|edit| edit.control == chosen) {
            let text = defective.entry(edit.sql).or_insert_with(|| edit.sql.to_owned());
            *text = edit.seed(text);
        }
        defective.into_iter().map(|(sql, text)| (sql, &*text.leak())).collect()
    });
    DEFECTIVE.get(sql).copied().unwrap_or(sql)
}

impl Edit {
    /// The text of the statement with the defect.
    fn seed(&self, text: &str) -> String {
        text.replacen(self.right, self.wrong, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::EDITS;

    /// A statement that was changed since, so that its defect is none any more, would be a test that could not fail.
    #[test]
    fn every_control_changes_its_statements() {
        for edit in EDITS {
            assert_eq!(edit.sql.matches(edit.right).count(), 1, "{}: {}", edit.control, edit.right);
        }
    }
}
