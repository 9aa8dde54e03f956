//! The conversation that a SEND operation concerns.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::api::ClientProperties;
use crate::id::{ConversationId, DialogId, ExtConsumerId};

/// A conversation, its consumer, a dialog of it, and the `Client-Properties` that it was opened
/// with.
///
/// Clones are cheap. It can be stored (serde) and used after a restart.
///
/// ```
/// use lp_connector_core::api::{ConversationRef, SendText};
/// use lp_connector_core::id::{ConversationId, ExtConsumerId};
///
/// let ada = ExtConsumerId::new("pigeon-ring-0042")?;
/// let conversation = ConversationRef::new(ada, ConversationId::new("5f0c")?);
/// let text = SendText::new(&conversation, "Coo?");
/// # let _ = text;
/// # Ok::<(), lp_connector_core::id::InvalidId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConversationRef {
    consumer: ExtConsumerId,
    conversation: ConversationId,
    /// `None` is the main dialog, which has the conversation's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dialog: Option<DialogId>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "serialize_shared",
        deserialize_with = "deserialize_shared"
    )]
    client_properties: Option<Arc<ClientProperties>>,
}

impl ConversationRef {
    /// The main dialog of `conversation`, without `Client-Properties`.
    #[must_use]
    pub const fn new(consumer: ExtConsumerId, conversation: ConversationId) -> Self {
        Self { consumer, conversation, dialog: None, client_properties: None }
    }

    /// Selects a dialog of the conversation, such as a survey's.
    #[must_use]
    pub fn in_dialog(mut self, dialog: DialogId) -> Self {
        let is_main = dialog.as_str() == self.conversation.as_str();
        self.dialog = (!is_main).then_some(dialog);
        self
    }

    /// Sets the `Client-Properties` that the conversation was opened with. Every message repeats
    /// them ([protocol.md 6.5](crate::protocol#6.5)).
    #[must_use]
    pub fn with_client_properties(self, properties: ClientProperties) -> Self {
        Self { client_properties: Some(Arc::new(properties)), ..self }
    }

    pub(crate) fn shared_properties(mut self, properties: Option<Arc<ClientProperties>>) -> Self {
        self.client_properties = properties;
        self
    }

    /// The consumer.
    #[must_use]
    pub const fn consumer(&self) -> &ExtConsumerId {
        &self.consumer
    }

    /// The conversation's id.
    #[must_use]
    pub const fn id(&self) -> &ConversationId {
        &self.conversation
    }

    /// The dialog's id.
    #[must_use]
    pub fn dialog(&self) -> DialogId {
        self.dialog.clone().unwrap_or_else(|| DialogId::main_of(&self.conversation))
    }

    /// True for the main dialog.
    #[must_use]
    pub const fn is_main_dialog(&self) -> bool {
        self.dialog.is_none()
    }

    /// The `Client-Properties`, if set.
    #[must_use]
    pub fn client_properties(&self) -> Option<&ClientProperties> {
        self.client_properties.as_deref()
    }

    /// The dialog's id, borrowed.
    pub(super) fn dialog_text(&self) -> &str {
        self.dialog.as_ref().map_or(self.conversation.as_str(), DialogId::as_str)
    }
}

impl AsRef<Self> for ConversationRef {
    fn as_ref(&self) -> &Self {
        self
    }
}

fn serialize_shared<S: Serializer>(
    properties: &Option<Arc<ClientProperties>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    properties.as_deref().serialize(serializer)
}

fn deserialize_shared<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Arc<ClientProperties>>, D::Error> {
    Ok(Option::<ClientProperties>::deserialize(deserializer)?.map(Arc::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_reference_is_restored() {
        let ada = ExtConsumerId::new("ada").unwrap();
        let plain = ConversationRef::new(ada, ConversationId::new("c").unwrap());
        let full = plain.clone().in_dialog(DialogId::new("s").unwrap());
        let full = full.with_client_properties(ClientProperties::new().feature("MULTI_DIALOG"));
        for conversation in [plain, full] {
            let stored = serde_json::to_string(&conversation).unwrap();
            let again: ConversationRef = serde_json::from_str(&stored).unwrap();
            assert_eq!(again, conversation, "{stored}");
        }
    }

    #[test]
    fn the_client_properties_are_those_set_or_none() {
        let ada = ExtConsumerId::new("ada").unwrap();
        let plain = ConversationRef::new(ada, ConversationId::new("c").unwrap());
        assert_eq!(plain.client_properties(), None);
        let properties = ClientProperties::new().feature("MULTI_DIALOG");
        let full = plain.with_client_properties(properties.clone());
        assert_eq!(full.client_properties(), Some(&properties));
    }

    #[test]
    fn the_main_dialog_has_the_conversations_id() {
        let ada = ExtConsumerId::new("ada").unwrap();
        let main = ConversationRef::new(ada, ConversationId::new("c").unwrap());
        assert_eq!((main.dialog().as_str(), main.is_main_dialog()), ("c", true));
        let survey = main.in_dialog(DialogId::new("s").unwrap());
        assert_eq!((survey.dialog().as_str(), survey.is_main_dialog()), ("s", false));
        let back = survey.in_dialog(DialogId::new("c").unwrap());
        assert!(back.is_main_dialog());
    }
}
