//! What a channel is told about its own messages.

use serde::{Deserialize, Serialize};

/// The progress of a message that the channel handed in. A later status has a higher rank; one with a lower
/// rank is never told after it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// The channel's id of the message.
    pub message: String,
    /// How far it is.
    pub progress: Progress,
    /// The message's sequence in its dialog, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

impl Status {
    /// The progress of the message with this id, for tests of a channel.
    #[must_use]
    pub fn new(message: impl Into<String>, progress: Progress, sequence: Option<u64>) -> Self {
        Self { message: message.into(), progress, sequence }
    }
}

/// How far a message of the channel is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Progress {
    /// LivePerson has it.
    Sent,
    /// It was delivered to the agents.
    Delivered,
    /// An agent read it.
    Read,
    /// It will not be sent.
    Failed(FailureReason),
}

/// Why a message of the channel failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureReason {
    /// LivePerson refused it. The detail is for people, without the message's content.
    Refused(String),
    /// It may have been sent or not, and the policy is to report that
    /// ([`Unsettled::Report`](super::Unsettled::Report)).
    Unconfirmed,
    /// It chooses an option that the agent's message does not have.
    UnknownOption,
    /// Another message had the same id.
    IdReused,
    /// An operator gave it up.
    Operator,
}

impl FailureReason {
    /// A short fixed name, such as `id_reused`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Unconfirmed => "unconfirmed",
            Self::UnknownOption => "unknown_option",
            Self::IdReused => "id_reused",
            Self::Operator => "operator",
        }
    }
}

impl Progress {
    /// The rank: it only grows.
    #[must_use]
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Sent => 2,
            Self::Delivered => 3,
            Self::Read => 4,
            Self::Failed(_) => u8::MAX,
        }
    }
}
