//! `serve DIRECTORY LEASE GRACE [POLL]`: a worker on the database of a directory.

use std::process::ExitCode;

use stent_scenarios::serve::{Orders, Place};

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(directory), Some(lease), Some(grace), poll, None) =
        (arguments.next(), arguments.next(), arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: serve DIRECTORY LEASE GRACE [POLL]");
        return ExitCode::from(2);
    };
    let orders = Orders { place: Place(directory.into()), lease, grace, poll };
    stent_scenarios::serve::serve(orders).await.unwrap_or_else(|failure| {
        eprintln!("{failure}");
        ExitCode::FAILURE
    })
}
