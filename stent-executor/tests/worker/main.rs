//! Client and worker together, on a store in memory and a clock that is moved by hand.

// So that the lints see that all of it is tests.
#[cfg(test)]
mod bench;
mod claims;
mod client;
#[cfg(test)]
mod deaf;
mod life;
#[cfg(test)]
mod standing;
