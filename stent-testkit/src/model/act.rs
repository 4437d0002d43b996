//! What a history is made of before it meets a store: moments, each a kind of call and bytes that choose its arguments.
//!
//! The bytes are choices among what is there by the time the moment comes. So a history keeps its meaning when moments before are left
//! out, and shrinks: bytes that are missing are 0, and 0 is always the plainest choice.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::strategy::Union;

/// How many moments a history has; each makes one call or more.
pub(super) const LENGTH: std::ops::RangeInclusive<usize> = 40..=80;
/// How many choices a moment has; those past the last are 0.
const CHOICES: usize = 40;

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
    let moment = (kind, vec(any::<u8>(), CHOICES)).prop_map(|(kind, choices)| Moment { kind, choices });
    vec(moment, 0..=*LENGTH.end())
}

/// The choices of one moment, one after the other.
pub(super) struct Choices<'a>(std::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    pub(super) fn of(moment: &'a Moment) -> Self {
        Self(moment.choices.iter())
    }

    /// None: always the plainest.
    pub(super) fn none() -> Self {
        Self([].iter())
    }

    /// A number from 0 to 255.
    pub(super) fn byte(&mut self) -> usize {
        self.0.next().copied().map_or(0, usize::from)
    }

    /// A number below this one, which is at most 256; 0 if that is 0.
    pub(super) fn below(&mut self, number: usize) -> usize {
        self.byte() % number.max(1)
    }

    /// True so many times of 256.
    pub(super) fn chance(&mut self, times: usize) -> bool {
        self.byte() >= 256 - times.min(256)
    }

    /// One of these, if there are any.
    pub(super) fn one<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        // A byte is used up in any case, so that what follows does not depend on it.
        let place = self.below(of.len());
        of.get(place)
    }

    /// One of these, the first being the plainest.
    pub(super) fn among<T: Clone, const N: usize>(&mut self, of: [T; N]) -> T {
        const { assert!(N > 0, "there is something to choose from") };
        of[self.below(N)].clone()
    }

    /// Some of these, in their order, or none.
    pub(super) fn some<T: Clone>(&mut self, of: &[T]) -> Vec<T> {
        let bits = self.byte();
        of.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1).map(|(_, one)| one.clone()).collect()
    }
}
