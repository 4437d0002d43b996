//! Programs in which a fault of the driver was found once, each run in many ways.

use super::number;
use super::program::{Action, MapKind, Program};
use super::world::{Change, World};

fn step(name: u64) -> Program {
    Program::Do(Action::Step { name, keyed: true, attempts: 1 })
}

fn call(timeout: Option<u64>) -> Program {
    Program::Do(Action::Call { name: 1, timeout })
}

fn signal() -> Program {
    Program::Do(Action::Signal { name: 1, timeout: None })
}

fn map(items: u64, kind: MapKind) -> Program {
    Program::Do(Action::Map { items, chunk: 2, kind })
}

fn join(parts: Vec<Program>) -> Program {
    Program::Join { parts, fails_fast: true, backwards: false }
}

fn stream(body: Program, after: Program) -> Program {
    Program::Stream { width: 2, count: 4, body: Box::new(body), after: Box::new(after) }
}

/// Runs a program with many seeds, and a change of it if there is one.
fn in_many_ways(program: &Program, changed: Option<Program>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for seed in 0..number("STENT_RUNS").unwrap_or(200) {
        let change = changed.clone().map(|program| Change { program, patched: false });
        if let Err(violation) = runtime.block_on(World::run(seed, program.clone(), change)) {
            panic!("seed {seed}: {violation}");
        }
    }
}

/// C-S2
#[test]
fn of_two_waits_for_a_signal_the_one_that_gets_none_waits_on() {
    in_many_ways(&join(vec![signal(), signal(), Program::Sequence(vec![step(1), signal()])]), None);
}

#[test]
fn a_step_that_is_not_polled_for_some_turns_goes_on() {
    in_many_ways(&stream(step(1), step(2)), None);
}

/// C-R4
#[test]
fn what_a_stream_yields_first_does_not_hang_on_when_its_steps_woke() {
    in_many_ways(&stream(join(vec![call(None), step(1)]), step(2)), None);
}

/// C-M5
#[test]
fn a_map_that_ended_while_it_was_not_polled_replays() {
    for kind in [MapKind::All, MapKind::Settled, MapKind::Fold] {
        in_many_ways(&stream(map(3, kind), step(1)), None);
    }
}

/// C-R4
#[test]
fn other_items_of_an_open_map_are_seen_before_anything_is_done() {
    let program = |items| join(vec![map(items, MapKind::All), step(1), Program::Sequence(vec![signal(), step(2)])]);
    in_many_ways(&program(3), Some(program(4)));
}

/// C-Y3
#[test]
fn a_failed_map_that_is_resumed_has_all_its_items_again() {
    in_many_ways(&join(vec![map(4, MapKind::All), signal(), step(1)]), None);
}

/// C-R5
#[test]
fn of_two_processes_that_see_a_call_end_differently_one_starts_nothing() {
    let bounded = || Program::Catch(Box::new(call(Some(21))), Box::new(Program::Do(Action::Draw)));
    in_many_ways(&Program::Sequence(vec![bounded(), step(1), bounded(), step(2)]), None);
}
