//! What a client gets: results, bounds, and errors that say what to do.

use std::time::Duration;

use crate::bench::{Bench, add, elsewhere, hold, shared, soon};
use stent_core::backend::RedriveTarget;
use stent_core::execution::ExecutionState;
use stent_core::{ExecutionId, TaskId};
use stent_executor::{ExecutionError, InvalidCall, Stent, StentError, functions};
use stent_testkit::faulty::{Fault, Moment};
use stent_testkit::memory::MemoryBackend;

/// C-T1, C-T2
#[tokio::test]
async fn a_bounded_wait_elapses_and_the_execution_goes_on() {
    let mut bench = Bench::new().await;
    let _worker = bench.worker().await;
    let execution = bench.stent.dispatch(hold()).await.unwrap();
    bench.entered().await;
    let wait = tokio::spawn({
        let execution = execution.clone();
        async move { execution.wait("5s").await }
    });
    bench.pass(Duration::from_secs(6)).await;
    assert!(matches!(soon("the wait elapses", wait).await.unwrap(), Err(ExecutionError::Elapsed)));
    bench.gate.add_permits(1);
    assert_eq!(soon("the result", execution.wait(Duration::ZERO)).await.unwrap(), 1);
    assert!(matches!(execution.wait("soon").await, Err(ExecutionError::InvalidTimeout(_))));
}

/// C-K3
#[tokio::test]
async fn a_dedup_key_gives_the_execution_that_bears_it_or_a_conflict() {
    let bench = Bench::new().await;
    let first = bench.stent.dispatch(add(1, 2).dedup("order-7")).await.unwrap();
    let second = bench.stent.dispatch(add(1, 2).dedup("order-7")).await.unwrap();
    assert_eq!(first.id(), second.id());
    let conflict = bench.stent.dispatch(add(1, 3).dedup("order-7")).await.unwrap_err();
    assert!(matches!(conflict, StentError::KeyConflict { existing } if existing == first.id()), "{conflict}");
}

/// C-K1
#[tokio::test]
async fn a_shared_result_that_is_known_is_the_result_of_a_dispatch() {
    let mut bench = Bench::new().await;
    let _worker = bench.worker().await;
    let first = bench.stent.dispatch(shared(7)).await.unwrap();
    assert_eq!(soon("the result", first.result()).await.unwrap(), 7);
    assert_eq!(bench.entered().await, 7);
    let others = bench.stent.dispatch_all([shared(7), shared(8), shared(7)]).await.unwrap();
    assert!(others.iter().all(|other| other.id() != first.id()));
    for (other, result) in others.iter().zip([7, 8, 7]) {
        assert_eq!(soon("the result", other.result()).await.unwrap(), result);
    }
    assert_eq!(bench.entered().await, 8);
    assert!(!bench.has_entered());
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let bench = Bench::new().await;
    let id = ExecutionId::new(bench.now());
    let none = bench.stent.execution::<u32>(id);
    assert!(matches!(none.status().await, Err(ExecutionError::NotFound)));
    assert!(matches!(soon("the answer", none.result()).await, Err(ExecutionError::NotFound)));
    for error in [
        none.cancel().await.unwrap_err(),
        none.signal("go", &1).await.unwrap_err(),
        bench.stent.dead_letter(id.root()).await.unwrap_err(),
        bench.stent.discard_dead_letter(id.root()).await.unwrap_err(),
    ] {
        assert!(matches!(error, StentError::NotFound { .. }), "{error}");
    }
    let refused = bench.stent.redrive(RedriveTarget::DeadLetter(TaskId::from_bytes([1; 16]))).await.unwrap_err();
    assert!(matches!(refused, StentError::Redrive(_)), "{refused}");
}

/// C-S3, C-X3
#[tokio::test]
async fn a_finished_execution_takes_neither_cancel_nor_signal() {
    let bench = Bench::new().await;
    let _worker = bench.worker().await;
    let execution = bench.stent.dispatch(add(1, 2)).await.unwrap();
    soon("the result", execution.result()).await.unwrap();
    for error in [execution.cancel().await.unwrap_err(), execution.signal("go", "value").await.unwrap_err()] {
        assert!(matches!(error, StentError::AlreadyFinal { state: ExecutionState::Completed, .. }), "{error}");
    }
    assert!(matches!(execution.signal("", &()).await, Err(StentError::Name(_))));
}

#[tokio::test]
async fn a_function_that_is_not_registered_is_refused_unless_others_may_have_it() {
    let bench = Bench::new().await;
    let refused = bench.stent.dispatch(elsewhere()).await.unwrap_err();
    let StentError::Call(InvalidCall::UnknownFunction { name, known }) = &refused else { panic!("{refused}") };
    assert!(name.ends_with("elsewhere") && known.len() == 6, "{refused}");
    let remote = Stent::builder(MemoryBackend::new()).allow_remote(true).build().await.unwrap();
    assert_eq!(remote.dispatch(elsewhere()).await.unwrap().status().await.unwrap(), ExecutionState::Pending);
}

#[tokio::test]
async fn a_client_that_cannot_be_built_says_why() {
    let build = |limit| Stent::builder(MemoryBackend::new()).payload_limit(limit).build();
    assert!(matches!(build(0).await, Err(StentError::InvalidConfig { field: "payload_limit", .. })));
    assert!(matches!(build(65 << 20).await, Err(StentError::InvalidConfig { field: "payload_limit", .. })));
    let tiny = Stent::builder(MemoryBackend::new()).functions(functions![add]).payload_limit(4).build().await.unwrap();
    let refused = tiny.dispatch(add(100, 200)).await.unwrap_err();
    assert!(matches!(refused, StentError::Call(InvalidCall::Arguments { .. })), "{refused}");
}

/// S5
#[tokio::test]
async fn a_dispatch_over_a_short_outage_makes_one_execution() {
    for moment in [Moment::Before, Moment::After] {
        let bench = Bench::new().await;
        bench.plan.plan(1, Fault::Once(moment));
        let execution = bench.stent.dispatch(add(1, 2)).await.unwrap();
        assert_eq!(execution.status().await.unwrap(), ExecutionState::Pending);
        assert_eq!(bench.plan.calls().iter().filter(|call| **call == "dispatch").count(), 2);
    }
}

/// S5
#[tokio::test]
async fn a_dispatch_over_a_long_outage_is_an_error_and_not_lost_in_silence() {
    let bench = Bench::new().await;
    bench.plan.plan(1, Fault::Dies(Moment::Before));
    let refused = soon("the error", bench.stent.dispatch(add(1, 2))).await.unwrap_err();
    assert!(matches!(&refused, StentError::Backend(error) if error.is_transient()), "{refused}");
}

/// C-T2
#[tokio::test]
async fn a_wait_outlives_an_outage() {
    let bench = Bench::new().await;
    let _worker = bench.worker().await;
    let execution = bench.stent.dispatch(add(1, 2).delay("3s")).await.unwrap();
    bench.plan.plan(1, Fault::Dies(Moment::Before));
    let wait = tokio::spawn(async move { execution.result().await });
    bench.pass(Duration::from_secs(4)).await;
    bench.plan.repair();
    bench.pass(Duration::from_secs(6)).await;
    assert_eq!(soon("the result", wait).await.unwrap().unwrap(), 3);
}
