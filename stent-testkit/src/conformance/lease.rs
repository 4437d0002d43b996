//! Leases: claims are kept by renewals.

use stent_core::claim::{Claim, Renewal};
use stent_core::task::TaskState;
use stent_core::{ClaimToken, WorkerId};

use super::acts::{Acts, one};
use super::builders::{
    RequestWith, TICK, TurnWith, at, call, child, completed, execution, executions, failed, ids_of, next_execution_id,
    released_until, request, retried, secs, sleeping, turn, worker,
};
use super::store::{Checked, Fixture, Trouble};

async fn renew_one(s: &Fixture, now: stent_core::Timestamp, claim: Claim) -> Result<Renewal, Trouble> {
    one(s.renew(now, &worker(WorkerId::random()), &[claim]).await?)
}

/// C-Q2 A renewal holds for a lease from `now`; then the task is free.
pub(super) async fn a_renewal_holds_for_another_lease(s: Fixture) -> Checked {
    let held = s.start(at(0), execution("f")).await?;
    assert_eq!(renew_one(&s, at(5), held.claim).await?, Renewal::Renewed);
    assert_eq!(s.look(held.claim.task).await?.lease_until, Some(at(15)));
    assert!(s.take_all(at(15).before(TICK)).await?.is_empty(), "the renewed lease has not run out");
    assert_eq!(ids_of(&s.take_all(at(15)).await?), [held.claim.task]);
    Ok(())
}

/// C-Q2 The renewal's lease counts, not the claim's.
pub(super) async fn a_renewal_may_change_the_length_of_the_lease(s: Fixture) -> Checked {
    s.create(at(0), execution("f")).await?;
    let held = s.take_with(at(0), request().lease(secs(100))).await?;
    let mut record = worker(WorkerId::random());
    record.lease = secs(3);
    assert_eq!(s.renew(at(50), &record, &[held.claim]).await?, [Renewal::Renewed]);
    assert_eq!(s.look(held.claim.task).await?.lease_until, Some(at(53)));
    Ok(())
}

/// C-Q2 A lease that has run out is renewed if nobody has taken the task since.
pub(super) async fn an_expired_claim_is_renewed_if_nobody_took_it(s: Fixture) -> Checked {
    let held = s.start(at(0), execution("f")).await?;
    assert_eq!(renew_one(&s, at(1_000), held.claim).await?, Renewal::Renewed);
    assert!(s.take_all(at(1_005)).await?.is_empty(), "it is held again");
    s.end(at(1_006), completed(held.claim, "done")).await?;
    Ok(())
}

/// C-Q2 A claim that another has taken over is lost, and its renewal does not touch the other's.
pub(super) async fn a_claim_taken_over_is_lost(s: Fixture) -> Checked {
    let first = s.start(at(0), execution("f")).await?;
    let second = s.take_one(at(10)).await?;
    assert_eq!(renew_one(&s, at(15), first.claim).await?, Renewal::Lost);
    assert_eq!(s.look(first.claim.task).await?.lease_until, Some(at(20)), "the other's lease is its own");
    assert_eq!(renew_one(&s, at(15), second.claim).await?, Renewal::Renewed);
    Ok(())
}

/// C-Q2 Whoever gave its claim up, by whatever end, has none to renew.
pub(super) async fn a_claim_that_was_given_up_is_lost(s: Fixture) -> Checked {
    let mut claims = Vec::new();
    for way in 0..5 {
        let claim = s.start(at(0), execution("f")).await?.claim;
        match way {
            0 => s.end(at(0), completed(claim, "done")).await?,
            1 => s.end(at(0), failed(claim, "Timeout")).await?,
            2 => s.end(at(0), retried(claim, at(90))).await?,
            3 => s.end(at(0), released_until(claim, Some(at(90)), None)).await?,
            _ => s.rest(at(0), sleeping(claim, at(90))).await?,
        }
        claims.push(claim);
    }
    let before = states(&s, &claims).await?;
    let answers = s.renew(at(1), &worker(WorkerId::random()), &claims).await?;
    assert_eq!(answers, [Renewal::Lost; 5], "completed, failed, to be retried, released, suspended");
    assert_eq!(states(&s, &claims).await?, before);
    Ok(())
}

async fn states(s: &Fixture, claims: &[Claim]) -> Result<Vec<TaskState>, Trouble> {
    let mut states = Vec::new();
    for claim in claims {
        states.push(s.state(claim.task).await?);
    }
    Ok(states)
}

/// C-X1 A claim of a cancelled task is told so, of a root as of a child that its parent abandoned.
pub(super) async fn a_cancelled_claim_is_told_so(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    let below = child(root.claim.task, call(0, "f"));
    s.note_down(at(0), turn(root.claim).child(below.clone())).await?;
    let held = s.take_one(at(0)).await?;
    s.note_down(at(1), turn(root.claim).cancel(1, below.id)).await?;
    let answers = s.renew(at(2), &worker(WorkerId::random()), &[root.claim, held.claim]).await?;
    assert_eq!(answers, [Renewal::Renewed, Renewal::Cancelled]);
    let _ = s.cancel(at(3), root.execution).await?;
    assert_eq!(renew_one(&s, at(4), root.claim).await?, Renewal::Cancelled);
    Ok(())
}

/// C-Q2 What was never claimed so is lost.
pub(super) async fn an_unknown_claim_is_lost(s: Fixture) -> Checked {
    let held = s.start(at(0), execution("f")).await?;
    let wrong_token = Claim { token: ClaimToken::random(), ..held.claim };
    let unknown_task = Claim { task: next_execution_id().root(), ..held.claim };
    let answers = s.renew(at(1), &worker(WorkerId::random()), &[wrong_token, unknown_task]).await?;
    assert_eq!(answers, [Renewal::Lost, Renewal::Lost]);
    assert_eq!(s.look(held.claim.task).await?.lease_until, Some(at(10)));
    Ok(())
}

/// C-Q2 A batch is answered claim by claim, in its order.
pub(super) async fn renewals_are_answered_claim_by_claim(s: Fixture) -> Checked {
    s.create_all(at(0), &executions(300, "f")).await?;
    let claims: Vec<Claim> = s.take_all(at(0)).await?.iter().map(|task| task.claim).collect();
    for claim in claims.iter().step_by(3) {
        s.end(at(1), completed(*claim, "done")).await?;
    }
    for claim in claims.iter().skip(1).step_by(3) {
        let _ = s.cancel(at(1), claim.task.as_execution()).await?;
    }
    let answers = s.renew(at(2), &worker(WorkerId::random()), &claims).await?;
    let expected = [Renewal::Lost, Renewal::Cancelled, Renewal::Renewed];
    let expected: Vec<Renewal> = expected.into_iter().cycle().take(300).collect();
    assert_eq!(answers, expected);
    Ok(())
}

/// C-Q2 A renewal never brings a lease nearer than `now` and the lease say, nor revives another's.
pub(super) async fn a_renewal_of_one_claim_leaves_others_of_its_token_alone(s: Fixture) -> Checked {
    s.create_all(at(0), &executions(2, "f")).await?;
    let held = s.take_all(at(0)).await?;
    assert_eq!(renew_one(&s, at(5), held[0].claim).await?, Renewal::Renewed);
    assert_eq!(ids_of(&s.take_all(at(10)).await?), [held[1].claim.task], "only the named claim was renewed");
    Ok(())
}
