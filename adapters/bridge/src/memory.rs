//! A store in memory, for tests.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use lp_connector_core::bridge::store::{
    Answer, MemoryStore, Request, Store, StoreError, StoreFacts,
};
use lp_connector_core::time::Mono;

/// A store in memory, on the machine's clock: for tests and first steps. It keeps nothing over a restart, so a
/// bridge on it loses what it has not sent or delivered yet.
///
/// Share it in an [`Arc`](std::sync::Arc): what a bridge leaves, the next one on the same store finds.
#[derive(Debug)]
pub struct Memory {
    store: Mutex<MemoryStore>,
    origin: Instant,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { store: Mutex::default(), origin: Instant::now() }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for Memory {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(store.perform(request, Mono::from_origin(self.origin.elapsed())))
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(store.facts(Mono::from_origin(self.origin.elapsed())))
    }
}

#[cfg(test)]
mod tests {
    use lp_connector_core::bridge::store::{Entry, LaneId, LaneKind};
    use lp_connector_core::id::AccountId;

    use super::*;

    #[test]
    fn a_store_in_memory_counts_the_lanes_that_are_due() {
        let store = Memory::new();
        for (consumer, due) in [("ada", 1), ("bob", 2), ("ada", 2)] {
            let account = AccountId::new("91827364").unwrap();
            let lane = LaneId::new(account, LaneKind::Consumer, consumer);
            let entry = Entry { lane, body: b"{}".to_vec() };
            store.perform(Request::Append(vec![entry])).unwrap();
            assert_eq!(store.facts().unwrap().due_lanes, due);
        }
    }
}
