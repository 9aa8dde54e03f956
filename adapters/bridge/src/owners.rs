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
        if let Some(conversation) = delivery.conversation.clone() {
            self.use_of((delivery.account.clone(), conversation), delivery.consumer.clone());
        }
    }

    fn use_of(&mut self, key: Key, consumer: ExtConsumerId) {
        self.uses += 1;
        self.by_use.insert(self.uses, key.clone());
        if let Some((_, used)) = self.by_conversation.insert(key, (consumer, self.uses)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        (AccountId::new("91827364").unwrap(), ConversationId::new(format!("c{n}")).unwrap())
    }

    fn ada(n: usize) -> ExtConsumerId {
        ExtConsumerId::new(format!("ada{n}")).unwrap()
    }

    #[test]
    fn of_many_conversations_the_longest_unused_goes() {
        let mut owners = Owners::default();
        let used = (0..MAX_OWNERS).chain([0, 2]).chain(MAX_OWNERS..MAX_OWNERS + 3);
        used.for_each(|n| owners.use_of(key(n), ada(n)));
        for n in 0..MAX_OWNERS + 3 {
            let (account, conversation) = key(n);
            let expected = (![1, 3, 4].contains(&n)).then(|| ada(n));
            assert_eq!(owners.of(&account, &conversation), expected, "{n}");
        }
        assert_eq!((owners.by_conversation.len(), owners.by_use.len()), (MAX_OWNERS, MAX_OWNERS));
    }

    #[test]
    fn a_conversation_is_that_of_the_last_delivery() {
        let mut owners = Owners::default();
        [1, 2].into_iter().for_each(|n| owners.use_of(key(7), ada(n)));
        let (account, conversation) = key(7);
        assert_eq!(owners.of(&account, &conversation), Some(ada(2)));
        let other = AccountId::new("le1").unwrap();
        assert_eq!(owners.of(&other, &conversation), None, "ids are those of an account");
    }
}
