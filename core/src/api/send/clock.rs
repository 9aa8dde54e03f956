//! What time it is at the service (protocol.md 7.10).

use super::{ConversationRef, Message, ROOM, on_send};
use crate::api::envelope::Request;
use crate::api::response::{number, take};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, RelativeRequest, ResponseView,
};

/// Asks the service for its clock.
///
/// It belongs to the WebSocket API, where it keeps a connection alive. No page documents it for SEND,
/// and an HTTP client has nothing to keep alive (protocol.md 7.10): nothing here sends it by itself. For
/// those who send it all the same, [`KeepAlive`](crate::policy::KeepAlive) says when.
#[derive(Clone, Debug)]
pub struct GetClock {
    message: Message,
}

impl GetClock {
    /// In the name of this consumer. The conversation is named for logs alone.
    #[must_use]
    pub fn new(conversation: &ConversationRef) -> Self {
        Self { message: Message::new(conversation) }
    }
}

impl Operation for GetClock {
    /// Milliseconds since 1970.
    type Output = u64;

    const NAME: &'static str = "get_clock";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        // It has no body at all.
        let request = Request::<()>::bare(context.id(0), "GetClock");
        self.message.post(context, &request, ROOM)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<u64, ApiRejection> {
        let time = number(&take(response.accepted()?, "currentTime"));
        time.ok_or_else(|| ApiRejection::unreadable("the answer holds no currentTime"))
    }
}
