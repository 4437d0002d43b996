//! What a workload is run with.

use std::path::PathBuf;
use std::sync::Arc;

use stent_core::Backend;
use stent_executor::Stent;

use crate::database::{Database, Place};
use crate::functions::{self, Effects, Resumed};

/// What a workload is run with.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) database: Database,
    /// Tasks at once, in what is measured by the second.
    pub(crate) concurrency: usize,
    /// Whether maps have their full size.
    pub(crate) is_long: bool,
    /// Where profiles of workers go, if they are to be made.
    pub(crate) profile: Option<PathBuf>,
}

/// A client of a store, with all functions.
pub(crate) async fn program(backend: Arc<dyn Backend>, effects: Effects) -> Stent {
    let stent = Stent::with_backend(backend).functions(functions::all());
    stent.resource(effects).resource(Resumed::default()).build().await.unwrap()
}

/// A client of a store of one's own process.
pub(crate) async fn client(place: &Place) -> Stent {
    program(place.backend().await, Effects::none()).await
}
