//! What a history is made of before it meets a store: moments, each a kind of call and bytes that choose its arguments.
//!
//! The bytes are choices among what is there by the time the moment comes, so that a history keeps its meaning when moments are left out.

use super::choices::Choices;

/// One moment of a history: its choices, of which the first is what is done.
pub(super) type Moment = Vec<u8>;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Dispatch,
    Claim,
    Write,
    Complete,
    Suspend,
    Send,
    Renew,
    Reserve,
    Redrive,
    Expire,
    Cancel,
    Lapse,
    /// An earlier call is made once more, as after a lost answer.
    Repeat,
    /// What those who wait read.
    Wait,
    /// What an operator reads.
    Inspect,
    Prune,
    Discard,
    /// The handle is dropped and the store opened anew.
    Reopen,
    /// All that can be read is compared.
    Look,
}

/// How often each kind comes, of a hundred; the plainest first, to which others shrink.
const KINDS: [(usize, Kind); 19] = [
    (6, Kind::Dispatch),
    (20, Kind::Claim),
    (18, Kind::Write),
    (14, Kind::Complete),
    (7, Kind::Suspend),
    (5, Kind::Send),
    (3, Kind::Renew),
    (4, Kind::Reserve),
    (4, Kind::Redrive),
    (2, Kind::Expire),
    (1, Kind::Cancel),
    (1, Kind::Lapse),
    (5, Kind::Repeat),
    (2, Kind::Wait),
    (4, Kind::Inspect),
    (1, Kind::Prune),
    (1, Kind::Discard),
    (1, Kind::Reopen),
    (1, Kind::Look),
];

impl Kind {
    /// The first choice of a moment.
    pub(super) fn choose(choices: &mut Choices<'_>) -> Self {
        let mut left = choices.byte() * KINDS.iter().map(|(weight, _)| weight).sum::<usize>() / 256;
        let mut kinds = KINDS.iter().skip_while(|(weight, _)| {
            let is_past = left >= *weight;
            left = left.saturating_sub(*weight);
            is_past
        });
        kinds.next().map_or(Self::Dispatch, |(_, kind)| *kind)
    }
}
