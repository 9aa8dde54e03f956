//! What time it is at the service (protocol.md 7.10).

use super::{Address, ROOM, on_send, with_client_properties};
use crate::api::answer::{number, take};
use crate::api::request::Request;
use crate::api::{Answer, Context, InvalidInput, Operation, Plan, Refusal, Repeat};
use crate::id::{ConversationId, ExtConsumerId};

/// Asks the service for its clock.
///
/// It belongs to the WebSocket API, where it keeps a connection alive. No page documents it for SEND,
/// and an HTTP client has nothing to keep alive (protocol.md 7.10): nothing here sends it by itself. For
/// those who send it all the same, [`KeepAlive`](crate::policy::KeepAlive) says when.
#[derive(Clone, Debug)]
pub struct GetClock {
    address: Address,
}

with_client_properties!(GetClock);

impl GetClock {
    /// In the name of this consumer. The conversation is named for logs alone.
    #[must_use]
    pub fn new(consumer: ExtConsumerId, conversation: ConversationId) -> Self {
        Self { address: Address::new(consumer, conversation) }
    }
}

impl Operation for GetClock {
    /// Milliseconds since 1970.
    type Output = u64;

    fn name(&self) -> &'static str {
        "get_clock"
    }

    on_send!();

    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }

    fn plan(&self, context: &Context<'_>) -> Result<Plan<u64>, InvalidInput> {
        // It has no body at all.
        let request = Request::<()>::bare(context.id(0), "GetClock");
        self.address.posted(context, &request, ROOM).map(Plan::Send)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<u64, Refusal> {
        let time = number(&take(answer.accepted()?, "currentTime"));
        time.ok_or_else(|| Refusal::unreadable("the answer holds no currentTime"))
    }
}
