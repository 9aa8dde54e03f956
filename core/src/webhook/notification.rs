//! A parsed notification ([protocol.md 9.4](crate::protocol#9.4) to [9.9](crate::protocol#9.9)).

use std::error;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::conversation_change::ConversationChange;
use super::messaging::{MessagingEvent, UnusableChange};
use crate::id::{ConversationId, DialogId};
use crate::json::field::{Field, any, object, one_or_many, text_field};
use crate::json::{self, Json, JsonTape};

/// A notification, parsed into its changes.
///
/// Parsing drops nothing: a change of an unknown kind becomes [`Change::Other`] with its JSON, and
/// the changes next to it are not affected.
#[derive(Clone, PartialEq)]
pub struct Notification {
    changes: Changes,
    lossy: bool,
    is_empty: bool,
}

/// Nearly always it is one, which needs no list.
#[derive(Clone, PartialEq)]
enum Changes {
    One([Change; 1]),
    Several(Vec<Change>),
}

/// One change in a notification.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// An event in a dialog.
    Message(MessagingEvent),
    /// The new state of a conversation.
    Conversation(ConversationChange),
    /// A change that this version cannot read.
    Other(OtherChange),
}

/// A change that this version cannot read.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct OtherChange {
    notification_type: Option<String>,
    #[serde(rename = "why")]
    reason: String,
    raw: JsonTape,
}

impl OtherChange {
    /// The type of the notification that held the change.
    #[must_use]
    pub fn notification_type(&self) -> Option<&str> {
        self.notification_type.as_deref()
    }

    /// Why the change cannot be read.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
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
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl Notification {
    pub(super) fn parse(body: &[u8]) -> Result<Self, UnreadableNotification> {
        let parsed = json::parse(body)
            .map_err(|error| UnreadableNotification { line: error.line, column: error.column })?;
        let lossy = parsed.lossy;
        if let Some((kind, change)) = only_change(parsed.tape.root())
            && let Ok(ids) = Ids::of(kind, change)
        {
            let at = change.place_in(&parsed.tape);
            let changes = Changes::One([ids.with(parsed.tape.into_part(at))]);
            return Ok(Self { changes, lossy, is_empty: false });
        }
        let (mut changes, mut held) = (Vec::new(), 0);
        for envelope in one_or_many(Some(parsed.tape.root())) {
            held += changes_of(envelope, &mut changes);
        }
        if changes.is_empty() && one_or_many(Some(parsed.tape.root())).next().is_none() {
            let reason = "the notification is empty".to_owned();
            let raw = parsed.tape;
            changes.push(Change::Other(OtherChange { notification_type: None, reason, raw }));
        }
        Ok(Self { changes: Changes::Several(changes), lossy, is_empty: held == 0 })
    }

    /// The changes, in their order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        match &self.changes {
            Changes::One(one) => one,
            Changes::Several(several) => several,
        }
    }

    /// The changes, in their order, by value.
    #[must_use]
    pub fn into_changes(self) -> Vec<Change> {
        match self.changes {
            Changes::One(one) => one.into(),
            Changes::Several(several) => several,
        }
    }

    /// True if there is nothing in it: no list of changes, or an empty one. JSON that is no
    /// notification, such as `null` or `{}`, is then the only change, a [`Change::Other`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// True if something could not be kept as it was written: invalid Unicode, such as half an
    /// emoji, is U+FFFD now, a number that no float holds (`1e400`) the largest float, what is no JSON
    /// value (`NaN`, `01`) an array of `null`, and what is nested deeper than 96 levels an empty array or
    /// object. [`Verified`](super::Verified) holds the original bytes.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        self.lossy
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("changes", &self.changes())
            .field("lossy", &self.lossy)
            .finish()
    }
}

/// The known kinds of notification.
#[derive(Clone, Copy)]
enum Kind {
    Messaging,
    Conversation,
    Unknown,
}

impl Kind {
    /// Decides by the type, or by the change's members if there is no type. Part of the name is
    /// enough: endpoints are registered under longer names
    /// ([protocol.md 9.1](crate::protocol#9.1)), and a table prints the second name with the first
    /// one's prefix ([protocol.md 14](crate::protocol#14), row 18).
    fn of(notification_type: Field<&str>, change: Json<'_>) -> Self {
        match notification_type {
            Field::Known(name) if name.contains("ExConversationChangeNotification") => {
                Self::Conversation
            }
            Field::Known(name) if name.contains("MessagingEventNotification") => Self::Messaging,
            Field::Absent if change.get("event").is_some() => Self::Messaging,
            Field::Absent if change.get("result").is_some() => Self::Conversation,
            _ => Self::Unknown,
        }
    }
}

/// Whose a change is.
enum Ids {
    Message((ConversationId, DialogId)),
    Conversation(ConversationId),
}

impl Ids {
    fn of(kind: Kind, change: Json<'_>) -> Result<Self, UnusableChange> {
        match kind {
            Kind::Messaging => MessagingEvent::ids(change).map(Self::Message),
            Kind::Conversation => ConversationChange::id(change).map(Self::Conversation),
            Kind::Unknown => Err(UnusableChange("the notification's type is unknown")),
        }
    }

    /// The change that `raw` is, which has these ids.
    fn with(self, raw: JsonTape) -> Change {
        match self {
            Self::Message(ids) => Change::Message(MessagingEvent::new(ids, raw)),
            Self::Conversation(id) => Change::Conversation(ConversationChange::new(id, raw)),
        }
    }
}

/// The change, if this document lists only one.
fn only_change(document: Json<'_>) -> Option<(Kind, Json<'_>)> {
    let mut envelopes = one_or_many(Some(document));
    let envelope = envelopes.next().filter(|_| envelopes.next().is_none())?;
    let body = object(envelope, "body").known()?;
    let mut changes = one_or_many(any(body, "changes").known());
    let change = changes.next().filter(|_| changes.next().is_none())?;
    Some((Kind::of(text_field(envelope, "type"), change), change))
}

/// Adds the changes of a notification, and returns how many it lists.
fn changes_of(envelope: Json<'_>, changes: &mut Vec<Change>) -> usize {
    let notification_type = text_field(envelope, "type");
    let other = |reason: &str, raw| {
        let notification_type = notification_type.known().map(str::to_owned);
        Change::Other(OtherChange { notification_type, reason: reason.to_owned(), raw })
    };
    let found = object(envelope, "body").known().map(|body| any(body, "changes"));
    let found = match found {
        Some(Field::Known(found)) => found,
        Some(Field::Unreadable) => {
            changes
                .push(other("the notification has several lists of changes", envelope.to_tape()));
            return 0;
        }
        Some(Field::Absent) | None => {
            changes.push(other("the notification has no changes", envelope.to_tape()));
            return 0;
        }
    };
    let mut held = 0;
    for change in one_or_many(Some(found)) {
        held += 1;
        // Each change owns its part, so that keeping one does not keep the others in memory.
        let raw = change.to_tape();
        changes.push(match Ids::of(Kind::of(notification_type, change), change) {
            Ok(ids) => ids.with(raw),
            Err(reason) => other(reason.0, raw),
        });
    }
    held
}

/// The notification is not JSON. The error holds a position and none of the bytes, which
/// [`Verified`](super::Verified) has.
///
/// Answer 200 nevertheless, and set the notification aside. After any other status the platform
/// sends it again for as long as it retries, and holds back all others
/// ([protocol.md 9.3](crate::protocol#9.3)).
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
