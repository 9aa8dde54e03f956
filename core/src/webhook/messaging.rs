//! One change in a messaging notification ([protocol.md 9.4](crate::protocol#9.4)).

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::{Event, Metadata};
use super::open_enum::{Audience, Role};
use crate::id::{ConversationId, DialogId};
use crate::json::field::{Field, object, scalar_field, text, text_field, timestamp, unsigned};
use crate::json::{Json, JsonTape};
use crate::time::Timestamp;

/// An event in a dialog: who did what, where and when.
///
/// It holds the JSON as it came and reads members on demand. It serialises as that JSON.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "JsonTape", into = "JsonTape")]
pub struct MessagingEvent {
    conversation: ConversationId,
    dialog: DialogId,
    raw: JsonTape,
}

/// Why JSON cannot be read as a change of the expected kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnusableChange(pub(super) &'static str);

impl fmt::Display for UnusableChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for UnusableChange {}

impl TryFrom<JsonTape> for MessagingEvent {
    type Error = UnusableChange;

    fn try_from(raw: JsonTape) -> Result<Self, UnusableChange> {
        Ok(Self::new(Self::ids(raw.root())?, raw))
    }
}

impl From<MessagingEvent> for JsonTape {
    fn from(event: MessagingEvent) -> Self {
        event.raw
    }
}

impl TryFrom<Value> for MessagingEvent {
    type Error = UnusableChange;

    fn try_from(raw: Value) -> Result<Self, UnusableChange> {
        JsonTape::from(&raw).try_into()
    }
}

impl From<MessagingEvent> for Value {
    fn from(event: MessagingEvent) -> Self {
        event.raw.root().to_value()
    }
}

impl MessagingEvent {
    /// Whose event this is, if it can be used.
    pub(super) fn ids(change: Json<'_>) -> Result<(ConversationId, DialogId), UnusableChange> {
        ids(change).map_err(UnusableChange)
    }

    /// `ids` are those of `raw`.
    pub(super) fn new((conversation, dialog): (ConversationId, DialogId), raw: JsonTape) -> Self {
        Self { conversation, dialog, raw }
    }

    /// The conversation's id.
    #[must_use]
    pub fn conversation(&self) -> &ConversationId {
        &self.conversation
    }

    /// The dialog's id: the main dialog's, or a survey's.
    #[must_use]
    pub fn dialog(&self) -> &DialogId {
        &self.dialog
    }

    /// True in the conversation's main dialog.
    #[must_use]
    pub fn is_in_main_dialog(&self) -> bool {
        self.conversation.as_str() == self.dialog.as_str()
    }

    /// The event's number within the dialog, from 0. Chat states have none
    /// ([protocol.md 9.4](crate::protocol#9.4)).
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        unsigned(self.raw(), "sequence")
    }

    /// When the service received the event. Chat states have no timestamp.
    #[must_use]
    pub fn server_timestamp(&self) -> Option<Timestamp> {
        timestamp(self.raw(), "serverTimestamp")
    }

    /// The originator's LivePerson id.
    #[must_use]
    pub fn originator_id(&self) -> Option<Cow<'_, str>> {
        let inner = || match self.originator() {
            Field::Known(originator) => scalar_field(originator, "id"),
            Field::Absent => Field::Absent,
            Field::Unreadable => Field::Unreadable,
        };
        scalar_field(self.raw(), "originatorId").or(inner).known()
    }

    /// The originator's role. The oldest notifications have none.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        match self.originator() {
            Field::Known(originator) => Role::of(text_field(originator, "role")),
            Field::Absent => None,
            Field::Unreadable => Some(Role::Unreadable),
        }
    }

    /// Who may see the event. Without a value, or with `null`: everybody
    /// ([protocol.md 9.4](crate::protocol#9.4)).
    #[must_use]
    pub fn audience(&self) -> Audience {
        Audience::of(text_field(self.raw(), "messageAudience")).unwrap_or(Audience::All)
    }

    /// True if a channel may show the event to the consumer: it is not the echo of the consumer's
    /// own message, and its audience is everybody.
    ///
    /// An unknown or unreadable audience and an unreadable role exclude the consumer. An event
    /// without a role, or with an unknown one, counts as somebody else's: compare
    /// [`originator_id`](Self::originator_id) with the consumer's id if that matters.
    #[must_use]
    pub fn is_for_consumer(&self) -> bool {
        !matches!(self.role(), Some(Role::Consumer | Role::Unreadable))
            && self.audience() == Audience::All
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> Event<'_> {
        Event::of(object(self.raw(), "event").known().unwrap_or(Json::NULL))
    }

    /// The event's type on the wire, such as `ContentEvent`.
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        object(self.raw(), "event").known().and_then(|event| text(event, "type"))
    }

    /// The metadata ([protocol.md 7.9](crate::protocol#7.9)).
    pub fn metadata(&self) -> impl Iterator<Item = Metadata<'_>> {
        Metadata::list(self.raw().get("metadata"))
    }

    /// The JSON as it came.
    #[must_use]
    pub fn raw(&self) -> Json<'_> {
        self.raw.root()
    }

    fn originator(&self) -> Field<Json<'_>> {
        object(self.raw(), "originatorMetadata")
    }
}

/// The ids of the conversation and of the dialog. Each replaces the other where one is missing: the
/// main dialog has the conversation's id, and older notifications omit the conversation
/// ([protocol.md 9.4](crate::protocol#9.4); 14, row 22). None replaces one that is unreadable: a survey's
/// message would count as one of the main dialog.
fn ids(change: Json<'_>) -> Result<(ConversationId, DialogId), &'static str> {
    if object(change, "event").known().is_none() {
        return Err("the change has no event");
    }
    let conversation =
        scalar_field(change, "conversationId").and_then(|id| ConversationId::new(id).ok());
    let dialog = scalar_field(change, "dialogId").and_then(|id| match &conversation {
        Field::Known(conversation) if *id == *conversation.as_str() => {
            Some(DialogId::main_of(conversation))
        }
        _ => DialogId::new(id).ok(),
    });
    match (conversation, dialog) {
        (Field::Known(conversation), Field::Known(dialog)) => Ok((conversation, dialog)),
        (Field::Known(conversation), Field::Absent) => {
            let dialog = DialogId::main_of(&conversation);
            Ok((conversation, dialog))
        }
        (Field::Absent, Field::Known(dialog)) => match ConversationId::new(&dialog) {
            Ok(conversation) => Ok((conversation, dialog)),
            Err(_) => Err("the change names no dialog"),
        },
        (Field::Absent, Field::Absent) => Err("the change names no dialog"),
        (Field::Unreadable, _) => Err("the change's conversationId is unreadable"),
        (_, Field::Unreadable) => Err("the change's dialogId is unreadable"),
    }
}

impl fmt::Debug for MessagingEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessagingEvent")
            .field("conversation", &self.conversation)
            .field("dialog", &self.dialog)
            .field("sequence", &self.sequence())
            .field("role", &self.role())
            .field("audience", &self.audience())
            .field("event", &self.event())
            .finish_non_exhaustive()
    }
}
