//! Trees: open tasks hang together below open ones, however deep and wide, and whatever ends above them.

use stent_core::TaskId;
use stent_core::claim::Claim;
use stent_core::commit::{Cancelled, Commit, TurnCommit};
use stent_core::task::TaskState;

use super::acts::Acts;
use super::builders::{
    ExecutionWith, RequestWith, TurnWith, at, call, child, completed, execution, failed, secs, turn, waiting,
};
use super::scenes::{Scenes, at_once, only};
use super::store::{Checked, Fixture, Trouble};

/// A chain of running tasks below a parent, each the child of the one before.
async fn chain(s: &Fixture, now: u64, mut parent: Claim, length: u32) -> Result<Vec<Claim>, Trouble> {
    let mut chain = Vec::new();
    for _ in 0..length {
        s.call_all(at(now), parent, &[call(0, "g")]).await?;
        parent = s.take_of(at(now), "g").await?.claim;
        chain.push(parent);
    }
    Ok(chain)
}

/// C-X1 A cancelled execution leaves no open task at any depth, and none of their claims may write.
pub(super) async fn a_cancel_reaches_every_depth(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    let chain = chain(&s, 0, root.claim, 40).await?;
    assert_eq!(s.cancel(at(1), root.execution).await?, Cancelled::Done);
    for (depth, claim) in (1..).zip(chain) {
        let record = s.look(claim.task).await?;
        assert_eq!((record.state, record.depth, record.ended_at), (TaskState::Cancelled, depth, Some(at(1))), "C-X1");
        assert_eq!(s.write_one(at(2), turn(claim).note(0, 0, "late")).await?, TurnCommit::ClaimLost);
    }
    Ok(())
}

/// C-Y6 An end in the middle of a tree cancels what is below it, and nothing beside or above it.
pub(super) async fn an_end_in_the_middle_cancels_its_own_branch(s: Fixture) -> Checked {
    let family = s.family(at(0), &["f", "h"]).await?;
    let [left, right] = [s.take_of(at(0), "f").await?.claim, s.take_of(at(0), "h").await?.claim];
    let (below_left, below_right) = (chain(&s, 0, left, 3).await?, chain(&s, 0, right, 3).await?);
    s.end(at(1), completed(below_left[0], "out")).await?;
    let ids = |chain: &[Claim]| chain.iter().map(|claim| claim.task).collect::<Vec<_>>();
    let [running, cancelled, completed] = [TaskState::Running, TaskState::Cancelled, TaskState::Completed];
    assert_eq!(s.states(&ids(&below_left)).await?, [completed, cancelled, cancelled], "C-Y6");
    assert_eq!(s.states(&ids(&below_right)).await?, [running; 3], "C-Y6: another branch");
    assert_eq!(s.states(&[family.parent.task, left.task, right.task]).await?, [running; 3]);
    Ok(())
}

/// C-Y6 A thousand open items are cancelled with their parent's end, all of them.
pub(super) async fn an_end_cancels_a_thousand_items(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 1_200).await?;
    s.take(at(1), only("item").limit(300)).await?;
    s.end(at(2), failed(family.parent, "Boom")).await?;
    let read = s.map_items(family.parent.task, 0, &family.operations[0], 0..1_200).await?;
    assert_eq!(read.len(), 1_200);
    assert!(read.iter().all(|item| item.ended.is_some()), "C-Y6: none is left open");
    assert!(s.take_all(at(100)).await?.is_empty());
    Ok(())
}

/// C-T3 A deadline cancels at every depth what is open below the root, suspended parents included.
pub(super) async fn a_deadline_reaches_every_depth(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent").max_duration(secs(5))).await?;
    let chain = chain(&s, 0, root.claim, 5).await?;
    for claim in [chain[3], chain[1], root.claim] {
        s.rest(at(1), waiting(claim, Vec::new())).await?;
    }
    assert_eq!(s.expire(at(5), 9).await?, [root.execution]);
    let below: Vec<TaskId> = chain.iter().map(|claim| claim.task).collect();
    assert_eq!(s.states(&below).await?, [TaskState::Cancelled; 5], "C-T3");
    assert_eq!(s.state(root.claim.task).await?, TaskState::TimedOut);
    Ok(())
}

/// C-Y6 C-X1 A task that is made while its parent is cancelled from above is not left open.
pub(super) async fn a_child_made_while_its_tree_ends_is_not_left_open(s: Fixture) -> Checked {
    let (here, there) = (s.handle(), s.another().await?);
    for round in 0..40 {
        let now = at(round);
        let family = s.family(now, &["g"]).await?;
        let middle = s.take_of(now, "g").await?.claim;
        let made = child(middle.task, call(0, "h"));
        let (id, write) = (made.id, turn(middle).child(made));
        let (a, b, parent, execution) = (here.clone(), there.clone(), family.parent, family.execution);
        let (wrote, _) = at_once(async move { a.write_one(now, write).await }, async move {
            match round % 2 {
                0 => b.end(now, completed(parent, "out")).await,
                _ => b.cancel(now, execution).await.map(drop).map_err(Trouble::from),
            }
        })
        .await?;
        let expected = match wrote {
            TurnCommit::Applied { .. } => Some(TaskState::Cancelled),
            TurnCommit::ClaimLost => None,
        };
        let state = s.task(id).await?.map(|task| task.state);
        assert_eq!(state, expected, "C-Y6: round {round}: no open task below an ended one");
        assert_eq!(s.state(middle.task).await?, TaskState::Cancelled);
    }
    Ok(())
}

/// C-Y6 Ends at three depths of one tree at once leave nothing open below what ended, and each end is whole or lost.
pub(super) async fn ends_at_several_depths_at_once_leave_nothing_open(s: Fixture) -> Checked {
    let (here, there) = (s.handle(), s.another().await?);
    for round in 0..40 {
        let now = at(round);
        let family = s.family(now, &["g"]).await?;
        let middle = s.take_of(now, "g").await?.claim;
        s.call_all(now, middle, &[call(0, "h")]).await?;
        let leaf = s.take_of(now, "h").await?.claim;
        let (a, b, parent) = (here.clone(), there.clone(), family.parent);
        let (ends, top) =
            at_once(
                async move {
                    a.complete(now, &[completed(leaf, "leaf"), failed(middle, "Boom")]).await.map_err(Trouble::from)
                },
                async move { b.finish(now, completed(parent, "top")).await },
            )
            .await?;
        assert_eq!(top, Commit::Applied, "C-Q2: nobody took the root's claim");
        let end = |answer, state| if answer == Commit::Applied { state } else { TaskState::Cancelled };
        let expected = [end(ends[0], TaskState::Completed), end(ends[1], TaskState::Failed), TaskState::Completed];
        assert_eq!(s.states(&[leaf.task, middle.task, parent.task]).await?, expected, "C-Y6: round {round}");
        let letter = s.dead_letter(middle.task).await?.is_some();
        assert_eq!(letter, ends[1] == Commit::Applied, "C-Y5: with the end or not at all");
    }
    Ok(())
}
