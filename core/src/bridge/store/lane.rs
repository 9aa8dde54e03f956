//! The name of a lane.

use std::fmt;
use std::sync::Arc;

use crate::id::{AccountId, ConversationId, ExtConsumerId};

/// The purpose of a lane.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum LaneKind {
    /// What goes from a consumer to LivePerson. The key is the external consumer id.
    Consumer,
    /// What comes from LivePerson in a conversation. The key is the conversation's id.
    Conversation,
    /// What a channel is told about its own messages. The key is the external consumer id.
    Status,
    /// One message that could not be delivered, set aside for people.
    DeadLetter,
}

impl LaneKind {
    /// All kinds.
    pub const ALL: &'static [Self] =
        &[Self::Consumer, Self::Conversation, Self::Status, Self::DeadLetter];

    /// A short fixed name: `consumer`, `conversation`, `status` or `dead_letter`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Conversation => "conversation",
            Self::Status => "status",
            Self::DeadLetter => "dead_letter",
        }
    }

    /// The number that a store keeps. It never changes.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Consumer => 1,
            Self::Conversation => 2,
            Self::Status => 3,
            Self::DeadLetter => 4,
        }
    }

    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.number() == number)
    }
}

impl fmt::Display for LaneKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a lane: an account, a kind and a key. Clones are cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId {
    account: AccountId,
    kind: LaneKind,
    key: Arc<str>,
}

impl LaneId {
    /// The lane of this kind and key, within an account.
    #[must_use]
    pub fn new(account: AccountId, kind: LaneKind, key: impl AsRef<str>) -> Self {
        Self { account, kind, key: key.as_ref().into() }
    }

    /// The lane of a consumer.
    #[must_use]
    pub fn consumer(account: &AccountId, consumer: &ExtConsumerId) -> Self {
        Self::new(account.clone(), LaneKind::Consumer, consumer)
    }

    /// The lane of a conversation.
    #[must_use]
    pub fn conversation(account: &AccountId, conversation: &ConversationId) -> Self {
        Self::new(account.clone(), LaneKind::Conversation, conversation)
    }

    /// The lane of a consumer's statuses.
    #[must_use]
    pub fn status(account: &AccountId, consumer: &ExtConsumerId) -> Self {
        Self::new(account.clone(), LaneKind::Status, consumer)
    }

    /// The account.
    #[must_use]
    pub const fn account(&self) -> &AccountId {
        &self.account
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> LaneKind {
        self.kind
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LaneId({}, {}, {:?})", self.account, self.kind, self.key)
    }
}
