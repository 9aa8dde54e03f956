//! What became of the agent's messages (protocol.md 7.6).

use serde::Serialize;

use super::{ConversationRef, Message, Metadata, Published, on_send};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, RelativeRequest, ResponseView,
};
use crate::id::DialogId;

/// What became of the other side's messages (protocol.md 7.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Receipt {
    /// They were delivered to the consumer.
    Accept,
    /// They were read, and so delivered.
    Read,
    /// A file was opened.
    Access,
    /// They were not received.
    Nack,
    /// A control in structured content was used: goes with the control's metadata (protocol.md 7.9).
    Action,
}

/// Tells what became of messages of the other side (protocol.md 7.6).
///
/// It takes a sequence of its own. Refused before anything leaves: a receipt for no message.
#[derive(Clone, Debug)]
pub struct SendReceipt {
    message: Message,
    status: Receipt,
    sequences: Vec<u64>,
}

impl SendReceipt {
    /// A receipt for the messages with these sequences, in the main dialog.
    #[must_use]
    pub fn new(
        conversation: &ConversationRef,
        status: Receipt,
        sequences: impl IntoIterator<Item = u64>,
    ) -> Self {
        Self {
            message: Message::new(conversation),
            status,
            sequences: sequences.into_iter().collect(),
        }
    }

    /// The metadata that goes with it (protocol.md 7.9): an array, or one element of it. For an answer to
    /// structured content, the button's own, exactly as it came.
    #[must_use]
    pub fn metadata(mut self, metadata: serde_json::Value) -> Self {
        self.message.metadata = Metadata::of(metadata);
        self
    }

    /// What became of them.
    #[must_use]
    pub fn status(&self) -> Receipt {
        self.status
    }

    /// The dialog.
    #[must_use]
    pub fn dialog(&self) -> DialogId {
        self.message.to.dialog()
    }

    /// The messages' sequences.
    #[must_use]
    pub fn sequences(&self) -> &[u64] {
        &self.sequences
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "AcceptStatusEvent", rename_all = "camelCase")]
struct Event<'a> {
    status: Receipt,
    sequence_list: &'a [u64],
}

impl Operation for SendReceipt {
    type Output = Published;

    const NAME: &'static str = "send_receipt";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        match self.status {
            // A bot may act on each.
            Receipt::Action => Idempotency::NonIdempotent,
            // What was read stays read.
            _ => Idempotency::Idempotent,
        }
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        if self.sequences.is_empty() {
            return Err(InvalidInput::new("the receipt is for no message: it needs a sequence"));
        }
        let event = Event { status: self.status, sequence_list: &self.sequences };
        self.message.publish(context, event)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<Published, ApiRejection> {
        Published::parse(response)
    }
}
