//! SEND: one message, one state, one change (protocol.md 7).

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::answer::{number, take};
use super::conversation::with_properties;
use super::request::Request;
use super::{
    Answer, Authority, ClientProperties, Context, Draft, InvalidInput, Operation, Plan, Reason,
    Refusal, Repeat, Service, Target,
};
use crate::id::{ConversationId, DialogId, ExtConsumerId};

/// The longest request that may carry a text, in characters of its JSON (protocol.md 7.2, "Size").
/// Counted as UTF-16 has them, which is never fewer than any other count.
pub const MAX_REQUEST_CHARS: usize = 5000;

/// Who sends, and where to: what all messages have in common.
#[derive(Clone, Debug)]
struct Address {
    consumer: ExtConsumerId,
    conversation: ConversationId,
    dialog: DialogId,
    properties: Option<ClientProperties>,
}

impl Address {
    fn new(consumer: ExtConsumerId, conversation: ConversationId) -> Self {
        let dialog = DialogId::main_of(&conversation);
        Self { consumer, conversation, dialog, properties: None }
    }

    fn draft<B: Serialize>(
        &self,
        context: &Context<'_>,
        type_: &'static str,
        body: &B,
    ) -> Result<Draft, InvalidInput> {
        let request = Request::new(context.request_id(0), type_, body);
        let account = context.account().as_str();
        let path = ["api", "account", account, "messaging", "consumer", "conversation", "send"];
        let draft = Draft::post_json(path, [("v", "3")], &request)?;
        with_properties(draft, self.properties.as_ref())
    }

    /// Publishes an event. Both ids are always sent: one page names the dialog alone, the guide and
    /// the sample send both (protocol.md 7.2).
    fn publish<E: Serialize>(
        &self,
        context: &Context<'_>,
        event: E,
    ) -> Result<Draft, InvalidInput> {
        let body =
            PublishEvent { dialog_id: &self.dialog, conversation_id: &self.conversation, event };
        self.draft(context, "ms.PublishEvent", &body)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PublishEvent<'a, E> {
    dialog_id: &'a DialogId,
    conversation_id: &'a ConversationId,
    event: E,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Event<'a> {
    ContentEvent {
        #[serde(rename = "contentType")]
        content_type: &'static str,
        message: &'a str,
    },
    ChatStateEvent {
        #[serde(rename = "chatState")]
        chat_state: ChatState,
    },
}

/// What the operations on SEND have in common: where they go, in whose name, and about what.
macro_rules! on_send {
    () => {
        fn target(&self) -> Target {
            Target::Service(Service::MESSAGING)
        }

        fn authority(&self) -> Authority {
            Authority::Consumer(self.address.consumer.clone())
        }

        fn conversation(&self) -> Option<&ConversationId> {
            Some(&self.address.conversation)
        }
    };
}

macro_rules! addressed {
    ($operation:ident) => {
        impl $operation {
            /// Sends it to another dialog than the main one, such as a survey's.
            #[must_use]
            pub fn in_dialog(mut self, dialog: DialogId) -> Self {
                self.address.dialog = dialog;
                self
            }

            /// The `Client-Properties` that the conversation was opened with (protocol.md 6.5).
            #[must_use]
            pub fn client_properties(mut self, properties: ClientProperties) -> Self {
                self.address.properties = Some(properties);
                self
            }
        }
    };
}

/// Sends a text (protocol.md 7.3).
///
/// Refused before anything leaves: an empty text, and one whose request would be over
/// [`MAX_REQUEST_CHARS`]. `Debug` shows the text's length alone.
#[derive(Clone)]
pub struct SendText {
    address: Address,
    text: String,
}

addressed!(SendText);

impl SendText {
    /// A text for the main dialog.
    #[must_use]
    pub fn new(
        consumer: ExtConsumerId,
        conversation: ConversationId,
        text: impl Into<String>,
    ) -> Self {
        Self { address: Address::new(consumer, conversation), text: text.into() }
    }
}

impl fmt::Debug for SendText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, text } = self;
        f.debug_struct("SendText").field("address", address).field("text_len", &text.len()).finish()
    }
}

/// What the service made of a published event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Published {
    /// The number of the event within its dialog: the agent's receipts refer to it (protocol.md
    /// 7.1). `None` if the answer names none; it means nothing for a chat state.
    pub sequence: Option<u64>,
}

impl Published {
    fn read(answer: &Answer<'_>) -> Result<Self, Refusal> {
        let sequence = number(&take(answer.accepted()?, "sequence"));
        Ok(Self { sequence })
    }
}

impl Operation for SendText {
    type Output = Published;

    fn name(&self) -> &'static str {
        "send_text"
    }

    on_send!();

    fn repeat(&self) -> Repeat {
        Repeat::Visible
    }

    fn plan(&self, context: &Context<'_>) -> Result<Plan<Published>, InvalidInput> {
        if self.text.is_empty() {
            return Err(InvalidInput::new("the text is empty"));
        }
        let event = Event::ContentEvent { content_type: "text/plain", message: &self.text };
        let draft = self.address.publish(context, event)?;
        let characters = characters(draft.body());
        if characters > MAX_REQUEST_CHARS {
            return Err(InvalidInput::new(format!(
                "the request with this text has {characters} characters, and {MAX_REQUEST_CHARS} \
                 is the most that the service takes: shorten the text by {}, or send it in parts",
                characters - MAX_REQUEST_CHARS
            )));
        }
        Ok(Plan::Send(draft))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Published, Refusal> {
        Published::read(answer)
    }
}

/// The length of JSON in UTF-16 units: two for each character of four bytes, one for any other.
fn characters(json: &[u8]) -> usize {
    json.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
        + json.iter().filter(|byte| **byte >= 0xf0).count()
}

/// Whether the consumer is there and typing (protocol.md 7.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum ChatState {
    /// In the chat.
    Active,
    /// Away, with the application still open.
    Inactive,
    /// The application is closed.
    Gone,
    /// Typing. It stays so for the agent until another state is sent: a text does not clear it.
    Composing,
    /// Stopped typing.
    Pause,
}

/// Tells the agent whether the consumer is typing or there at all (protocol.md 7.5). A survey's
/// dialog takes none.
#[derive(Clone, Debug)]
pub struct SetChatState {
    address: Address,
    state: ChatState,
}

addressed!(SetChatState);

impl SetChatState {
    /// A state for the main dialog.
    #[must_use]
    pub fn new(consumer: ExtConsumerId, conversation: ConversationId, state: ChatState) -> Self {
        Self { address: Address::new(consumer, conversation), state }
    }
}

impl Operation for SetChatState {
    type Output = Published;

    fn name(&self) -> &'static str {
        "set_chat_state"
    }

    on_send!();

    fn repeat(&self) -> Repeat {
        // A state that is said twice is the same state.
        Repeat::Idempotent
    }

    fn plan(&self, context: &Context<'_>) -> Result<Plan<Published>, InvalidInput> {
        let event = Event::ChatStateEvent { chat_state: self.state };
        self.address.publish(context, event).map(Plan::Send)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Published, Refusal> {
        Published::read(answer)
    }
}

/// Closes a conversation (protocol.md 7.8).
#[derive(Clone, Debug)]
pub struct CloseConversation {
    address: Address,
}

impl CloseConversation {
    /// Closes `conversation` in the name of `consumer`.
    #[must_use]
    pub fn new(consumer: ExtConsumerId, conversation: ConversationId) -> Self {
        Self { address: Address::new(consumer, conversation) }
    }

    /// The `Client-Properties` that the conversation was opened with (protocol.md 6.5).
    #[must_use]
    pub fn client_properties(mut self, properties: ClientProperties) -> Self {
        self.address.properties = Some(properties);
        self
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UpdateConversationField<'a> {
    conversation_id: &'a ConversationId,
    // The schema says array, every consumer example an object (protocol.md 14, row 6).
    conversation_field: ConversationField,
}

#[derive(Serialize)]
#[serde(tag = "field")]
enum ConversationField {
    ConversationStateField {
        #[serde(rename = "conversationState")]
        conversation_state: &'static str,
    },
}

impl Operation for CloseConversation {
    type Output = ();

    fn name(&self) -> &'static str {
        "close_conversation"
    }

    on_send!();

    fn repeat(&self) -> Repeat {
        // What is closed stays closed.
        Repeat::Idempotent
    }

    fn plan(&self, context: &Context<'_>) -> Result<Plan<()>, InvalidInput> {
        let body = UpdateConversationField {
            conversation_id: &self.address.conversation,
            conversation_field: ConversationField::ConversationStateField {
                conversation_state: "CLOSE",
            },
        };
        self.address.draft(context, "cm.UpdateConversationField", &body).map(Plan::Send)
    }

    /// The answer may be `{msg}`, a bare string or nothing (protocol.md 14, row 5).
    fn read(&self, answer: &Answer<'_>) -> Result<(), Refusal> {
        if matches!(answer.status(), 200..=299) && answer.body().is_empty() {
            return Ok(());
        }
        match answer.accepted().map(|_: Value| ()) {
            // An earlier attempt of ours whose answer was lost has closed it.
            Err(refusal) if answer.repeated() && refusal.reason == Reason::ConversationClosed => {
                Ok(())
            }
            other => other,
        }
    }
}

#[cfg(test)]
#[path = "send_tests.rs"]
mod tests;
