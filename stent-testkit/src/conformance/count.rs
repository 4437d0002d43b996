//! Counts by function and state: what makes a screen of three hundred thousand tasks.

use stent_core::TaskId;
use stent_core::backend::TaskCount;
use stent_core::task::TaskState;

use super::acts::Acts;
use super::builders::{
    RequestWith, TurnWith, at, call, child, completed, execution, failed, function, has, items, map, next_execution_id,
    request, turn,
};
use super::inspect::one_in_each_state;
use super::store::{Checked, Fixture};

/// C-X3 Executions that ended in a span of time are counted by function and state, its end not included; what is open, children and others are not.
pub(super) async fn executions_are_counted_by_when_they_ended(s: Fixture) -> Checked {
    one_in_each_state(&s).await?;
    let count = |name, state, tasks| TaskCount { function: function(name), state, tasks };
    let ended = [TaskState::Completed, TaskState::Failed, TaskState::TimedOut, TaskState::Cancelled];
    let ended = ended.map(|state| count("f", state, 1));
    assert_eq!(s.count_ended(at(0)..at(2)).await?, ended);
    assert_eq!(s.count_ended(at(1)..at(2)).await?, ended, "its beginning is included");
    assert_eq!(s.count_ended(at(0)..at(1)).await?, [], "its end is not");
    assert_eq!(s.count_ended(at(2)..at(1)).await?, [], "a span without a time in it");
    s.create(at(2), execution("e")).await?;
    let root = s.take_with(at(2), request().functions([has("e")])).await?;
    s.note_down(at(2), turn(root.claim).child(child(root.claim.task, call(0, "g")))).await?;
    let below = s.take_with(at(2), request().functions([has("g")])).await?;
    s.end(at(3), completed(below.claim, "done")).await?;
    s.end(at(3), completed(root.claim, "done")).await?;
    assert_eq!(s.count_ended(at(2)..at(9)).await?, [count("e", TaskState::Completed, 1)]);
    Ok(())
}

/// C-X3 The children of a task are counted by function and state, in the order of the states; theirs are not among them, nor those of others.
pub(super) async fn children_are_counted_by_function_and_state(s: Fixture) -> Checked {
    let [root, other] = [s.start(at(0), execution("parent")).await?, s.start(at(0), execution("parent")).await?];
    assert_eq!(s.count_children(root.claim.task).await?, []);
    let below = |task: TaskId, name: &str| child(task, call(0, name));
    s.note_down(at(0), turn(other.claim).child(below(other.claim.task, "h"))).await?;
    let mapped = items(root.claim.task, &map(0, "f"), 0..5);
    s.note_down(at(0), turn(root.claim).child(below(root.claim.task, "h")).children(mapped)).await?;
    let take = async || s.take_with(at(1), request().functions([has("f")])).await;
    s.end(at(1), completed(take().await?.claim, "done")).await?;
    s.end(at(1), failed(take().await?.claim, "Timeout")).await?;
    let held = take().await?;
    s.note_down(at(1), turn(held.claim).child(below(held.claim.task, "f"))).await?;

    let count = |name, state, tasks| TaskCount { function: function(name), state, tasks };
    let expected = [
        count("f", TaskState::Pending, 2),
        count("f", TaskState::Running, 1),
        count("f", TaskState::Completed, 1),
        count("f", TaskState::Failed, 1),
        count("h", TaskState::Pending, 1),
    ];
    assert_eq!(s.count_children(root.claim.task).await?, expected);
    assert_eq!(s.count_children(held.claim.task).await?, [count("f", TaskState::Pending, 1)]);
    assert_eq!(s.count_children(next_execution_id().root()).await?, [], "of what does not exist");
    Ok(())
}
