//! Whose conversations this program has delivered from.

use std::collections::BTreeMap;

use lp_connector_core::bridge::Delivery;
use lp_connector_core::id::{AccountId, ConversationId, ExtConsumerId};

/// The most conversations that are remembered.
const MAX_OWNERS: usize = 10_000;

type Key = (AccountId, ConversationId);

/// The consumers of the conversations that were delivered from last. News of typing are not stored, so nothing
/// but this tells for whom they are.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// With the number of its last use.
    by_conversation: BTreeMap<Key, (ExtConsumerId, u64)>,
    by_use: BTreeMap<u64, Key>,
    uses: u64,
}

impl Owners {
    pub(crate) fn record(&mut self, delivery: &Delivery) {
        let Some(conversation) = delivery.conversation.clone() else { return };
        let key = (delivery.account.clone(), conversation);
        self.uses += 1;
        self.by_use.insert(self.uses, key.clone());
        let owner = (delivery.consumer.clone(), self.uses);
        if let Some((_, used)) = self.by_conversation.insert(key, owner) {
            self.by_use.remove(&used);
        } else if self.by_conversation.len() > MAX_OWNERS
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.by_conversation.remove(&oldest);
        }
    }

    pub(crate) fn of(&self, account: &AccountId, id: &ConversationId) -> Option<ExtConsumerId> {
        let key = (account.clone(), id.clone());
        self.by_conversation.get(&key).map(|(consumer, _)| consumer.clone())
    }
}
