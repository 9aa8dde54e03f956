//! What a notification says (protocol.md 9.4 to 9.9).

use std::error;
use std::fmt;

use super::conversation_change::ConversationChange;
use super::document::Document;
use super::json::Json;
use super::messaging::{MessagingEvent, UnusableChange};
use super::read;
use serde::{Deserialize, Serialize};

/// A notification, taken apart into its changes.
///
/// Nothing of it is lost: what cannot be read as one of the known kinds is an
/// [`Other`](Change::Other) change with its JSON, and does not touch its neighbours.
#[derive(Clone, PartialEq)]
pub struct Notification {
    changes: Vec<Change>,
    lossy: bool,
}

/// One change that a notification tells of.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// Something happened in a dialog.
    Message(MessagingEvent),
    /// A conversation's whole state, now.
    Conversation(ConversationChange),
    /// Something that this version does not know, or cannot read.
    Other(OtherChange),
}

/// A change that this version does not know, or cannot read.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct OtherChange {
    notification_type: Option<String>,
    why: String,
    raw: Document,
}

impl OtherChange {
    /// The type of the notification that it was in.
    #[must_use]
    pub fn notification_type(&self) -> Option<&str> {
        self.notification_type.as_deref()
    }

    /// Why it is none of the known kinds.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The JSON as it came.
    #[must_use]
    pub fn raw(&self) -> Json<'_> {
        self.raw.root()
    }
}

impl fmt::Debug for OtherChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtherChange")
            .field("notification_type", &self.notification_type)
            .field("why", &self.why)
            .finish_non_exhaustive()
    }
}

impl Notification {
    pub(super) fn read(body: &[u8]) -> Result<Self, UnreadableNotification> {
        let read = read::document(body).map_err(|error| UnreadableNotification {
            // The parser's own text can quote the document: say where, not what.
            line: error.line(),
            column: error.column(),
        })?;
        let mut changes = Vec::new();
        for envelope in read::each(Some(read.document.root())) {
            changes_of(envelope, &mut changes);
        }
        Ok(Self { changes, lossy: read.lossy })
    }

    /// Its changes, in the order in which they came.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Takes the changes out.
    #[must_use]
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// True if some of its text was no Unicode, such as half an emoji, and reads U+FFFD here. The
    /// bytes as they came are in [`Verified`](super::Verified).
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        self.lossy
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("changes", &self.changes)
            .field("lossy", &self.lossy)
            .finish()
    }
}

/// The kinds of notification that are known.
#[derive(Clone, Copy)]
enum Kind {
    Messaging,
    Conversation,
    Unknown,
}

impl Kind {
    /// By the type; by what the change holds, if there is none. A prefix will do: the endpoints are
    /// registered under longer names (protocol.md 9.1), and a table writes the second with the first's
    /// prefix (protocol.md 14, row 18).
    fn of(notification_type: Option<&str>, change: Json<'_>) -> Self {
        match notification_type {
            Some(name) if name.contains("ExConversationChangeNotification") => Self::Conversation,
            Some(name) if name.contains("MessagingEventNotification") => Self::Messaging,
            Some(_) => Self::Unknown,
            None if change.get("event").is_some() => Self::Messaging,
            None if change.get("result").is_some() => Self::Conversation,
            None => Self::Unknown,
        }
    }
}

fn changes_of(envelope: Json<'_>, changes: &mut Vec<Change>) {
    let notification_type = read::text(envelope, "type");
    let other = |why: &str, raw| {
        let notification_type = notification_type.map(str::to_owned);
        Change::Other(OtherChange { notification_type, why: why.to_owned(), raw })
    };
    let Some(found) = envelope.get("body").and_then(|body| body.get("changes")) else {
        changes.push(other("it holds no changes", Document::of(envelope)));
        return;
    };
    for change in read::each(Some(found)) {
        // Each holds its own part alone, for it may be kept longer than its neighbours.
        let raw = Document::of(change);
        let read = match Kind::of(notification_type, change) {
            Kind::Messaging => MessagingEvent::of(raw).map(Change::Message),
            Kind::Conversation => ConversationChange::of(raw).map(Change::Conversation),
            Kind::Unknown => Err((UnusableChange("its notification's type is not known"), raw)),
        };
        changes.push(read.unwrap_or_else(|(why, raw)| other(why.0, raw)));
    }
}

/// A notification that is no JSON at all. It holds nothing of it: the bytes are in
/// [`Verified`](super::Verified). Answer it 200 all the same, and put it aside: refused, it would be
/// sent again for as long as the platform retries, and hold up all others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnreadableNotification {
    line: usize,
    column: usize,
}

impl fmt::Display for UnreadableNotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column } = self;
        write!(f, "the notification is not JSON (line {line}, column {column})")
    }
}

impl error::Error for UnreadableNotification {}
