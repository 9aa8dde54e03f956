//! The entries of the lanes: what is stored until the lane's machine takes it.

use serde::{Deserialize, Serialize};

use super::conversation::Pending;
use super::inbound::{Inbound, Opening};
use super::status::Status;
use super::store::{Entry, LaneId};
use crate::api::ClientProperties;
use crate::id::{ConversationId, DialogId, ExtConsumerId, LpConsumerId};
use crate::time::Timestamp;
use crate::webhook::Change;

/// An entry of a consumer's lane.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub(super) enum ConsumerEntry {
    /// A message from the channel.
    Accepted(Box<Inbound>),
    /// A conversation of this consumer was seen, in this phase.
    Seen { conversation: ConversationId, phase: Phase },
    /// The answer to a [`Question`].
    Settled { message: String, attempt: u32, verdict: Verdict },
    /// The channel took messages of the agent, or showed them.
    Receipt {
        conversation: ConversationId,
        dialog: DialogId,
        status: ReceiptKind,
        sequences: Vec<u64>,
        /// The channel says so itself, after it took them.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        reported: bool,
    },
    /// The other side received messages of the consumer.
    Acknowledged { dialog: DialogId, read: bool, sequences: Vec<u64> },
    /// The options of the agent's newest message. None: it has none.
    Offered { message: String, dialog: DialogId, options: Vec<Choice> },
    /// An operator decides about a held message.
    Resolved { message: String, resolution: Resolution },
    /// An operator says that this open conversation is the consumer's.
    Adopt { conversation: ConversationId },
    /// Everything about this consumer is to be removed.
    Forget,
}

/// What a conversation receives.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub(super) enum ConversationEntry {
    /// Changes of this conversation, from a notification.
    Changes {
        changes: Vec<Change>,
        /// When the notification was stored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// The bridge opened it, or adopted it.
    Opened {
        consumer: ExtConsumerId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lp_consumer: Option<LpConsumerId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        properties: Option<ClientProperties>,
        /// It was found open.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        adopted: bool,
    },
    /// Was this message taken?
    Question(Question),
    /// A dead letter that was put back.
    Replayed { pending: Box<Pending> },
    /// Everything about this conversation is to be removed.
    Forget,
}

/// Asks whether a message of the consumer was taken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) message: String,
    pub(super) attempt: u32,
    pub(super) dialog: DialogId,
    /// Its sequence is at least this, if it has one.
    pub(super) least: u64,
    /// What its echo contains.
    pub(super) digest: u64,
    /// After this it is certain that the request is not processed any more.
    pub(super) ended: Timestamp,
    /// An echo that may have been its own answered an earlier question.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_ambiguous: bool,
}

/// Whether a message was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Its echo came, with this sequence.
    Echo(u64),
    /// All sequences up to one long after it are known, and none is its echo.
    Absent,
}

/// How far a conversation is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    Open,
    Survey(DialogId),
    Closed,
}

/// A receipt for messages of the other side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReceiptKind {
    Delivered,
    Read,
    NotReceived,
}

/// An option that an agent's message offers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Choice {
    pub(super) title: String,
    /// What it publishes as the consumer's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub(super) metadata: serde_json::Value,
    /// The message that offers it.
    pub(super) sequence: u64,
}

/// What an operator decides about a message that is neither confirmed nor refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resolution {
    /// It arrived.
    Sent,
    /// Send it again.
    Resend,
    /// Give it up.
    Drop,
}

/// An entry of a consumer's status lane.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct StatusEntry {
    pub(super) status: Status,
    pub(super) at: Timestamp,
}

/// An entry of a consumer's status lane: what it would tell is forgotten.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StatusForget {
    pub(super) forget: bool,
}

/// An entry of a dead letter's lane.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub(super) enum DeadLetterEntry {
    /// The letter itself.
    Letter(Box<super::dead_letter::DeadLetter>),
    /// Put it back at the end of its lane.
    Replay,
    /// Remove it.
    Delete,
}

/// Writes an entry. These types always serialise: maps have text keys, and there are no custom serialisers
/// that fail.
pub(super) fn entry<T: Serialize>(lane: LaneId, body: &T) -> Entry {
    Entry { lane, body: serde_json::to_vec(body).unwrap_or_default() }
}

/// The options for opening, over the configured ones.
pub(super) fn merged(own: Option<&Opening>, configured: Opening) -> Opening {
    match own {
        Some(own) => own.over(&configured),
        None => configured,
    }
}
