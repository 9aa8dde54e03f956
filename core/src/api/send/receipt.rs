//! What became of the agent's messages (protocol.md 7.6).

use serde::Serialize;

use super::{Address, Published, addressed, on_send, with_client_properties};
use crate::api::{Answer, Context, InvalidInput, Operation, Plan, Refusal, Repeat};
use crate::id::{ConversationId, DialogId, ExtConsumerId};

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
    address: Address,
    status: Receipt,
    sequences: Vec<u64>,
}

addressed!(SendReceipt);

impl SendReceipt {
    /// A receipt for the messages with these sequences, in the main dialog.
    #[must_use]
    pub fn new(
        consumer: ExtConsumerId,
        conversation: ConversationId,
        status: Receipt,
        sequences: impl IntoIterator<Item = u64>,
    ) -> Self {
        let address = Address::new(consumer, conversation);
        Self { address, status, sequences: sequences.into_iter().collect() }
    }

    /// What became of them.
    #[must_use]
    pub fn status(&self) -> Receipt {
        self.status
    }

    /// The dialog.
    #[must_use]
    pub fn dialog(&self) -> &DialogId {
        &self.address.dialog
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

    fn name(&self) -> &'static str {
        "send_receipt"
    }

    on_send!();

    fn repeat(&self) -> Repeat {
        match self.status {
            // A bot may act on each.
            Receipt::Action => Repeat::Visible,
            // What was read stays read.
            _ => Repeat::Idempotent,
        }
    }

    fn plan(&self, context: &Context<'_>) -> Result<Plan<Published>, InvalidInput> {
        if self.sequences.is_empty() {
            return Err(InvalidInput::new("the receipt is for no message: it needs a sequence"));
        }
        let event = Event { status: self.status, sequence_list: &self.sequences };
        self.address.publish(context, event).map(Plan::Send)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Published, Refusal> {
        Published::read(answer)
    }
}
