//! Places of limited functions: exact over all workers.

use stent_core::ExecutionId;
use stent_core::claim::{ClaimFunction, ClaimRequest, ClaimedTask};
use stent_core::task::{Resume, ResumePoint, TaskState};

use super::acts::Acts;
use super::builders::{
    ExecutionWith, RequestWith, TaskWith, TurnWith, at, call, child, completed, execution, executions_of, failed, has,
    has_limited, has_version, ids_of, nth_call, released, released_until, request, retried, retried_at, secs, sleeping,
    turn, waiting,
};
use super::store::{Checked, Fixture, Trouble};

/// A request of a worker that has `f` with so many places, and `g` without a limit.
fn limited(places: u32) -> ClaimRequest {
    request().functions([has_limited("f", places), has("g")])
}

/// So many executions of `f`, which has two places.
async fn crowd(s: &Fixture, count: usize) -> Result<Vec<ExecutionId>, Trouble> {
    let made: Vec<_> = (0..count).map(|_| execution("f").max_concurrent(2)).collect();
    s.create_all(at(0), &made).await?;
    Ok(made.iter().map(|execution| execution.id).collect())
}

/// `f` with its one place taken, and another that waits for it.
async fn one_place_taken(s: &Fixture) -> Result<ClaimedTask, Trouble> {
    let both = [execution("f").max_concurrent(1), execution("f").max_concurrent(1)];
    s.create_all(at(0), &both).await?;
    let held = s.take(at(0), limited(1)).await?;
    match <[ClaimedTask; 1]>::try_from(held) {
        Ok([held]) if held.execution == both[0].id => Ok(held),
        other => Err(Trouble::new(format!("C-Q3: exactly the first of two has the one place, not {other:?}"))),
    }
}

/// C-Q3 No more than the places, over one claim or several, in claim order.
pub(super) async fn the_limit_is_exact(s: Fixture) -> Checked {
    let ids = crowd(&s, 5).await?;
    assert_eq!(executions_of(&s.take(at(0), limited(2).limit(1)).await?), ids[..1]);
    let second = s.take(at(0), limited(2)).await?;
    assert_eq!(executions_of(&second), ids[1..2], "one of two places is free");
    assert!(s.take(at(0), limited(2)).await?.is_empty(), "no place is free");
    s.end(at(1), completed(second[0].claim, "done")).await?;
    assert_eq!(executions_of(&s.take(at(1), limited(2)).await?), ids[2..3]);
    Ok(())
}

/// C-Q3 The places are those of all workers together.
pub(super) async fn the_limit_is_shared_by_all_handles(s: Fixture) -> Checked {
    let ids = crowd(&s, 4).await?;
    let other = s.another().await?;
    assert_eq!(executions_of(&s.take(at(0), limited(2).limit(1)).await?), ids[..1]);
    assert_eq!(executions_of(&other.take(at(0), limited(2)).await?), ids[1..2]);
    assert!(s.take(at(0), limited(2)).await?.is_empty());
    Ok(())
}

/// C-Q1 C-Q3 A full function does not hide what stands behind it.
pub(super) async fn a_full_function_does_not_make_a_claim_falsely_empty(s: Fixture) -> Checked {
    crowd(&s, 300).await?;
    let free = s.create(at(0), execution("g").priority(-1)).await?;
    assert_eq!(s.take(at(0), limited(2).limit(2)).await?.len(), 2);
    assert_eq!(executions_of(&s.take(at(0), limited(2).limit(1)).await?), [free]);
    Ok(())
}

/// C-Q3 Functions have places of their own each.
pub(super) async fn every_function_has_its_own_places(s: Fixture) -> Checked {
    let made: Vec<_> = ["f", "f", "f", "g", "g", "g"].map(|name| execution(name).max_concurrent(1)).into();
    s.create_all(at(0), &made).await?;
    let claimed = s.take(at(0), request().functions([has_limited("f", 2), has_limited("g", 1)])).await?;
    assert_eq!(executions_of(&claimed), [made[0].id, made[1].id, made[3].id]);
    Ok(())
}

/// C-Q3 A task keeps its place while it is suspended, and when it has been woken.
pub(super) async fn a_place_is_held_while_suspended_and_woken(s: Fixture) -> Checked {
    let held = one_place_taken(&s).await?;
    s.note_down(at(0), turn(held.claim).step(0, 0, "one", "1")).await?;
    s.rest(at(1), sleeping(held.claim, at(5))).await?;
    assert!(s.take(at(2), limited(1)).await?.is_empty(), "a suspended task holds its place");
    let unrelated = s.take(at(5), request().functions([has("g")])).await?;
    assert!(unrelated.is_empty());
    assert_eq!(s.state(held.claim.task).await?, TaskState::Pending, "its timer has come");
    let woken = s.take(at(5), limited(1)).await?;
    assert_eq!(executions_of(&woken), [held.execution], "one that holds a place is always eligible");
    assert!(s.take(at(5), limited(1)).await?.is_empty(), "it holds the same place, not a second one");
    Ok(())
}

/// C-Q3 A lease that ran out frees no place: only another claim of the same task goes on in it.
pub(super) async fn a_place_is_held_when_the_lease_runs_out(s: Fixture) -> Checked {
    let held = one_place_taken(&s).await?;
    assert!(
        s.take(at(20), limited(1).without_expired()).await?.is_empty(),
        "the place is held though the lease is over"
    );
    let taken = s.take(at(20), limited(1)).await?;
    assert_eq!(executions_of(&taken), [held.execution], "one that holds a place is always eligible, and no other");
    Ok(())
}

/// C-Q3 A higher priority does not take a place that is held by one that waits to go on.
pub(super) async fn a_held_place_is_not_given_to_a_higher_priority(s: Fixture) -> Checked {
    let held = one_place_taken(&s).await?;
    s.note_down(at(0), turn(held.claim).step(0, 0, "one", "1")).await?;
    s.rest(at(1), sleeping(held.claim, at(5))).await?;
    s.create(at(2), execution("f").priority(9).max_concurrent(1)).await?;
    assert_eq!(executions_of(&s.take(at(5), limited(1)).await?), [held.execution]);
    Ok(())
}

/// C-Q3 A place is free with the end, good or ill, and while a task waits for a retry.
pub(super) async fn a_place_is_free_after_an_end_and_during_a_retry(s: Fixture) -> Checked {
    let made: Vec<_> = (0..4).map(|_| execution("f").max_concurrent(1)).collect();
    s.create_all(at(0), &made).await?;
    let first = s.take_with(at(0), limited(1)).await?;
    s.end(at(1), completed(first.claim, "done")).await?;
    let second = s.take_with(at(1), limited(1)).await?;
    s.end(at(2), failed(second.claim, "Timeout")).await?;
    let third = s.take_with(at(2), limited(1)).await?;
    assert_eq!(third.execution, made[2].id);
    s.end(at(3), retried(third.claim, at(50))).await?;
    assert_eq!(s.take_with(at(3), limited(1)).await?.execution, made[3].id, "who waits for a retry holds no place");
    assert!(s.take(at(50), limited(1).without_expired()).await?.is_empty(), "and must get one again when it is due");
    Ok(())
}

/// C-Q3 C-X1 C-T3 Cancel and deadline free the places of all that they end.
pub(super) async fn a_place_is_free_after_a_cancel_and_a_deadline(s: Fixture) -> Checked {
    let timed = || execution("f").max_concurrent(1).max_duration(secs(5));
    let made = [timed(), timed(), execution("f").max_concurrent(1)];
    s.create_all(at(0), &made).await?;
    let first = s.take_with(at(0), limited(1)).await?;
    let _ = s.cancel(at(1), first.execution).await?;
    let second = s.take_with(at(1), limited(1)).await?;
    assert_eq!(second.execution, made[1].id, "a cancelled task holds no place");
    s.expire(at(5), 10).await?;
    assert_eq!(s.take_with(at(5), limited(1)).await?.execution, made[2].id, "a timed-out task holds no place");
    Ok(())
}

/// C-Q3 A release of a task that wrote nothing gives its place back.
pub(super) async fn a_release_with_an_empty_journal_frees_the_place(s: Fixture) -> Checked {
    let held = one_place_taken(&s).await?;
    s.end(at(1), released_until(held.claim, Some(at(60)), None)).await?;
    let next = s.take_with(at(1), limited(1)).await?;
    assert_ne!(next.execution, held.execution, "C-Q3: `Released` gives the place back if the journal is empty");
    Ok(())
}

/// C-Q3 A release of a task that has begun keeps its place.
pub(super) async fn a_release_with_a_journal_keeps_the_place(s: Fixture) -> Checked {
    let held = one_place_taken(&s).await?;
    s.note_down(at(0), turn(held.claim).step(0, 0, "one", "1")).await?;
    s.end(at(1), released_until(held.claim, Some(at(60)), None)).await?;
    assert!(s.take(at(1), limited(1)).await?.is_empty(), "C-Q3: a started task holds its place until it ends");
    assert_eq!(s.take_with(at(60), limited(1)).await?.execution, held.execution);
    Ok(())
}

/// C-Q3 The places of a task's ancestors are not counted against it: a function with one place may call itself.
pub(super) async fn recursion_cannot_lock_itself_up(s: Fixture) -> Checked {
    let mut task = {
        s.create(at(0), execution("f").max_concurrent(1)).await?;
        s.take_with(at(0), limited(1)).await?
    };
    let stranger = s.create(at(0), execution("f").max_concurrent(1).priority(9)).await?;
    let mut path: Vec<ClaimedTask> = Vec::new();
    for depth in 1..=5 {
        let below = child(task.claim.task, call(0, "f")).max_concurrent(1);
        s.note_down(at(depth), turn(task.claim).child(below.clone())).await?;
        s.rest(at(depth), waiting(task.claim, Vec::new())).await?;
        let claimed = s.take(at(depth), limited(1)).await?;
        assert_eq!(claimed.iter().map(|task| task.claim.task).collect::<Vec<_>>(), [below.id], "C-Q3: depth {depth}");
        path.push(std::mem::replace(&mut task, claimed[0].clone()));
    }
    let mut last = task;
    while let Some(parent) = path.pop() {
        s.end(at(10), completed(last.claim, "done")).await?;
        last = s.take_with(at(10), limited(1)).await?;
        assert_eq!(last.claim.task, parent.claim.task, "the woken parent goes on in its own place");
    }
    s.end(at(11), completed(last.claim, "done")).await?;
    assert_eq!(s.take_with(at(11), limited(1)).await?.execution, stranger, "all places are free again");
    Ok(())
}

/// C-Q3 An ancestor that takes its place in the same claim is not counted against a task either.
pub(super) async fn an_ancestor_that_is_claimed_with_a_task_is_not_counted_against_it(s: Fixture) -> Checked {
    s.create(at(0), execution("f").max_concurrent(1).priority(1)).await?;
    let root = s.take_with(at(0), limited(1)).await?;
    let below = child(root.claim.task, call(0, "f")).max_concurrent(1);
    s.note_down(at(0), turn(root.claim).child(below.clone())).await?;
    s.end(at(1), retried_at(root.claim, at(1), Resume::At(ResumePoint::default()))).await?;
    let stranger = s.create(at(1), execution("f").max_concurrent(1)).await?;
    let claimed = s.take(at(1), limited(1)).await?;
    assert_eq!(ids_of(&claimed), [root.claim.task, below.id], "one place, and the one below it");
    s.end(at(2), completed(claimed[1].claim, "done")).await?;
    assert!(s.take(at(2), limited(1)).await?.is_empty(), "the place is the ancestor's");
    s.end(at(2), completed(claimed[0].claim, "done")).await?;
    assert_eq!(executions_of(&s.take(at(2), limited(1)).await?), [stranger]);
    Ok(())
}

/// C-Q3 Siblings count against each other though their common ancestors do not.
pub(super) async fn siblings_share_the_places_below_an_ancestor(s: Fixture) -> Checked {
    s.create(at(0), execution("f").max_concurrent(1)).await?;
    let root = s.take_with(at(0), limited(1)).await?;
    let below = |number| child(root.claim.task, nth_call(0, "f", number)).max_concurrent(1);
    s.note_down(at(0), turn(root.claim).child(below(0)).child(below(1))).await?;
    let first = s.take(at(0), limited(1)).await?;
    assert_eq!(first.len(), 1, "C-Q3: the ancestor is not counted, the sibling is");
    s.end(at(1), completed(first[0].claim, "done")).await?;
    assert_eq!(s.take(at(1), limited(1)).await?.len(), 1);
    Ok(())
}

/// C-Q3 Ancestors that are of other functions give nothing.
pub(super) async fn only_ancestors_of_the_same_function_are_left_out(s: Fixture) -> Checked {
    let stranger = s.create(at(0), execution("f").max_concurrent(1)).await?;
    assert_eq!(s.take_with(at(0), limited(1)).await?.execution, stranger);
    let root = s.start(at(0), execution("g")).await?;
    s.note_down(at(0), turn(root.claim).child(child(root.claim.task, call(0, "f")).max_concurrent(1))).await?;
    assert!(s.take(at(0), limited(1)).await?.is_empty(), "the place is a stranger's, not an ancestor's");
    Ok(())
}

/// C-Q3 A claim that is repeated by its token takes no second place.
pub(super) async fn a_repeated_claim_takes_no_second_place(s: Fixture) -> Checked {
    let ids = crowd(&s, 3).await?;
    let request = limited(2).limit(1);
    for _ in 0..2 {
        assert_eq!(executions_of(&s.take(at(0), request.clone()).await?), ids[..1]);
    }
    assert_eq!(executions_of(&s.take(at(0), limited(2)).await?), ids[1..2]);
    Ok(())
}

/// C-Q3 A release and a retry that are repeated give no place back twice.
pub(super) async fn a_repeated_end_frees_no_second_place(s: Fixture) -> Checked {
    let ids = crowd(&s, 5).await?;
    let held = s.take(at(0), limited(2)).await?;
    for _ in 0..2 {
        s.end(at(1), released(held[0].claim)).await?;
        s.end(at(1), completed(held[1].claim, "done")).await?;
    }
    let next = executions_of(&s.take(at(1), limited(2)).await?);
    assert_eq!(next, [ids[0], ids[2]], "two places are free, not four");
    Ok(())
}

/// C-Q3 A limit that was lowered holds from the next claim on, and one that was raised as well.
pub(super) async fn a_changed_limit_holds_from_the_next_claim_on(s: Fixture) -> Checked {
    let ids = crowd(&s, 6).await?;
    let held = s.take(at(0), limited(3)).await?;
    assert_eq!(held.len(), 3);
    s.end(at(1), completed(held[0].claim, "done")).await?;
    assert!(s.take(at(1), limited(1)).await?.is_empty(), "two places are held, one is allowed");
    s.end(at(2), completed(held[1].claim, "done")).await?;
    s.end(at(2), completed(held[2].claim, "done")).await?;
    assert_eq!(executions_of(&s.take(at(2), limited(1)).await?), ids[3..4]);
    assert_eq!(executions_of(&s.take(at(2), limited(3)).await?), ids[4..6]);
    Ok(())
}

/// C-Q3 An operator sees each limited function with its limit and the places held.
pub(super) async fn limits_show_the_places_held(s: Fixture) -> Checked {
    assert!(s.limits().await?.is_empty());
    crowd(&s, 3).await?;
    let held = s.take(at(0), limited(2)).await?;
    let shown = |records: Vec<stent_core::worker::LimitRecord>| -> Vec<(String, u32, u32)> {
        records.iter().map(|limit| (limit.function.to_string(), limit.max_concurrent, limit.held)).collect()
    };
    assert_eq!(shown(s.limits().await?), [("f".to_owned(), 2, 2)]);
    s.rest(at(1), sleeping(held[0].claim, at(50))).await?;
    s.end(at(1), completed(held[1].claim, "done")).await?;
    assert_eq!(
        shown(s.limits().await?),
        [("f".to_owned(), 2, 1)],
        "a suspended task's place counts, an ended one's does not"
    );
    s.create(at(2), execution("h").max_concurrent(7)).await?;
    s.take(at(2), request().functions([has_limited("h", 7), has_limited("f", 4)])).await?;
    assert_eq!(shown(s.limits().await?), [("f".to_owned(), 4, 2), ("h".to_owned(), 7, 1)]);
    Ok(())
}

/// C-Q3 The versions of a function share its places.
pub(super) async fn the_versions_of_a_function_share_its_places(s: Fixture) -> Checked {
    let made = ["1", "2", "1", "2"].map(|version| execution("f").version(version).max_concurrent(3));
    s.create_all(at(0), &made).await?;
    let both = || ["1", "2"].map(|version| ClaimFunction { max_concurrent: Some(3), ..has_version("f", version) });
    let claimed = s.take(at(0), request().functions(both())).await?;
    assert_eq!(executions_of(&claimed), [made[0].id, made[1].id, made[2].id]);
    assert!(s.take(at(0), request().functions(both())).await?.is_empty());
    Ok(())
}
