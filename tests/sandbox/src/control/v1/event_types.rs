//! The documents of the event stream.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Conversation, File, Install, Message, Notification, NumberedFault, Row, Token, Webhooks,
};

/// An event of the stream, with its document.
///
/// ```
/// use lp_connector_sandbox::control::v1::Event;
/// use serde_json::json;
///
/// let event = Event::from_json("reset", json!({"why": "restarted"}))?;
/// assert!(matches!(event, Event::Reset(reset) if reset.why == "restarted"));
/// assert_eq!(Event::from_json("added later", json!({}))?, Event::Unknown);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "it is short-lived")]
pub enum Event {
    /// `hello`: the stream begins.
    Hello(Hello),
    /// `conversation`: one that is new or has changed.
    Conversation(Conversation),
    /// `message`: a new one.
    Message(Message),
    /// `wire`: exchanges that are new.
    Wire(WireRows),
    /// `notification`: one that is new or has changed.
    Notification(Notification),
    /// `faults`: all of them.
    Faults(FaultList),
    /// `tokens`: all that are listed.
    Tokens(TokenList),
    /// `webhooks`: their state.
    Webhooks(Webhooks),
    /// `installs`: all of them.
    Installs(InstallList),
    /// `files`: all that are kept.
    Files(FileList),
    /// `left_out`: how much is not in this frame.
    LeftOut(LeftOut),
    /// `reset`: nothing from before counts any more.
    Reset(Reset),
    /// `bye`: the sandbox stops.
    Bye(Bye),
    /// One that this version does not know.
    Unknown,
}

impl Event {
    /// The names of the events.
    pub const NAMES: [&'static str; 13] = [
        "hello",
        "conversation",
        "message",
        "wire",
        "notification",
        "faults",
        "tokens",
        "webhooks",
        "installs",
        "files",
        "left_out",
        "reset",
        "bye",
    ];

    /// Reads an event: its name, and its document.
    ///
    /// # Errors
    /// If the document is not one of this event.
    pub fn from_json(name: &str, data: Value) -> Result<Self, serde_json::Error> {
        if !data.is_object() {
            return Err(serde_json::Error::custom("the document of an event is an object"));
        }
        Ok(match name {
            "hello" => Self::Hello(serde_json::from_value(data)?),
            "conversation" => Self::Conversation(serde_json::from_value(data)?),
            "message" => Self::Message(serde_json::from_value(data)?),
            "wire" => Self::Wire(serde_json::from_value(data)?),
            "notification" => Self::Notification(serde_json::from_value(data)?),
            "faults" => Self::Faults(serde_json::from_value(data)?),
            "tokens" => Self::Tokens(serde_json::from_value(data)?),
            "webhooks" => Self::Webhooks(serde_json::from_value(data)?),
            "installs" => Self::Installs(serde_json::from_value(data)?),
            "files" => Self::Files(serde_json::from_value(data)?),
            "left_out" => Self::LeftOut(serde_json::from_value(data)?),
            "reset" => Self::Reset(serde_json::from_value(data)?),
            "bye" => Self::Bye(serde_json::from_value(data)?),
            _ => Self::Unknown,
        })
    }
}

/// The beginning of the stream.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Hello {
    /// The version of the API, such as `1.0`.
    pub api: String,
    /// The name of what is recorded: another one after a restart or a reset.
    pub epoch: String,
    /// Whether it goes on behind the position that the reader named.
    pub resumed: bool,
}

/// Exchanges that are new, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct WireRows {
    /// The newest 200 at most.
    pub rows: Vec<Row>,
    /// How many are missing before them: `GET /v1/wire` has them.
    pub left_out: usize,
}

/// All faults.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct FaultList {
    /// The faults.
    pub faults: Vec<NumberedFault>,
}

/// The newest tokens.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct TokenList {
    /// The newest 100 of each kind, newest first.
    pub tokens: Vec<Token>,
}

/// All app installs.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct InstallList {
    /// The installs.
    pub installs: Vec<Install>,
}

/// The files that are kept.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct FileList {
    /// The files, newest first.
    pub files: Vec<File>,
}

/// How much is not in a frame: of each kind the newest 200 are.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct LeftOut {
    /// The messages, by conversation.
    pub messages: BTreeMap<String, usize>,
    /// The notifications.
    pub notifications: usize,
    /// The conversations.
    pub conversations: usize,
}

/// Nothing from before counts any more: take a new snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Reset {
    /// `restarted`, `reset` or `too far behind`.
    pub why: String,
}

/// The sandbox stops.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Bye {}
