//! Waiting, seen from the outside: bounds and deadlines, signals, suspension, cancellation, and a worker's life.

// So that the lints see that all of it is tests.
#[cfg(test)]
mod cancellation;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod dropping;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod log;
#[cfg(test)]
mod scene;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod shutdown;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod sleeping;
#[cfg(test)]
mod suspension;
#[cfg(test)]
mod taking;
#[cfg(test)]
mod timeouts;
