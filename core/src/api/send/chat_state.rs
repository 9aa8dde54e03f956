//! Whether the consumer is there and typing (protocol.md 7.5).

use serde::Serialize;

use super::{ConversationRef, Message, Published, on_send};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, RelativeRequest, ResponseView,
};

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
    message: Message,
    state: ChatState,
}

impl SetChatState {
    /// A state for the main dialog.
    #[must_use]
    pub fn new(conversation: &ConversationRef, state: ChatState) -> Self {
        Self { message: Message::new(conversation), state }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "ChatStateEvent", rename_all = "camelCase")]
struct Event {
    chat_state: ChatState,
}

impl Operation for SetChatState {
    type Output = Published;

    const NAME: &'static str = "set_chat_state";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        // A state that is said twice is the same state.
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        self.message.publish(context, Event { chat_state: self.state })
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<Published, ApiRejection> {
        Published::parse(response)
    }
}
