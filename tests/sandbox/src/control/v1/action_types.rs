//! The documents about what was done: triggers, an agent's actions, posts.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A trigger: something that can be made to happen.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// What happens.
    pub sentence: String,
    /// `agent`, `consumer`, `webhook` or `trouble`.
    pub group: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a trigger.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Eq)]
#[non_exhaustive]
#[serde(default)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it is if it is not given; null: the latest open conversation, or a new one.
    pub default: Value,
    /// What it says.
    pub sentence: String,
}

/// What a trigger did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Triggered {
    /// The trigger.
    pub trigger: String,
    /// The conversation.
    pub conversation: Option<String>,
    /// The messages that it published.
    pub messages: Vec<u64>,
    /// The notifications that it caused.
    pub notifications: Vec<u64>,
    /// The faults that it added.
    pub faults: Vec<u64>,
    /// How many notifications are held back after it, as in [`Webhooks`](super::Webhooks).
    pub held: usize,
    /// When the next of those is tried.
    pub next: Option<u64>,
}

/// What a retry of the notifications that were held back did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Retried {
    /// How many notifications were held back, and are tried now.
    pub retried: usize,
}

/// What an agent's action did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Acted {
    /// The conversation.
    pub conversation: String,
    /// The message that it published.
    pub message: Option<u64>,
    /// Its sequence.
    pub sequence: Option<u64>,
    /// The file that it stored.
    pub file: Option<u64>,
}

/// A post that was asked for, with its answer.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Posted {
    /// The notification.
    pub notification: u64,
    /// Which attempt it was; 0 if there was none: a fault has lost the notification, or it still waits after 12 s.
    pub attempt: u32,
    /// The exchange; 0 without an attempt.
    pub wire: u64,
    /// The status; none if no response came within 5 s.
    pub status: Option<u16>,
    /// How long it took, in microseconds.
    pub us: u64,
    /// Where it was posted to.
    pub url: String,
    /// The body of the response, if it is text: at most 4 KiB.
    pub answer: Option<String>,
}
