//! Whether the consumer is there and typing (protocol.md 7.5).

use serde::Serialize;

use super::{Address, Published, addressed, on_send, with_client_properties};
use crate::api::{Answer, Context, InvalidInput, Operation, Plan, Refusal, Repeat};
use crate::id::{ConversationId, ExtConsumerId};

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

#[derive(Serialize)]
#[serde(tag = "type", rename = "ChatStateEvent", rename_all = "camelCase")]
struct Event {
    chat_state: ChatState,
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
        self.address.publish(context, Event { chat_state: self.state }).map(Plan::Send)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Published, Refusal> {
        Published::read(answer)
    }
}
