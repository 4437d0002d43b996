//! A saga: what was booked is cancelled in reverse when a later booking fails; its nested and parallel kin.

use std::result::Result as Either;
use std::time::Duration;

use stent_core::execution::ExecutionState;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Stage, at_every_concurrency, work};

const LEASE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ValueError(&'static str);

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Trip {
    flight: String,
    hotel: String,
    car: String,
}

/// What can be undone.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
enum Booked {
    Flight(String),
    Hotel(String),
    Car(String),
    Trip(Vec<Booked>),
}

async fn book(ctx: &Ctx, what: &str, trip: &str) -> Result<String> {
    work(ctx, format!("book_{what} {trip}"), "200ms").await?;
    Ok(format!("{what}_{trip}"))
}

#[durable]
async fn book_flight(ctx: Ctx, trip: String) -> Result<String> {
    book(&ctx, "flight", &trip).await
}

#[durable]
async fn book_hotel(ctx: Ctx, trip: String) -> Result<String> {
    book(&ctx, "hotel", &trip).await
}

#[durable]
async fn book_car(ctx: Ctx, trip: String) -> Result<String> {
    let car = book(&ctx, "car", &trip).await?;
    if trip.ends_with("fail_car") { Err(ValueError("No cars available!"))? } else { Ok(car) }
}

#[durable]
async fn cancel_flight(ctx: Ctx, flight: String) -> Result<()> {
    work(&ctx, format!("cancel {flight}"), "200ms").await
}

#[durable]
async fn cancel_hotel(ctx: Ctx, hotel: String) -> Result<()> {
    work(&ctx, format!("cancel {hotel}"), "200ms").await
}

#[durable]
async fn cancel_car(ctx: Ctx, car: String) -> Result<()> {
    work(&ctx, format!("cancel {car}"), "200ms").await
}

/// Undoes what was booked, the last first. What cannot be undone is noted, and keeps nothing else from being undone.
async fn compensate(ctx: &Ctx, booked: Vec<Booked>) {
    for booked in booked.into_iter().rev() {
        let undone = match booked {
            Booked::Flight(flight) => ctx.call(cancel_flight(flight)).await,
            Booked::Hotel(hotel) => ctx.call(cancel_hotel(hotel)).await,
            Booked::Car(car) => ctx.call(cancel_car(car)).await,
            Booked::Trip(booked) => ctx.call(cancel_trip(booked)).await,
        };
        if let Err(failure) = undone {
            ctx.progress(format!("compensation failed: {failure}"));
        }
    }
}

#[durable]
async fn cancel_trip(ctx: Ctx, booked: Vec<Booked>) -> Result<()> {
    compensate(&ctx, booked).await;
    Ok(())
}

async fn bookings(ctx: &Ctx, trip: &str, booked: &mut Vec<Booked>) -> Result<Trip> {
    let flight = ctx.call(book_flight(trip.to_owned())).await?;
    booked.push(Booked::Flight(flight.clone()));
    let hotel = ctx.call(book_hotel(trip.to_owned())).await?;
    booked.push(Booked::Hotel(hotel.clone()));
    let car = ctx.call(book_car(trip.to_owned())).await?;
    Ok(Trip { flight, hotel, car })
}

#[durable]
async fn trip(ctx: Ctx, trip: String) -> Result<Either<Trip, String>> {
    let mut booked = Vec::new();
    match bookings(&ctx, &trip, &mut booked).await {
        Ok(trip) => Ok(Ok(trip)),
        Err(failure) => {
            compensate(&ctx, booked).await;
            Ok(Err(failure.to_string()))
        }
    }
}

/// A leg of a tour: a saga of its own, which gives what its parent would have to undo.
#[durable]
async fn leg(ctx: Ctx, trip: String) -> Result<Booked> {
    let mut booked = Vec::new();
    match bookings(&ctx, &trip, &mut booked).await {
        Ok(trip) => {
            booked.push(Booked::Car(trip.car));
            Ok(Booked::Trip(booked))
        }
        Err(failure) => {
            compensate(&ctx, booked).await;
            Err(failure)
        }
    }
}

/// Legs one after the other: one that fails has undone its own, and those before it are undone as a whole.
#[durable]
async fn tour(ctx: Ctx, trips: Vec<String>) -> Result<Either<usize, String>> {
    let mut booked = Vec::new();
    for trip in trips {
        match ctx.call(leg(trip)).await {
            Ok(leg) => booked.push(leg),
            Err(failure) => {
                compensate(&ctx, booked).await;
                return Ok(Err(failure.to_string()));
            }
        }
    }
    Ok(Ok(booked.len()))
}

/// All bookings at once: those that were made are undone when one of them was not.
#[durable]
async fn rush(ctx: Ctx, trip: String) -> Result<Either<Trip, String>> {
    let (flight, hotel, car) = join!(
        ctx.call(book_flight(trip.clone())),
        ctx.call(book_hotel(trip.clone())),
        ctx.call(book_car(trip.clone())),
    );
    let mut booked = Vec::new();
    booked.extend(flight.as_ref().ok().cloned().map(Booked::Flight));
    booked.extend(hotel.as_ref().ok().cloned().map(Booked::Hotel));
    booked.extend(car.as_ref().ok().cloned().map(Booked::Car));
    match (flight, hotel, car) {
        (Ok(flight), Ok(hotel), Ok(car)) => Ok(Ok(Trip { flight, hotel, car })),
        (Err(failure), ..) | (_, Err(failure), _) | (.., Err(failure)) => {
            compensate(&ctx, booked).await;
            Ok(Err(failure.to_string()))
        }
    }
}

fn all() -> Vec<stent_executor::Registration> {
    functions![
        book_flight,
        book_hotel,
        book_car,
        cancel_flight,
        cancel_hotel,
        cancel_car,
        cancel_trip,
        trip,
        leg,
        tour,
        rush
    ]
}

async fn start(bench: &Bench, stage: &Stage, concurrency: usize) -> stent_scenarios::Process {
    stage.process(bench, all(), |worker| worker.concurrency(concurrency).lease(LEASE)).await
}

/// Nothing is undone that went well.
async fn a_trip_that_goes_well_is_booked_and_nothing_is_cancelled(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let process = start(&bench, &stage, concurrency).await;
    let execution = process.stent.dispatch(trip("trip_hawaii".into())).await.unwrap();
    let booked = bench.until("the trip", execution.result()).await.unwrap().unwrap();
    let [flight, hotel, car] = ["flight_trip_hawaii", "hotel_trip_hawaii", "car_trip_hawaii"].map(str::to_owned);
    assert_eq!(booked, Trip { flight, hotel, car });
    assert_eq!(bench.ledger.all(), ["book_flight trip_hawaii", "book_hotel trip_hawaii", "book_car trip_hawaii"]);
}

const FAILS: &str = "trip_fail_car";
const EFFECTS: [&str; 7] = [
    "book_flight trip_fail_car",
    "book_hotel trip_fail_car",
    "book_car trip_fail_car",
    "book_car trip_fail_car",
    "book_car trip_fail_car",
    "cancel hotel_trip_fail_car",
    "cancel flight_trip_fail_car",
];

/// C-Y1, C-Y5, C-R1: the last step is tried three times, then what was booked is cancelled in reverse, each once.
async fn a_trip_without_a_car_is_cancelled_in_reverse(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let process = start(&bench, &stage, concurrency).await;
    let execution = process.stent.dispatch(trip(FAILS.into())).await.unwrap();
    let refused = bench.until("the refusal", execution.result()).await.unwrap().unwrap_err();
    assert_eq!(refused, "No cars available!");
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Completed);
    assert_eq!(bench.ledger.all(), EFFECTS);
    let tasks = bench.tasks(execution.id()).await;
    let of = |name: &str| {
        let tasks = tasks.iter().filter(|task| task.function.as_str().ends_with(&format!("::{name}")));
        tasks.map(|task| (task.state, task.attempt)).collect::<Vec<_>>()
    };
    for name in ["book_flight", "book_hotel", "cancel_hotel", "cancel_flight"] {
        assert_eq!(of(name), [(TaskState::Completed, 1)], "{name}");
    }
    assert_eq!(of("book_car"), [(TaskState::Failed, 3)]);
    assert_eq!(tasks.len(), 6);
    let letters = bench.dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert!(letters[0].function.as_str().ends_with("::book_car"));
}

/// C-Y5: a compensation that fails for good is noted, and the next is made all the same.
async fn a_compensation_that_fails_keeps_no_other_from_being_made(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    stage.fail("cancel hotel_trip_fail_car", 3, ValueError("the hotel does not answer"));
    let process = start(&bench, &stage, concurrency).await;
    let execution = process.stent.dispatch(trip(FAILS.into())).await.unwrap();
    let refused = bench.until("the refusal", execution.result()).await.unwrap().unwrap_err();
    assert_eq!(refused, "No cars available!");
    assert_eq!(bench.ledger.count("cancel hotel_trip_fail_car"), 3);
    assert_eq!(bench.ledger.count("cancel flight_trip_fail_car"), 1);
    assert_eq!(bench.ledger.all().last().unwrap(), "cancel flight_trip_fail_car");
    let mut letters: Vec<_> = bench.dead_letters().await.into_iter().map(|letter| letter.failure.to_string()).collect();
    letters.sort();
    assert_eq!(letters, ["No cars available!", "the hotel does not answer"]);
    assert_eq!(bench.notes(execution.id()).await, ["compensation failed: the hotel does not answer"]);
}

/// C-R1, B1: a crash between the two compensations repeats neither.
async fn a_crash_between_two_compensations_repeats_neither(bench: Bench, concurrency: usize) {
    for crash in ["cancel hotel_trip_fail_car", "cancel flight_trip_fail_car", "book_car trip_fail_car"] {
        let bench = bench.another();
        let stage = Stage::on(&bench).await;
        stage.crash(crash);
        let first = start(&bench, &stage, concurrency).await;
        let execution = first.stent.dispatch(trip(FAILS.into())).await.unwrap();
        bench.until("the crash", stage.crashed(1)).await;
        first.die(&bench).await;

        let second = start(&bench, &stage, concurrency).await;
        let execution = second.stent.execution::<Either<Trip, String>>(execution.id());
        let refused = bench.until("the refusal", execution.result()).await.unwrap().unwrap_err();
        assert_eq!(refused, "No cars available!");
        let mut effects = EFFECTS.to_vec();
        if crash.starts_with("book_car") {
            // The attempt that died before it had any effect is one of the three.
            effects.remove(4);
        }
        assert_eq!(bench.ledger.all(), effects, "{crash}");
        assert!(stage.repeated().is_empty());
        assert_eq!(bench.dead_letters().await.len(), 1);
    }
}

/// C-Y5, C-R1: a leg that fails undoes its own, and its parent the legs before it.
async fn a_saga_in_a_saga_is_undone_as_a_whole(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let process = start(&bench, &stage, concurrency).await;
    let execution = process.stent.dispatch(tour(vec!["rome".into(), "crete".into()])).await.unwrap();
    assert_eq!(bench.until("the tour", execution.result()).await.unwrap(), Ok(2));
    assert!(!bench.ledger.all().iter().any(|effect| effect.starts_with("cancel")));

    let before = bench.ledger.all().len();
    let execution = process.stent.dispatch(tour(vec!["oslo".into(), FAILS.into(), "never".into()])).await.unwrap();
    let refused = bench.until("the refusal", execution.result()).await.unwrap();
    assert_eq!(refused, Err("No cars available!".to_owned()));
    let mut effects = vec!["book_flight oslo", "book_hotel oslo", "book_car oslo"];
    effects.extend(EFFECTS);
    effects.extend(["cancel car_oslo", "cancel hotel_oslo", "cancel flight_oslo"]);
    assert_eq!(bench.ledger.all()[before..], effects);
    assert_eq!(bench.dead_letters().await.len(), 1, "the leg passed on what its car failed with");
}

/// C-R1: what a parallel saga booked is undone, each once, also over a crash in the middle of it.
async fn bookings_at_once_are_undone_if_one_of_them_fails(bench: Bench, concurrency: usize) {
    for crash in [None, Some("cancel flight_trip_fail_car")] {
        let bench = bench.another();
        let stage = Stage::on(&bench).await;
        let mut process = start(&bench, &stage, concurrency).await;
        let execution = process.stent.dispatch(rush("trip_hawaii".into())).await.unwrap();
        assert!(bench.until("the trip", execution.result()).await.unwrap().is_ok());

        let execution = process.stent.dispatch(rush(FAILS.into())).await.unwrap();
        if let Some(crash) = crash {
            stage.crash(crash);
            bench.until("the crash", stage.crashed(1)).await;
            process.die(&bench).await;
            process = start(&bench, &stage, concurrency).await;
        }
        let execution = process.stent.execution::<Either<Trip, String>>(execution.id());
        let refused = bench.until("the refusal", execution.result()).await.unwrap();
        assert_eq!(refused, Err("No cars available!".to_owned()));
        let mut effects: Vec<_> = bench.ledger.all().into_iter().filter(|effect| effect.ends_with(FAILS)).collect();
        assert_eq!(effects.split_off(5), ["cancel hotel_trip_fail_car", "cancel flight_trip_fail_car"]);
        effects.sort();
        let mut expected = EFFECTS[..5].to_vec();
        expected.sort_unstable();
        assert_eq!(effects, expected);
        assert!(stage.repeated().is_empty());
    }
}

at_every_concurrency![
    a_trip_that_goes_well_is_booked_and_nothing_is_cancelled,
    a_trip_without_a_car_is_cancelled_in_reverse,
    a_compensation_that_fails_keeps_no_other_from_being_made,
    a_crash_between_two_compensations_repeats_neither,
    a_saga_in_a_saga_is_undone_as_a_whole,
    bookings_at_once_are_undone_if_one_of_them_fails,
];
