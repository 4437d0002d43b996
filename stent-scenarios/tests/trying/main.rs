//! Trying and sharing, seen from the outside: retries and dead letters, steps and maps, memo, queues, versions, variables, retention.

// So that the lints see that all of it is tests.
#[cfg(test)]
mod attempts;
#[cfg(test)]
mod dead_letters;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod idempotent;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod maps;
#[cfg(test)]
mod memo;
#[cfg(test)]
mod on_retry;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod redrive;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod variables;
#[cfg(test)]
mod versions;
