//! Sends receipts for the agent's messages.
//!
//! `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
//! `ms.PublishEvent` ([protocol.md 7.6](crate::protocol#7.6))

use serde::Serialize;

use super::{ConversationRef, Message, Metadata, Published, on_send};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, RelativeRequest, ResponseView,
};
use crate::id::DialogId;

/// The status that a receipt reports ([protocol.md 7.6](crate::protocol#7.6)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Receipt {
    /// The messages were delivered to the consumer.
    Accept,
    /// The messages were read, and therefore delivered.
    Read,
    /// The file was opened.
    Access,
    /// The messages were not received.
    Nack,
    /// A control in structured content was used. The receipt carries the control's metadata
    /// ([protocol.md 7.9](crate::protocol#7.9)).
    Action,
}

/// Sends a receipt for messages of the other side.
///
/// `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
/// `ms.PublishEvent` ([protocol.md 7.6](crate::protocol#7.6)), with AppJWT and ConsumerJWS.
/// Idempotent, except a receipt with [`Receipt::Action`], on which a bot may act.
///
/// The receipt takes a sequence in its dialog. Fails with
/// [`InvalidInput`](crate::error::ErrorKind::InvalidInput) if it names no message.
#[derive(Clone, Debug)]
pub struct SendReceipt {
    message: Message,
    status: Receipt,
    sequences: Vec<u64>,
}

impl SendReceipt {
    /// A receipt for the messages with these sequences in the dialog that `conversation` names.
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

    /// Sets the metadata ([protocol.md 7.9](crate::protocol#7.9)): an array, or its only element.
    /// The answer to structured content repeats the metadata of the clicked element unchanged.
    /// Default: none.
    #[must_use]
    pub fn metadata(mut self, metadata: serde_json::Value) -> Self {
        self.message.metadata = Metadata::of(metadata);
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> Receipt {
        self.status
    }

    /// The dialog's id.
    #[must_use]
    pub fn dialog(&self) -> DialogId {
        self.message.to.dialog()
    }

    /// The sequences of the messages.
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
            // A bot may act on each receipt.
            Receipt::Action => Idempotency::NonIdempotent,
            // The same status twice is the same status.
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
