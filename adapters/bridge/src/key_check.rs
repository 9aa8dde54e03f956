//! Whether a bridge can read what its store has.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use lp_connector_core::bridge::store::{Answer, LaneKind, Listed, Request, Store, is_sealed};
use lp_connector_core::error::Error;

/// A store that does not answer by then is not waited for: it may be there later, and sealed lanes are left as they
/// are.
const PATIENCE: Duration = Duration::from_secs(1);

/// The lanes whose records are looked at, of each kind.
const LANES: usize = 10;

/// Refuses a bridge without a key on a store that others have sealed. It would claim lanes that it cannot read, and keep
/// them from the others until its terms end; messages that were under way are then reported as unconfirmed.
pub(crate) fn check_key(store: &Arc<dyn Store>) -> Result<(), Error> {
    if store.is_sealed() {
        return Ok(());
    }
    let (sender, answers) = sync_channel(2);
    for kind in [LaneKind::Consumer, LaneKind::Conversation] {
        let what = Listed::Lanes { account: None, kind };
        let request = Request::List { what, after: None, limit: LANES };
        let sender = sender.clone();
        store.submit(request, Box::new(move |answer| drop(sender.try_send(answer))));
    }
    drop(sender);
    while let Ok(answer) = answers.recv_timeout(PATIENCE) {
        let Ok(Answer::Listed(lanes)) = answer else { continue };
        let mut records = lanes.iter().filter_map(|lane| lane.record.as_ref());
        if records.any(|record| is_sealed(&record.body)) {
            return Err(Error::configuration(
                "the store is sealed, and this bridge has no key: it needs the key of those that share the store \
                 (`Sealed`; `store_key_file` of `lp-connector bridge`)",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lp_connector_core::bridge::store::{Commit, Holder, LaneId, Lease, Next, Record};
    use lp_connector_core::id::AccountId;

    use super::*;
    use crate::observe::Observers;
    use crate::shared::Shared;
    use crate::{BridgeConfig, Memory, Sealed, StoreKey};

    /// Writes a record.
    fn write(store: &dyn Store) {
        let lane = LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, "ada");
        let entry = lp_connector_core::bridge::store::Entry { lane, body: b"{}".to_vec() };
        store.perform(Request::Append(vec![entry])).unwrap();
        let claim = Request::Claim {
            holder: Holder(1),
            lanes: 1,
            entries: 1,
            term: Duration::from_secs(15),
            speaks: 1,
        };
        let Answer::Claimed(claimed) = store.perform(claim).unwrap() else { panic!() };
        let Lease { lane, fence, holder } =
            Lease { lane: claimed[0].lane.clone(), fence: claimed[0].fence, holder: Holder(1) };
        let record = Record { version: 1, body: b"{}".to_vec() };
        let commit = Commit::new(lane, fence, holder).record(record).next(Next::Idle);
        store.perform(Request::Commit(vec![commit])).unwrap();
    }

    #[test]
    fn a_sealed_store_is_refused_without_a_key() {
        let memory = Arc::new(Memory::new());
        let plain: Arc<dyn Store> = memory.clone();
        let start = |store: &Arc<dyn Store>| {
            Shared::new(store.clone(), BridgeConfig::new(), Observers::default()).map(drop)
        };
        start(&plain).unwrap();
        let sealed: Arc<dyn Store> = Arc::new(Sealed::new(memory, StoreKey::from_bytes(&[7; 32])));
        write(&*sealed);
        start(&sealed).unwrap();
        assert!(start(&plain).unwrap_err().to_string().contains("store_key_file"));
    }

    #[test]
    fn an_observed_store_is_sealed_if_it_is() {
        let mut observers = Observers::default();
        observers.on_store(|_| {});
        let sealed = Sealed::new(Memory::new(), StoreKey::from_bytes(&[7; 32]));
        assert!(observers.watch(Arc::new(sealed)).is_sealed());
        assert!(!observers.watch(Arc::new(Memory::new())).is_sealed());
    }

    #[test]
    fn a_store_that_is_not_sealed_needs_no_key() {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        write(&*store);
        check_key(&store).unwrap();
    }
}
