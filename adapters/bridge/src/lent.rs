//! The store, for clients that may outlive the bridge.

use std::sync::{Arc, Weak};

use lp_connector_core::bridge::store::{
    Answer, Reply, Request, Store, StoreError, StoreErrorKind, StoreFacts,
};

/// A store that ends with the bridge: a client that is used on keeps no file open.
pub(crate) struct Lent(Weak<dyn Store>);

impl Lent {
    pub(crate) fn of(store: &Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self(Arc::downgrade(store)))
    }

    fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        let gone = || StoreError::new(StoreErrorKind::Unavailable, "the bridge is over");
        self.0.upgrade().ok_or_else(gone)
    }
}

impl Store for Lent {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        self.store()?.perform(request)
    }

    fn submit(&self, request: Request, reply: Reply) {
        match self.store() {
            Ok(store) => store.submit(request, reply),
            Err(error) => reply(Err(error)),
        }
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.store()?.facts()
    }

    fn is_sealed(&self) -> bool {
        self.store().is_ok_and(|store| store.is_sealed())
    }
}

#[cfg(test)]
mod tests {
    use lp_connector_core::bridge::store::{Entry, LaneId, LaneKind};
    use lp_connector_core::id::AccountId;

    use super::*;
    use crate::Memory;

    #[test]
    fn a_lent_store_has_facts_until_the_bridge_is_over() {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let lent = Lent::of(&store);
        let entry = |consumer: &str| {
            let account = AccountId::new("91827364").unwrap();
            let lane = LaneId::new(account, LaneKind::Consumer, consumer);
            Entry { lane, body: b"{}".to_vec() }
        };
        lent.perform(Request::Append(vec![entry("ada"), entry("bob")])).unwrap();
        assert_eq!(lent.facts().unwrap().due_lanes, 2);
        drop(store);
        assert_eq!(lent.facts().unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
}
