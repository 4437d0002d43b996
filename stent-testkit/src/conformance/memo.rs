//! Memo: results that are shared, and keys that one task at a time may fill.

use stent_core::claim::{Claim, ClaimedTask};
use stent_core::commit::{Cancelled, Commit, Reserved};
use stent_core::execution::NewExecution;
use stent_core::memo::{Memo, MemoMode};
use stent_core::task::End;
use stent_core::{Payload, TaskId};

use super::acts::Acts;
use super::builders::{
    ExecutionWith, TICK, TaskWith, TurnWith, at, call, child, completed, execution, failed, fingerprint, payload,
    released, request, retried, secs, sleeping, turn,
};
use super::scenes::{Loss, Scenes, at_once, rank};
use super::store::{Checked, Fixture, Trouble};

/// An execution whose result is shared under this key for ever, or for so many seconds.
fn cached(key: &str, ttl: Option<u64>) -> NewExecution {
    execution("f").memo(Memo { key: fingerprint(key), mode: MemoMode::Cached { ttl: ttl.map(secs) } })
}

/// An execution of which one runs for the key.
fn idempotent(key: &str) -> NewExecution {
    execution("f").memo(Memo { key: fingerprint(key), mode: MemoMode::Idempotent })
}

/// Starts two tasks of the same key.
async fn rivals(s: &Fixture) -> Result<[ClaimedTask; 2], Trouble> {
    Ok([s.start(at(0), idempotent("k")).await?, s.start(at(0), idempotent("k")).await?])
}

/// Reserves the key `k`.
async fn reserve(s: &Fixture, now: u64, claim: Claim) -> Result<Reserved, Trouble> {
    Ok(s.reserve(at(now), claim, fingerprint("k")).await?)
}

fn held_by(task: TaskId) -> Reserved {
    Reserved::Held { by: task, is_ancestor: false }
}

/// C-K1 What was stored is a hit for every process, in the order of the keys; what was not is a miss.
pub(super) async fn recalled_are_the_keys_that_were_stored(mut s: Fixture) -> Checked {
    for (key, output) in [("a", "result of a"), ("unit", "")] {
        let task = s.start(at(0), cached(key, None)).await?.claim;
        s.end(at(1), completed(task, output)).await?;
    }
    s.reopen().await?;
    let keys = ["unit", "missing", "a", "a"].map(fingerprint);
    let expected = [Some(payload("")), None, Some(payload("result of a")), Some(payload("result of a"))];
    assert_eq!(s.recall(at(2), &keys).await?, expected, "C-K1: a stored unit is a hit");
    assert_eq!(s.recall(at(2), &[]).await?, []);
    Ok(())
}

/// C-K1 A binary result is recalled exactly.
pub(super) async fn a_binary_result_is_recalled_exactly(s: Fixture) -> Checked {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(1 << 20).collect();
    let task = s.start(at(0), cached("a", None)).await?.claim;
    let mut end = completed(task, "");
    if let End::Completed { output, .. } = &mut end.end {
        *output = Payload::from(bytes.clone());
    }
    s.end(at(1), end).await?;
    assert!(s.known(at(2), "a").await? == Some(bytes.into()));
    Ok(())
}

/// C-K2 The first result stored under a key wins; a repeat or a later completion changes nothing.
pub(super) async fn the_first_stored_result_wins(s: Fixture) -> Checked {
    let [one, other] = [s.start(at(0), cached("k", None)).await?.claim, s.start(at(0), cached("k", None)).await?.claim];
    s.end(at(1), completed(one, "first")).await?;
    s.end(at(2), completed(other, "second")).await?;
    assert_eq!(s.known(at(3), "k").await?, Some(payload("first")), "C-K2");
    Ok(())
}

/// C-K2 Of two completions at once one is stored, and stays.
pub(super) async fn of_two_results_at_once_one_is_stored(s: Fixture) -> Checked {
    let (here, there) = (s.handle(), s.another().await?);
    for round in 0..25 {
        let key = format!("key {round}");
        let [one, other] =
            [s.start(at(0), cached(&key, None)).await?.claim, s.start(at(0), cached(&key, None)).await?.claim];
        let (a, b) = (here.clone(), there.clone());
        at_once(async move { a.end(at(1), completed(one, "one")).await }, async move {
            b.end(at(1), completed(other, "other")).await
        })
        .await?;
        let stored = s.known(at(2), &key).await?;
        assert!([Some(payload("one")), Some(payload("other"))].contains(&stored), "C-K2: {stored:?}");
        assert_eq!(there.known(at(2), &key).await?, stored);
    }
    Ok(())
}

/// C-K1 A result lasts as long as it was to: it is gone at the end of its time, and the next one takes its place.
pub(super) async fn an_expired_result_is_replaced(s: Fixture) -> Checked {
    let [one, other] =
        [s.start(at(0), cached("k", Some(10))).await?.claim, s.start(at(0), cached("k", Some(10))).await?.claim];
    s.end(at(1), completed(one, "first")).await?;
    assert_eq!(s.known(at(11).before(TICK), "k").await?, Some(payload("first")), "C-K1: counted from its end");
    assert_eq!(s.known(at(11), "k").await?, None, "C-K1: expired");
    s.end(at(12), completed(other, "second")).await?;
    assert_eq!(s.known(at(21), "k").await?, Some(payload("second")), "C-K2: nothing unexpired was stored");
    assert_eq!(s.known(at(22), "k").await?, None);
    Ok(())
}

/// C-K2 C-Q2 A completion that is repeated when its result has expired does not store it again.
pub(super) async fn a_repeated_completion_stores_nothing_again(s: Fixture) -> Checked {
    let task = s.start(at(0), cached("k", Some(10))).await?.claim;
    for seconds in [1, 20] {
        assert_eq!(s.finish(at(seconds), completed(task, "out")).await?, Commit::Applied);
    }
    assert_eq!(s.known(at(21), "k").await?, None, "C-Q2: a repeat acts once");
    Ok(())
}

/// C-K2 What fails, is retried, is released or is cancelled stores nothing.
pub(super) async fn only_a_completion_stores_a_result(s: Fixture) -> Checked {
    for (round, end) in (0..).zip([failed, |claim, _: &str| retried(claim, at(90)), |claim, _: &str| released(claim)]) {
        let task = s.start(at(0), cached("k", None).priority(round)).await?.claim;
        s.end(at(1), end(task, "Boom")).await?;
    }
    let task = s.start(at(0), cached("k", None).priority(9)).await?;
    assert_eq!(s.cancel(at(1), task.execution).await?, Cancelled::Done);
    assert_eq!(s.known(at(2), "k").await?, None, "C-K2");
    Ok(())
}

/// C-K2 A child's result is shared like a root's.
pub(super) async fn a_childs_result_is_stored_too(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?.claim;
    let memo = Memo { key: fingerprint("k"), mode: MemoMode::Cached { ttl: None } };
    s.note_down(at(1), turn(root).child(child(root.task, call(0, "g")).memo(memo))).await?;
    let taken = s.take_of(at(2), "g").await?;
    assert_eq!(taken.memo, Some(memo), "a worker learns how a result is shared");
    s.end(at(3), completed(taken.claim, "out")).await?;
    assert_eq!(s.known(at(4), "k").await?, Some(payload("out")));
    Ok(())
}

/// C-K2 A key is one task's until that task ends; the task itself may ask again.
pub(super) async fn a_reserved_key_is_held_until_its_task_ends(s: Fixture) -> Checked {
    let [one, other] = rivals(&s).await?.map(|task| task.claim);
    assert_eq!(reserve(&s, 1, one).await?, Reserved::Yours);
    assert_eq!(reserve(&s, 2, one).await?, Reserved::Yours, "C-K2: it holds the key already");
    assert_eq!(reserve(&s, 2, other).await?, held_by(one.task));
    s.end(at(3), completed(one, "out")).await?;
    assert_eq!(reserve(&s, 4, other).await?, Reserved::Value(payload("out")), "C-K2: the result is known");
    Ok(())
}

/// C-K1 A stored result answers a reservation even if it is empty, and whoever stored it.
pub(super) async fn a_stored_result_answers_a_reservation(s: Fixture) -> Checked {
    let first = s.start(at(0), cached("k", None)).await?.claim;
    s.end(at(1), completed(first, "")).await?;
    let task = s.start(at(1), idempotent("k")).await?.claim;
    assert_eq!(reserve(&s, 2, task).await?, Reserved::Value(payload("")), "C-K1");
    Ok(())
}

/// C-K2 A key stays held while its task waits: for a retry, suspended, released, or with its lease run out.
pub(super) async fn a_holder_that_waits_still_holds(s: Fixture) -> Checked {
    let [one, other] = rivals(&s).await?.map(|task| task.claim);
    assert_eq!(reserve(&s, 1, one).await?, Reserved::Yours);
    s.end(at(2), retried(one, at(100))).await?;
    assert_eq!(reserve(&s, 2, other).await?, held_by(one.task), "C-K2: it waits for a retry");
    let one = s.take(at(100), request()).await?.into_iter().find(|task| task.claim.task == one.task);
    let Some(one) = one.map(|task| task.claim) else { panic!("the retry is due") };
    let mut free = s.take(at(200), request()).await?;
    let Some(other) = free.iter().position(|task| task.claim.task != one.task).map(|at| free.remove(at)) else {
        panic!("the other's lease has run out")
    };
    assert_eq!(reserve(&s, 200, other.claim).await?, held_by(one.task), "C-K2: its lease has run out");
    let Some(again) = free.pop() else { panic!("the holder's lease has run out") };
    assert_eq!(reserve(&s, 201, again.claim).await?, Reserved::Yours, "C-K2: the task holds it, not the claim");
    s.rest(at(202), sleeping(again.claim, at(900))).await?;
    assert_eq!(reserve(&s, 203, other.claim).await?, held_by(one.task), "C-K2: suspended");
    Ok(())
}

/// C-K2 A holder that failed, was cancelled or timed out holds nothing: one of the waiting takes the key.
pub(super) async fn a_holder_that_ended_without_a_result_holds_nothing(s: Fixture) -> Checked {
    for (round, loss) in (0..).zip([None, Some(Loss::Cancelled), Some(Loss::TimedOut)]) {
        let key = fingerprint(&format!("key {round}"));
        let now = at(round * 1_000);
        let one = s.start(now, execution("f").due(now).priority(rank(now)).max_duration(secs(100))).await?;
        let other = s.start(now, execution("f").due(now).priority(rank(now))).await?.claim;
        assert_eq!(s.reserve(now, one.claim, key).await?, Reserved::Yours);
        assert_eq!(s.reserve(now, other, key).await?, held_by(one.claim.task));
        match loss {
            None => s.end(now, failed(one.claim, "Boom")).await?,
            Some(loss) => s.lose(now, &one, loss).await?,
        }
        assert_eq!(s.reserve(now, other, key).await?, Reserved::Yours, "C-K2: {loss:?}");
    }
    Ok(())
}

/// C-K2 A holder that completed without a memo stored nothing, and holds nothing.
pub(super) async fn a_holder_that_stored_nothing_holds_nothing(s: Fixture) -> Checked {
    let [one, other] = [s.start(at(0), execution("f")).await?.claim, s.start(at(0), execution("f")).await?.claim];
    assert_eq!(reserve(&s, 1, one).await?, Reserved::Yours);
    s.end(at(2), completed(one, "out")).await?;
    assert_eq!(reserve(&s, 3, other).await?, Reserved::Yours, "C-K2");
    Ok(())
}

/// C-K2 A key held by an ancestor is told as such: waiting for it would never end.
pub(super) async fn a_key_held_by_an_ancestor_is_told_as_such(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h"]).await?;
    let middle = s.take_of(at(1), "g").await?.claim;
    s.call_all(at(1), middle, &[call(0, "f")]).await?;
    let [sibling, leaf] = [s.take_of(at(2), "h").await?.claim, s.take_of(at(2), "f").await?.claim];
    assert_eq!(reserve(&s, 3, family.parent).await?, Reserved::Yours);
    let above = Reserved::Held { by: family.parent.task, is_ancestor: true };
    for below in [middle, leaf, sibling] {
        assert_eq!(reserve(&s, 4, below).await?, above, "C-K2");
    }
    let other = fingerprint("other");
    assert_eq!(s.reserve(at(5), leaf, other).await?, Reserved::Yours);
    for beside in [middle, sibling, family.parent] {
        assert_eq!(s.reserve(at(6), beside, other).await?, held_by(leaf.task), "C-K2: below or beside");
    }
    Ok(())
}

/// C-Q2 A claim that was lost reserves nothing.
pub(super) async fn a_lost_claim_reserves_nothing(s: Fixture) -> Checked {
    for (round, loss) in (0..).zip(Loss::ALL) {
        let now = at(round * 1_000);
        let lost = s.lost(now, loss).await?.claim;
        assert_eq!(s.reserve(now, lost, fingerprint("k")).await?, Reserved::ClaimLost, "C-Q2: {loss:?}");
    }
    let task = s.start(at(9_000), execution("f").priority(i32::MAX)).await?.claim;
    assert_eq!(reserve(&s, 9_000, task).await?, Reserved::Yours, "C-Q2: nothing was written");
    Ok(())
}

/// C-K2 Of two tasks that reserve a key at once one gets it, and the other learns who.
pub(super) async fn of_two_reservations_at_once_one_holds(s: Fixture) -> Checked {
    let [one, other] = [s.start(at(0), execution("f")).await?.claim, s.start(at(0), execution("f")).await?.claim];
    let (here, there) = (s.handle(), s.another().await?);
    for round in 0..25 {
        let key = fingerprint(&format!("key {round}"));
        let (a, b) = (here.clone(), there.clone());
        let answers = at_once(async move { a.reserve(at(1), one, key).await.map_err(Trouble::from) }, async move {
            b.reserve(at(1), other, key).await.map_err(Trouble::from)
        })
        .await?;
        let [first, second] = [(Reserved::Yours, held_by(one.task)), (held_by(other.task), Reserved::Yours)];
        assert!(answers == first || answers == second, "C-K2: {answers:?}");
    }
    Ok(())
}

/// C-K2 A reservation that meets the holder's completion learns the holder or the result, and never gets the key.
pub(super) async fn a_reservation_and_a_completion_at_once_run_nothing_twice(s: Fixture) -> Checked {
    let (here, there) = (s.handle(), s.another().await?);
    for round in 0..25 {
        let (name, key) = (format!("key {round}"), fingerprint(&format!("key {round}")));
        let [one, other] =
            [s.start(at(0), idempotent(&name)).await?.claim, s.start(at(0), idempotent(&name)).await?.claim];
        assert_eq!(s.reserve(at(1), one, key).await?, Reserved::Yours);
        let (a, b) = (here.clone(), there.clone());
        let (_, answer) = at_once(async move { a.end(at(2), completed(one, "out")).await }, async move {
            b.reserve(at(2), other, key).await.map_err(Trouble::from)
        })
        .await?;
        let fair = [held_by(one.task), Reserved::Value(payload("out"))];
        assert!(fair.contains(&answer), "C-K2: {answer:?}");
        s.end(at(3), failed(other, "Boom")).await?;
    }
    Ok(())
}
