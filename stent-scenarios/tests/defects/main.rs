//! What went wrong in the original and must not here, where no other test holds it: `features/010-defects-of-the-original.md` names all of them.

// So that the lints see that all of it is tests.
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod places;
#[cfg(test)]
mod values;
#[cfg(test)]
mod waits;
