//! Variables: counters and values of an execution change in program order, and once.

use stent_core::commit::TurnCommit;
use stent_core::variable::VariableChange::{Add, InitCounter, InitValue, Set};
use stent_core::variable::{VariableChange, Variables};
use stent_core::{ExecutionId, Payload, limits};

use super::acts::Acts;
use super::builders::{
    TaskWith, TurnWith, at, execution, next_execution_id, payload, retried, turn, turn_in, variable,
};
use super::scenes::{Scenes, at_once};
use super::store::{Checked, Fixture, Trouble};

/// What an execution's variables are after these changes, each turn of them a write.
async fn after(s: &Fixture, turns: Vec<Vec<VariableChange>>) -> Result<Variables, Trouble> {
    let task = s.start(at(0), execution("f").priority(1)).await?;
    for (seq, changes) in (0..).zip(turns) {
        let write = changes.into_iter().fold(turn(task.claim).note(seq, seq, "n"), TurnWith::change);
        s.note_down(at(1), write).await?;
    }
    Ok(s.another().await?.read(task.execution).await?)
}

fn counters(of: &[(&str, i64)]) -> Variables {
    let counters = of.iter().map(|(name, number)| (variable(name), *number)).collect();
    Variables { counters, ..Variables::default() }
}

/// C-V1 An execution that changed nothing has no variables, and neither has one that nobody knows.
pub(super) async fn an_execution_begins_without_variables(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    assert_eq!(s.read(task.execution).await?, Variables::default());
    assert_eq!(s.read(next_execution_id()).await?, Variables::default());
    Ok(())
}

/// C-V1 A counter begins at zero, adds up within and over turns, and goes below zero.
pub(super) async fn a_counter_adds_up(s: Fixture) -> Checked {
    let n = || variable("n");
    let read = after(&s, vec![vec![Add(n(), 5), Add(n(), -7)], vec![Add(n(), 0)], vec![Add(n(), -1)]]).await?;
    assert_eq!(read, counters(&[("n", -3)]));
    assert_eq!(after(&s, vec![vec![Add(n(), 0)]]).await?, counters(&[("n", 0)]), "C-V1: it exists from then on");
    Ok(())
}

/// C-V1 A counter saturates at both ends, change by change.
pub(super) async fn a_counter_saturates(s: Fixture) -> Checked {
    let (up, down) = (|by| Add(variable("up"), by), |by| Add(variable("down"), by));
    let turns =
        vec![vec![up(i64::MAX), up(i64::MAX), up(-1), down(i64::MIN), down(-1), down(2)], vec![up(2), down(-3)]];
    assert_eq!(after(&s, turns).await?, counters(&[("down", i64::MIN), ("up", i64::MAX)]), "C-V1: it saturates");
    let turns = vec![vec![up(i64::MAX), up(1), up(-1)]];
    assert_eq!(after(&s, turns).await?, counters(&[("up", i64::MAX - 1)]), "C-V1: in the order given");
    Ok(())
}

/// C-V1 An initial value never overwrites, whether what is there was made or changed in this turn or before.
pub(super) async fn an_initial_value_never_overwrites(s: Fixture) -> Checked {
    let (n, v, text) = (|| variable("n"), || variable("v"), payload);
    let turns = vec![
        vec![InitCounter(n(), 10), InitCounter(n(), 99), Add(n(), 1)],
        vec![InitCounter(n(), 99), InitValue(v(), text("first")), InitValue(v(), text("late")), Add(n(), 1)],
        vec![InitValue(v(), text("later"))],
    ];
    let read = after(&s, turns).await?;
    assert_eq!((read.counters[&n()], &read.values[&v()]), (12, &text("first")), "C-V1: Init never overwrites");
    let read = after(&s, vec![vec![Add(n(), 1), InitCounter(n(), 5), Set(v(), text("")), InitValue(v(), text("x"))]]);
    let read = read.await?;
    assert_eq!((read.counters[&n()], &read.values[&v()]), (1, &text("")), "C-V1: an empty value is there");
    Ok(())
}

/// C-V1 A value is what was set last.
pub(super) async fn the_last_value_that_was_set_stands(s: Fixture) -> Checked {
    let set = |text: &str| Set(variable("v"), payload(text));
    let read = after(&s, vec![vec![set("1"), set("2")], vec![set("4"), set("3")]]).await?;
    assert_eq!(read.values[&variable("v")], payload("3"), "C-V1: in the order given");
    Ok(())
}

/// C-V1 Counters and values have names of their own each, and come back exactly.
pub(super) async fn counters_and_values_are_apart(s: Fixture) -> Checked {
    let binary = Payload::from((0..=u8::MAX).collect::<Vec<_>>());
    let long = "ü".repeat(limits::NAME / 2);
    let turns = vec![vec![
        Add(variable("x"), 1),
        Set(variable("x"), binary.clone()),
        Set(variable("X"), payload("")),
        Add(variable(&long), i64::MIN),
        Set(variable("it's 100 %"), payload("q")),
    ]];
    let read = after(&s, turns).await?;
    let values = [("x", binary), ("X", payload("")), ("it's 100 %", payload("q"))];
    let values = values.into_iter().map(|(name, value)| (variable(name), value)).collect();
    assert_eq!(read, Variables { values, ..counters(&[("x", 1), (&long, i64::MIN)]) });
    Ok(())
}

/// C-V1 Variables are of one execution, whichever of its tasks changes them.
pub(super) async fn all_tasks_of_an_execution_share_its_variables(s: Fixture) -> Checked {
    let other = s.start(at(0), execution("f")).await?;
    let family = s.family(at(0), &["g"]).await?;
    let child = s.take_of(at(1), "g").await?.claim;
    for (claim, by) in [(other.claim, 100), (family.parent, 1), (child, 10)] {
        s.note_down(at(2), turn(claim).note(0, 0, "n").change(Add(variable("n"), by))).await?;
    }
    assert_eq!(s.read(family.execution).await?, counters(&[("n", 11)]));
    assert_eq!(s.read(other.execution).await?, counters(&[("n", 100)]));
    let below = ExecutionId::from_bytes(*child.task.as_bytes());
    assert_eq!(s.read(below).await?, Variables::default(), "a child is no execution");
    Ok(())
}

/// C-V1 Changes of two tasks of an execution at once are all applied.
pub(super) async fn changes_of_two_tasks_at_once_are_all_applied(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let child = s.take_of(at(0), "g").await?.claim;
    let (here, there) = (s.handle(), s.another().await?);
    for seq in 0..25 {
        let write = |claim, first: &str, second: &str| {
            let write = turn(claim).note(seq, seq, "n");
            write.change(Add(variable(first), 1)).change(Add(variable(second), 1))
        };
        let (parents, childs) = (write(family.parent, "a", "b"), write(child, "b", "a"));
        let (a, b) = (here.clone(), there.clone());
        at_once(async move { a.note_down(at(1), parents).await }, async move { b.note_down(at(1), childs).await })
            .await?;
    }
    assert_eq!(s.read(family.execution).await?, counters(&[("a", 50), ("b", 50)]), "C-V1: none is lost");
    Ok(())
}

/// C-V1 What a failed attempt had written stays; what it had not written is dropped with it.
pub(super) async fn written_changes_outlive_a_retry(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    s.note_down(at(1), turn(task.claim).note(0, 0, "n").change(Add(variable("n"), 1))).await?;
    s.end(at(2), retried(task.claim, at(2))).await?;
    let again = s.take_one(at(3)).await?;
    assert_eq!(again.generation, 1);
    let late = turn(task.claim).note(1, 1, "n").change(Add(variable("n"), 10));
    assert_eq!(s.write_one(at(3), late).await?, TurnCommit::ClaimLost);
    let write = turn_in(again.claim, 1).note(0, 0, "n").change(Add(variable("n"), 1));
    s.note_down(at(4), write).await?;
    assert_eq!(s.read(task.execution).await?, counters(&[("n", 2)]), "C-V1: a new journal's places are its own");
    Ok(())
}
