//! One change of a messaging notification (protocol.md 9.4).

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::Document;
use super::event::{Event, Metadata};
use super::json::Json;
use super::open::{Audience, Role};
use super::read::{scalar, text, unsigned};
use crate::id::{ConversationId, DialogId};

/// Something that happened in a dialog: who did what, where and when.
///
/// It holds the JSON as it came, and reads from it on demand; it is stored as that JSON too.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Document", into = "Document")]
pub struct MessagingEvent {
    conversation: ConversationId,
    dialog: DialogId,
    raw: Document,
}

/// Why a change is none of the kind that it was taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnusableChange(pub(super) &'static str);

impl fmt::Display for UnusableChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for UnusableChange {}

impl TryFrom<Document> for MessagingEvent {
    type Error = UnusableChange;

    fn try_from(raw: Document) -> Result<Self, UnusableChange> {
        Self::of(raw).map_err(|(why, _)| why)
    }
}

impl From<MessagingEvent> for Document {
    fn from(event: MessagingEvent) -> Self {
        event.raw
    }
}

impl TryFrom<Value> for MessagingEvent {
    type Error = UnusableChange;

    fn try_from(raw: Value) -> Result<Self, UnusableChange> {
        Document::from(&raw).try_into()
    }
}

impl From<MessagingEvent> for Value {
    fn from(event: MessagingEvent) -> Self {
        event.raw.root().to_value()
    }
}

impl MessagingEvent {
    pub(super) fn of(raw: Document) -> Result<Self, (UnusableChange, Document)> {
        let root = raw.root();
        if !root.get("event").is_some_and(Json::is_object) {
            return Err((UnusableChange("it holds no event"), raw));
        }
        let conversation =
            scalar(root, "conversationId").and_then(|id| ConversationId::new(id).ok());
        let dialog = scalar(root, "dialogId").and_then(|id| match &conversation {
            Some(conversation) if *id == *conversation.as_str() => {
                Some(DialogId::main_of(conversation))
            }
            _ => DialogId::new(id).ok(),
        });
        // Each stands for the other where one is missing: the main dialog has the conversation's id,
        // and older notifications leave the conversation out (protocol.md 9.4; 14, row 22).
        let found = match (conversation, dialog) {
            (Some(conversation), Some(dialog)) => Some((conversation, dialog)),
            (Some(conversation), None) => {
                let dialog = DialogId::main_of(&conversation);
                Some((conversation, dialog))
            }
            (None, Some(dialog)) => ConversationId::new(&dialog).ok().map(|id| (id, dialog)),
            (None, None) => None,
        };
        match found {
            Some((conversation, dialog)) => Ok(Self { conversation, dialog, raw }),
            None => Err((UnusableChange("it names no dialog"), raw)),
        }
    }

    /// The conversation.
    #[must_use]
    pub fn conversation(&self) -> &ConversationId {
        &self.conversation
    }

    /// The dialog in it: the main one, or that of a survey.
    #[must_use]
    pub fn dialog(&self) -> &DialogId {
        &self.dialog
    }

    /// True if it is in the conversation's main dialog.
    #[must_use]
    pub fn is_in_main_dialog(&self) -> bool {
        self.conversation.as_str() == self.dialog.as_str()
    }

    /// Its number in the dialog, from 0. Chat states have none (protocol.md 9.4).
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        unsigned(self.raw(), "sequence")
    }

    /// When the service took it, in milliseconds since 1970. Chat states have none.
    #[must_use]
    pub fn server_timestamp(&self) -> Option<u64> {
        unsigned(self.raw(), "serverTimestamp")
    }

    /// Who did it: LivePerson's id of them.
    #[must_use]
    pub fn originator_id(&self) -> Option<Cow<'_, str>> {
        scalar(self.raw(), "originatorId").or_else(|| scalar(self.originator()?, "id"))
    }

    /// As what they did it. The oldest notifications do not say.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        text(self.originator()?, "role").map(Role::of)
    }

    /// Who may see it; everybody, where it does not say.
    #[must_use]
    pub fn audience(&self) -> Audience {
        text(self.raw(), "messageAudience").map_or(Audience::All, Audience::of)
    }

    /// Whether it is to be shown to the consumer: it is none of their own that comes back as an echo,
    /// and it is for everybody's eyes.
    ///
    /// An audience that this version does not know counts as not the consumer's. Where it does not say
    /// who did it, it counts as somebody else's: compare
    /// [`originator_id`](Self::originator_id) with the consumer's, if that matters.
    #[must_use]
    pub fn is_for_consumer(&self) -> bool {
        self.role() != Some(Role::Consumer) && self.audience() == Audience::All
    }

    /// What happened.
    #[must_use]
    pub fn event(&self) -> Event<'_> {
        Event::of(self.raw().get("event").unwrap_or(Json::NULL))
    }

    /// The event's type on the wire, such as `ContentEvent`.
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        self.raw().get("event").and_then(|event| text(event, "type"))
    }

    /// What goes with it (protocol.md 7.9).
    pub fn metadata(&self) -> impl Iterator<Item = Metadata<'_>> {
        Metadata::each(self.raw().get("metadata"))
    }

    /// The JSON as it came.
    #[must_use]
    pub fn raw(&self) -> Json<'_> {
        self.raw.root()
    }

    fn originator(&self) -> Option<Json<'_>> {
        self.raw().get("originatorMetadata")
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
