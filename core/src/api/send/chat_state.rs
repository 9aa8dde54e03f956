//! Sends the consumer's presence and typing.
//!
//! `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
//! `ms.PublishEvent` ([protocol.md 7.5](crate::protocol#7.5))

use serde::Serialize;

use super::{ConversationRef, Message, Published, on_send};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, RelativeRequest, ResponseView,
};

/// The consumer's presence and typing ([protocol.md 7.5](crate::protocol#7.5)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum ChatState {
    /// Present in the chat.
    Active,
    /// Away. The application is still open.
    Inactive,
    /// The application is closed.
    Gone,
    /// Typing. The agent sees this until another state is sent; a text does not clear it.
    Composing,
    /// Paused while typing.
    Pause,
}

/// Sends the consumer's presence or typing to the agent.
///
/// `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
/// `ms.PublishEvent` ([protocol.md 7.5](crate::protocol#7.5)), with AppJWT and ConsumerJWS.
/// Idempotent.
///
/// A survey's dialog accepts no chat states.
#[derive(Clone, Debug)]
pub struct SetChatState {
    message: Message,
    state: ChatState,
}

impl SetChatState {
    /// Sends `state` to the dialog that `conversation` names.
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
        // The same state twice is the same state.
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        self.message.publish(context, Event { chat_state: self.state })
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<Published, ApiRejection> {
        Published::parse(response)
    }
}
