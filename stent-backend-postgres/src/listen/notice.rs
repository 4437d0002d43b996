//! What one notification tells: hints of a process, gathered and written as a short text.

use stent_core::backend::Hint;
use stent_core::id::ExecutionId;

/// Executions that one notification names at most: a payload has less than 8,000 bytes, each of these takes 34.
const NAMED: usize = 200;

/// Hints that were gathered. Each is told once, in the order in which it came first.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Notice(Vec<Hint>);

impl Notice {
    /// Adds a hint. What is too much to be told one by one becomes [`Hint::Anything`].
    pub(super) fn add(&mut self, hint: Hint) {
        if self.0.contains(&hint) || self.0.contains(&Hint::Anything) {
            return;
        }
        if hint == Hint::Anything || self.0.len() >= NAMED {
            self.0 = vec![Hint::Anything];
        } else {
            self.0.push(hint);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, with who tells it.
    pub(super) fn encode(&self, sender: &str) -> String {
        let codes: Vec<_> = self.0.iter().map(code).collect();
        format!("{sender}:{}", codes.join(","))
    }

    /// The hints of a text, unless this process told them. What cannot be read may have told anything.
    pub(super) fn decode(text: &str, own: &str) -> Self {
        match text.split_once(':') {
            Some((sender, _)) if sender == own => Self::default(),
            Some((_, codes)) => {
                let mut notice = Self::default();
                codes.split(',').for_each(|code| notice.add(hint(code).unwrap_or(Hint::Anything)));
                notice
            }
            None => Self(vec![Hint::Anything]),
        }
    }
}

impl IntoIterator for Notice {
    type Item = Hint;
    type IntoIter = std::vec::IntoIter<Hint>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

fn code(hint: &Hint) -> String {
    match hint {
        Hint::TasksReady => "r".into(),
        Hint::TasksEnded => "t".into(),
        Hint::ExecutionEnded(execution) => format!("e{}", execution.as_uuid().simple()),
        Hint::Signalled(execution) => format!("s{}", execution.as_uuid().simple()),
        // Also what this program cannot say.
        _ => "*".into(),
    }
}

fn hint(code: &str) -> Option<Hint> {
    let execution = |id: &str| id.parse().map(ExecutionId::from_uuid).ok();
    match code.split_at_checked(1)? {
        ("r", "") => Some(Hint::TasksReady),
        ("t", "") => Some(Hint::TasksEnded),
        ("e", id) => execution(id).map(Hint::ExecutionEnded),
        ("s", id) => execution(id).map(Hint::Signalled),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use stent_core::Timestamp;

    use super::*;

    fn notice(hints: impl IntoIterator<Item = Hint>) -> Notice {
        let mut notice = Notice::default();
        hints.into_iter().for_each(|hint| notice.add(hint));
        notice
    }

    #[test]
    fn what_is_told_is_heard() {
        let execution = ExecutionId::new(Timestamp::EPOCH);
        let told =
            notice([Hint::TasksReady, Hint::TasksEnded, Hint::ExecutionEnded(execution), Hint::Signalled(execution)]);
        assert_eq!(Notice::decode(&told.encode("me"), "you"), told);
        assert!(Notice::decode(&told.encode("me"), "me").is_empty());
        let told = notice([Hint::Anything]);
        assert_eq!(Notice::decode(&told.encode("me"), "you"), told);
    }

    #[test]
    fn a_hint_is_told_once_and_too_many_are_anything() {
        assert_eq!(notice([Hint::TasksReady; 3]).encode("me"), "me:r");
        let ended = |number| Hint::ExecutionEnded(ExecutionId::new(Timestamp::from_micros(number)));
        let most = notice((0..200).map(ended));
        assert!((6_000..8_000).contains(&most.encode(&"x".repeat(32)).len()));
        assert_eq!(notice((0..201).map(ended)), notice([Hint::Anything]));
        assert_eq!(notice([Hint::Anything, Hint::TasksReady]), notice([Hint::Anything]));
    }

    #[test]
    fn what_cannot_be_read_may_have_told_anything() {
        for text in ["", "hello", "you:", "you:x", "you:e123", "you:r,é"] {
            assert!(Notice::decode(text, "me").into_iter().any(|hint| hint == Hint::Anything), "{text}");
        }
    }
}
