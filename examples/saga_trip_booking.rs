//! A saga: what was booked is cancelled, the last first, when a later booking fails: `cargo run --example saga_trip_booking`.

use serde::{Deserialize, Serialize};
use stent_backend_sqlite::SqliteBackend;
use stent_executor::Stent;
use stent_executor::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Booking {
    what: String,
    trip: String,
}

#[durable(retry(max_attempts = 2, initial_delay = "10ms"))]
async fn book(what: String, trip: String) -> Result<Booking> {
    if what == "car" && trip.contains("Monaco") {
        bail!("no cars in {trip}");
    }
    println!("booked a {what} in {trip}");
    Ok(Booking { what, trip })
}

/// Undoing is tried for long: somebody has paid.
#[durable(retry(max_attempts = 50, initial_delay = "1s", max_delay = "1h"))]
async fn cancel(booking: Booking) -> Result<()> {
    println!("cancelled the {} in {}", booking.what, booking.trip);
    Ok(())
}

#[durable]
async fn trip(ctx: Ctx, to: String) -> Result<Vec<Booking>> {
    let mut booked = Vec::new();
    for what in ["flight", "hotel", "car"] {
        match ctx.call(book(what.into(), to.clone())).await {
            Ok(booking) => booked.push(booking),
            Err(failure) => {
                // A crash in the middle of this goes on with what is left to cancel.
                for booking in booked.into_iter().rev() {
                    ctx.call(cancel(booking)).await?;
                }
                return Err(failure);
            }
        }
    }
    Ok(booked)
}

#[tokio::main]
async fn main() -> Result<()> {
    let backend = SqliteBackend::open("saga_trip_booking.db").await?;
    let stent = Stent::builder(backend).functions(functions![book, cancel, trip]).build().await?;
    let worker = stent.worker().start().await?;

    for to in ["Lisbon", "Monaco"] {
        match stent.dispatch(trip(to.into())).await?.result().await {
            Ok(booked) => println!("{to}: {} bookings\n", booked.len()),
            Err(error) => println!("{to}: {error}"),
        }
    }

    worker.drain().await?;
    Ok(())
}
