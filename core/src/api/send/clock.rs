//! Requests the service's time.
//!
//! `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
//! `GetClock` ([protocol.md 7.10](crate::protocol#7.10))

use super::{ConversationRef, Message, on_send};
use crate::api::envelope::Request;
use crate::api::response::{number, take};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, RelativeRequest, ResponseView,
};

/// Requests the service's time.
///
/// `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
/// `GetClock` ([protocol.md 7.10](crate::protocol#7.10)), with AppJWT and ConsumerJWS. Idempotent.
///
/// The request belongs to the WebSocket API, where it keeps a connection alive. No page documents
/// it for SEND, and an HTTP client has nothing to keep alive, so this crate never sends it by
/// itself. [`KeepAlive`](crate::policy::KeepAlive) computes the times for programs that send it.
#[derive(Clone, Debug)]
pub struct GetClock {
    message: Message,
}

impl GetClock {
    /// A request as the conversation's consumer. The conversation's id appears in logs only.
    #[must_use]
    pub fn new(conversation: &ConversationRef) -> Self {
        Self { message: Message::new(conversation) }
    }
}

impl Operation for GetClock {
    /// The service's time, in milliseconds since 1970.
    type Output = u64;

    const NAME: &'static str = "get_clock";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        // The request has no body.
        let request = Request::<()>::bare(context.id(0), "GetClock");
        self.message.post(context, &request)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<u64, ApiRejection> {
        let time = number(&take(response.accepted()?, "currentTime"));
        time.ok_or_else(|| ApiRejection::unreadable("the answer has no currentTime"))
    }
}
