//! Places for running code: a ready turn goes before new claims.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The places of a worker. A task holds one only while its function can run.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    places: Arc<Semaphore>,
    freed: Arc<Notify>,
}

/// A place, free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Slots {
    pub(crate) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), freed: Arc::new(Notify::new()) }
    }

    /// A place for a turn that is ready; first come, first served, and before any claim.
    pub(crate) async fn acquire_turn(&self) -> Slot {
        // The semaphore is never closed; without a permit the slot would just count for nothing.
        self.slot(Arc::clone(&self.places).acquire_owned().await.ok())
    }

    /// Free places that no turn waits for.
    pub(crate) fn claimable(&self) -> usize {
        self.places.available_permits()
    }

    /// Waits until there is a free place that no turn waits for.
    pub(crate) async fn wait_claimable(&self) {
        while self.claimable() == 0 {
            self.freed.notified().await;
        }
    }

    /// A free place for a new claim, if no turn waits for it.
    pub(crate) fn take_for_claim(&self) -> Option<Slot> {
        Arc::clone(&self.places).try_acquire_owned().ok().map(|permit| self.slot(Some(permit)))
    }

    fn slot(&self, permit: Option<OwnedSemaphorePermit>) -> Slot {
        Slot { permit, freed: Arc::clone(&self.freed) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Before the notice, so that who gets it finds the place.
        self.permit = None;
        self.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waiting_turn_goes_before_a_claim() {
        let slots = Slots::new(1);
        let held = slots.take_for_claim().unwrap();
        assert!(slots.take_for_claim().is_none());
        let turn = tokio::spawn({
            let slots = slots.clone();
            async move { slots.acquire_turn().await }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert_eq!(slots.claimable(), 0);
        assert!(slots.take_for_claim().is_none());
        drop(turn.await.unwrap());
        assert_eq!(slots.claimable(), 1);
    }

    #[tokio::test]
    async fn a_freed_place_wakes_who_waits_to_claim() {
        let slots = Slots::new(1);
        let held = slots.acquire_turn().await;
        let claimer = tokio::spawn({
            let slots = slots.clone();
            async move { slots.wait_claimable().await }
        });
        tokio::task::yield_now().await;
        assert!(!claimer.is_finished());
        drop(held);
        claimer.await.unwrap();
        assert!(slots.take_for_claim().is_some());
    }
}
