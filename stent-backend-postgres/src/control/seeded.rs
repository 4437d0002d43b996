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
    // What keeps a task awake is checked by the statement that suspends it, without a lock that senders and ends would wait for (C-Q5).
    "suspend-at-once": "complete/dozing", "\nFOR UPDATE OF t SKIP LOCKED" => "";
    "suspend-at-once": "complete/dozing_one", "\nFOR UPDATE OF t" => "";
    "suspend-at-once": "complete/slots", " FOR SHARE)" => ")";
    // The rows of a batch of mixed depth are locked from above, those of a tree from below (design 6).
    "mixed-depths": "complete/own", "ORDER BY t.depth DESC, t.id" => "ORDER BY t.depth, t.id";
    // The rows of a tree are locked as they come (design 6).
    "locks-without-order": "tree/lock", "\n    ORDER BY below.depth DESC, below.id" => "";
    // An end does not wait for whoever suspends its parent (C-Q5).
    "parents-unlocked": "complete/parents", "\nFOR KEY SHARE OF p" => "";
    // A repeated take does not ask whether its place in the journal is taken (C-Q2, C-S2).
    "take-without-sequence": "journal/take", "AND j.seq = asked.seq" => "AND j.seq = asked.seq AND FALSE";
    "take-without-sequence": "journal/take", "    FROM ended\n)" => "    FROM ended\n    ON CONFLICT DO NOTHING\n)";
    // A renewal asks for no token: who lost the claim is told that it holds (C-Q2).
    "renewed-though-lost": "claim/renew", "WHERE own.state = 'running' AND own.token = claims.token" => "WHERE own.state = 'running'";
    // Claims count the places of a function without its lock (C-Q3).
    "places-unlocked": "claim/lock_limits", "\nFOR UPDATE OF l" => "";
    // A claim takes what it saw, not what it finds once it has the lock (C-Q2).
    "claim-what-was-seen": "claim/take_new", "(locked.state = 'pending' OR locked.state = 'running' AND locked.lease_until <= $6)\n        AND NOT" => "NOT";
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
