//! Choices: bytes that are read one after the other, each as a number of what there is. Bytes that are missing are 0, and 0 is always the
//! plainest choice.

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
