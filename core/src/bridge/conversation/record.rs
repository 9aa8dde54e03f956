//! What a conversation's lane remembers.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sightings::Sightings;
use crate::bridge::delivery::ChangeDetails;
use crate::bridge::entry::Phase;
use crate::bridge::tries::SavedTries;
use crate::conversation::Conversation;
use crate::id::{DialogId, ExtConsumerId, LpConsumerId};
use crate::time::Timestamp;
use crate::webhook::{MessagingEvent, Order, SavedConversation};

/// The most deliveries that wait for the channel. Beyond it, changes wait in the inbox, and entries in the
/// store.
pub(super) const MAX_PENDING: usize = 1000;

/// The most bytes of a record to which entries are added. Beyond it, entries wait in the store; one is always taken if
/// nothing else waits.
pub(super) const MAX_BYTES: usize = 2 * 1024 * 1024;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ConversationRecord {
    pub(super) owner: Owner,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inbox: Option<SavedConversation>,
    /// The conversation's memory, once its consumer is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory: Option<Conversation>,
    pub(super) sightings: Sightings,
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(super) pending: VecDeque<Pending>,
    /// The tries of the first delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tries: Option<SavedTries>,
    /// What the consumer's lane was told last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<Phase>,
    /// The consumer's lane knows of options.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) has_offered: bool,
    /// A message before the next delivery was set aside.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) has_gap: bool,
    /// In this dialog events are missing before one that the channel does not get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hidden_gap: Option<DialogId>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_finished: bool,
    /// The consumer's lane found it open.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) adopted: bool,
    /// How many state changes were delivered: it names them.
    #[serde(default)]
    pub(super) changes: u64,
}

/// Whose conversation it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::bridge) enum Owner {
    /// Nothing has named the consumer yet. Messages wait.
    Unknown {
        left: Option<Duration>,
        /// The consumer that a notification names, and that the store has not answered about yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        named: Option<LpConsumerId>,
    },
    /// A consumer of this bridge.
    Ours {
        consumer: ExtConsumerId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lp_consumer: Option<LpConsumerId>,
    },
    /// A consumer of another channel: notifications concern the whole account
    /// ([protocol.md 9.1](crate::protocol#9.1)).
    Foreign,
}

impl Default for Owner {
    fn default() -> Self {
        Self::Unknown { left: None, named: None }
    }
}

/// Something for the channel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(in crate::bridge) struct Pending {
    pub(in crate::bridge) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::bridge) at: Option<Timestamp>,
    pub(in crate::bridge) order: Order,
    pub(in crate::bridge) content: PendingContent,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::bridge) replayed: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(in crate::bridge) details: ChangeDetails,
    /// When the notification was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::bridge) stored: Option<Timestamp>,
}

fn is_default(details: &ChangeDetails) -> bool {
    *details == ChangeDetails::default()
}

impl Pending {
    /// Whether it can say that there is a gap before it. A change of the conversation has no place in a dialog, and a
    /// message that is late belongs before the gap.
    pub(super) fn tells_gap(&self) -> bool {
        matches!(self.content, PendingContent::Message(_)) && self.order != Order::Late
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::bridge) enum PendingContent {
    Message(MessagingEvent),
    Changed(crate::webhook::Transition),
}
