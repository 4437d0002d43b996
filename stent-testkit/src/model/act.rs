//! What a history is made of before it meets a store: moments, each a kind of call and bytes that choose its arguments.
//!
//! The bytes are choices among what is there by the time the moment comes, so that a history keeps its meaning when moments are left out.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy};
use proptest::strategy::Union;

use super::choices::Bytes;

/// How many moments a history has; each makes one call or more.
pub(super) const LENGTH: std::ops::RangeInclusive<usize> = 40..=80;

/// One moment of a history.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) kind: Kind,
    pub(super) choices: Vec<u8>,
}

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
const KINDS: [(u32, Kind); 19] = [
    (8, Kind::Dispatch),
    (19, Kind::Claim),
    (18, Kind::Write),
    (15, Kind::Complete),
    (7, Kind::Suspend),
    (4, Kind::Send),
    (3, Kind::Renew),
    (3, Kind::Reserve),
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

/// Histories of any length up to the greatest, so that they shrink below the least.
pub(super) fn histories() -> impl Strategy<Value = Vec<Moment>> {
    let kind = Union::new_weighted(KINDS.iter().map(|(weight, kind)| (*weight, Just(*kind))).collect());
    let moment = (kind, Bytes).prop_map(|(kind, choices)| Moment { kind, choices });
    vec(moment, 0..=*LENGTH.end())
}
