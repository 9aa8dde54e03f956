//! The documents about what passes: exchanges and notifications.

use serde::{Deserialize, Serialize};

/// An exchange in short.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Row {
    /// Its number, from 1.
    pub n: u64,
    /// When it began.
    pub at: u64,
    /// `in`: a request to the cloud. `out`: a notification that the cloud posted.
    pub way: String,
    /// The endpoint; `webhook` for a notification, `other` for an unknown path.
    pub endpoint: String,
    /// What it is in short, such as `text` or `ContentEvent`.
    pub kind: Option<String>,
    /// One line to show.
    pub line: String,
    /// The method.
    pub method: String,
    /// The path without its query; the URL of a notification.
    pub path: String,
    /// The status; none without a response.
    pub status: Option<u16>,
    /// How long it took, in microseconds.
    pub us: u64,
    /// The faults that applied.
    pub faults: Vec<u64>,
    /// The first of them.
    pub fault: Option<u64>,
    /// The conversation.
    pub conversation: Option<String>,
    /// The number of the connection.
    pub connection: Option<u64>,
    /// How many times this body came within a minute, from 2.
    pub repeat: Option<u32>,
    /// The notification that it posts.
    pub notification: Option<u64>,
    /// Which attempt of the notification it is.
    pub attempt: Option<u32>,
    /// How the response was transmitted: `whole`, `delayed`, `dropped`, `truncated`, `slow`, `chunked` or
    /// `garbage`.
    pub transmission: String,
    /// Whether somebody asked for this attempt.
    pub replay: bool,
}

/// A page of exchanges.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Rows {
    /// The exchanges, newest first.
    pub rows: Vec<Row>,
    /// Pass it as `before` for the next page.
    pub next: Option<u64>,
    /// How many are kept.
    pub kept: usize,
    /// How many are kept at most.
    pub limit: usize,
}

/// One exchange in full.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct ExchangeDetail {
    /// The exchange in short.
    pub row: Row,
    /// The request.
    pub request: Half,
    /// The response, if there was one.
    pub response: Option<Half>,
    /// What it is linked with.
    pub links: Links,
    /// The notification that it posts.
    pub notification: Option<Notification>,
    /// All attempts of that notification.
    pub attempts: Vec<Row>,
}

/// A request or a response.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Half {
    /// The first line of a request.
    pub line: Option<String>,
    /// The status of a response.
    pub status: Option<u16>,
    /// The headers, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body, if it is text and is kept.
    pub body: Option<String>,
    /// Whether the body is no text.
    pub binary: bool,
    /// How many bytes the body has.
    pub bytes: usize,
    /// How many of them are kept.
    pub kept: usize,
}

/// What an exchange is linked with.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Links {
    /// The messages that it brought; that of its notification.
    pub messages: Vec<u64>,
    /// The notifications that it caused.
    pub notifications: Vec<u64>,
    /// The conversation.
    pub conversation: Option<String>,
    /// The faults that applied.
    pub faults: Vec<u64>,
    /// The exchange that caused the notification.
    pub cause: Option<u64>,
}

/// A notification.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Notification {
    /// Its number, from 1.
    pub n: u64,
    /// Its kind, such as `ContentEvent`.
    pub kind: String,
    /// The key of its event.
    pub event: String,
    /// The conversation.
    pub conversation: Option<String>,
    /// The message that it is of.
    pub message: Option<u64>,
    /// The exchange that caused it.
    pub cause: Option<u64>,
    /// Where it is posted to.
    pub url: String,
    /// `waiting`, `posting`, `delivered`, `gave up` or `lost by fault`.
    pub state: String,
    /// How many attempts there were.
    pub attempts: u32,
    /// When the next attempt is.
    pub next: Option<u64>,
    /// The exchanges of its attempts: the last 100.
    pub wire: Vec<u64>,
    /// The faults that applied.
    pub faults: Vec<u64>,
    /// When it was made.
    pub at: u64,
}
