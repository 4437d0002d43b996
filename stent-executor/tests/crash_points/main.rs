//! A worker dies at its k-th call of the store, before or after the call took effect, for every k; another one finishes. Outcome and
//! effects are those of an undisturbed run (C-R1, S22). And code that changes while an execution is open (C-R4).
//!
//! A process is a runtime of its own with a handle of its own on the store; it dies with its runtime. Time is a clock that is moved by
//! hand: past the lease of whoever died, or past the delay of a task that found no fitting code.

// So that the lints see that all of it is tests.
#[cfg(test)]
mod changes;
#[cfg(test)]
mod points;
#[cfg(test)]
mod process;
#[cfg(test)]
mod scenarios;
