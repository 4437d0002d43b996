//! A simulation: some processes over one store, in a time that is moved by hand. First anything may happen to them: they run a little, die, stand still past
//! their leases, lose answers of the store. Then nothing happens any more, and all must come to its end (S22, L1 to L6). What their code did, what clients
//! were told and what the store holds must fit together (S1 to S5, S7 to S9, S13).
//!
//! Each seed is another history. `STENT_SIMULATIONS` is how many are tried, 2,000 by default; `STENT_SIMULATION_SEED` tries one alone.
//!
//! All processes run in turn on one thread, a few steps at a time: one that does not run is one that stands still, and one whose runtime is dropped is dead.
//! Their heartbeats alone have threads of their own, so that a seed fixes what happens but for the moments of renewals.

// So that the lints see that all of it is tests.
#[cfg(test)]
mod check;
#[cfg(test)]
mod history;
#[cfg(test)]
mod job;
#[cfg(test)]
mod process;
#[cfg(test)]
mod world;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use crate::world::World;

    fn number(name: &str) -> Option<u64> {
        std::env::var(name).ok().map(|text| text.parse().unwrap())
    }

    /// S1, S2, S3, S4, S5, S7, S8, S9, S13, S22, L1, L2, L5, L6
    #[test]
    fn whatever_happens_everything_ends_as_if_nothing_had() {
        let seeds = match number("STENT_SIMULATION_SEED") {
            Some(seed) => seed..seed + 1,
            None => 0..number("STENT_SIMULATIONS").unwrap_or(2_000),
        };
        let next = AtomicU64::new(seeds.start);
        let seed = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds.end);
        let run = || -> Result<(), String> {
            while let Some(seed) = seed() {
                World::new(seed).run().map_err(|wrong| format!("seed {seed}: {wrong}"))?;
            }
            Ok(())
        };
        let failures: Vec<String> = thread::scope(|scope| {
            let threads = [(); 2].map(|()| scope.spawn(run));
            threads.into_iter().filter_map(|thread| thread.join().unwrap().err()).collect()
        });
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
