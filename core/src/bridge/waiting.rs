//! What waits in a lane, for people: in its record as well as in its entries.

use serde::Deserialize;

use super::conversation::Owner;
use super::record::decode;
use super::store::{LaneDetails, LaneKind};
use crate::id::ExtConsumerId;
use crate::time::Timestamp;

/// What waits in a lane: messages for LivePerson in a consumer's, deliveries for the channel in a conversation's and a
/// status lane.
///
/// ```
/// use lp_connector_core::bridge::store::{Answer, Listed, MemoryStore, Request};
/// use lp_connector_core::bridge::{Inbound, LaneId, Waiting, accept};
/// use lp_connector_core::id::{AccountId, ExtConsumerId};
/// use lp_connector_core::time::Mono;
///
/// let (account, ada) = (AccountId::new("91827364")?, ExtConsumerId::new("ada")?);
/// let mut store = MemoryStore::default();
/// store.perform(Request::Append(accept(&account, &ada, Inbound::text("1", "Coo?")?)), Mono::ZERO);
///
/// let what = Listed::Lane(LaneId::consumer(&account, &ada));
/// let list = Request::List { what, after: None, limit: 1 };
/// let Answer::Listed(lanes) = store.perform(list, Mono::ZERO) else { panic!() };
/// assert_eq!(Waiting::of(&lanes[0]).count, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Waiting {
    /// How many. What no program has looked at yet counts with it, and can be something else, or several of them.
    pub count: u64,
    /// Since when the oldest one of the record waits, where that is known: when a message was accepted, or a notification
    /// was stored.
    pub since: Option<Timestamp>,
    /// Whose conversation it is, where that is known. For a conversation's lane alone.
    pub owner: Option<ExtConsumerId>,
}

/// What is read of a consumer's record.
#[derive(Deserialize)]
struct Messages {
    #[serde(default)]
    queue: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    accepted: Option<Timestamp>,
}

/// What is read of a conversation's record.
#[derive(Deserialize)]
struct Deliveries {
    #[serde(default)]
    owner: Owner,
    #[serde(default)]
    pending: Vec<Delivery>,
}

#[derive(Deserialize)]
struct Delivery {
    at: Option<Timestamp>,
    stored: Option<Timestamp>,
}

impl Waiting {
    /// Reads the lane. Of a record that cannot be read, nothing counts.
    #[must_use]
    pub fn of(lane: &LaneDetails) -> Self {
        let mut waiting = Self { count: lane.summary.entries, ..Self::default() };
        let Some(record) = &lane.record else { return waiting };
        match lane.summary.lane.kind() {
            LaneKind::Consumer => {
                let messages = decode::<Messages>(record).map_or_else(Vec::new, |read| read.queue);
                waiting.add(messages.len(), messages.iter().filter_map(|one| one.accepted));
            }
            LaneKind::Conversation => {
                let Some(Deliveries { owner, pending }) = decode(record) else { return waiting };
                waiting.add(pending.len(), pending.iter().filter_map(|one| one.stored.or(one.at)));
                waiting.owner = match owner {
                    Owner::Ours { consumer, .. } => Some(consumer),
                    Owner::Unknown { .. } | Owner::Foreign => None,
                };
            }
            LaneKind::Status | LaneKind::DeadLetter => {}
        }
        waiting
    }

    fn add(&mut self, count: usize, since: impl Iterator<Item = Timestamp>) {
        self.count = self.count.saturating_add(count as u64);
        self.since = since.min();
    }
}
