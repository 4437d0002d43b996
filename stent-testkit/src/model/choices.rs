//! Choices: bytes that are read one after the other, each as a number of what there is. Bytes that are missing are 0, and 0 is always the plainest
//! choice, so that to shrink is to leave bytes out and to make them 0.

use proptest::prelude::{Rng, Strategy};
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::TestRunner;

/// How many choices a moment has.
const CHOICES: usize = 48;

/// The bytes of a moment's choices.
#[derive(Debug)]
pub(super) struct Bytes;

impl Strategy for Bytes {
    type Tree = Shrinking;
    type Value = Vec<u8>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let mut bytes = vec![0; CHOICES];
        runner.rng().fill_bytes(&mut bytes);
        Ok(Shrinking { bytes, before: None, step: 0 })
    }
}

/// Bytes that get fewer, and then plainer.
#[derive(Debug)]
pub(super) struct Shrinking {
    bytes: Vec<u8>,
    /// What they were before the last step.
    before: Option<Vec<u8>>,
    step: usize,
}

impl Shrinking {
    /// What this step would make of them: half of them, all but the last, and then each 0, a half, one less.
    fn next(&self) -> Vec<u8> {
        let mut next = self.bytes.clone();
        match self.step {
            0 => next.truncate(next.len() / 2),
            1 => drop(next.pop()),
            step => {
                if let Some(byte) = next.get_mut((step - 2) / 3) {
                    *byte = [0, *byte / 2, byte.saturating_sub(1)][(step - 2) % 3];
                }
            }
        }
        next
    }
}

impl ValueTree for Shrinking {
    type Value = Vec<u8>;

    fn current(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    fn simplify(&mut self) -> bool {
        while self.step < 2 + 3 * self.bytes.len() {
            let next = self.next();
            if next != self.bytes {
                self.before = Some(std::mem::replace(&mut self.bytes, next));
                return true;
            }
            self.step += 1;
        }
        false
    }

    fn complicate(&mut self) -> bool {
        let Some(before) = self.before.take() else { return false };
        self.bytes = before;
        self.step += 1;
        true
    }
}

/// The choices of one moment, one after the other.
pub(super) struct Choices<'a>(std::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
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
