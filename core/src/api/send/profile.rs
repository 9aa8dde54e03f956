//! What agents see of the consumer, later on (protocol.md 7.10).

use super::{ConversationRef, Message, on_send};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, Profile, RelativeRequest,
    ResponseView,
};

/// Changes what agents see of the consumer (protocol.md 7.10).
#[derive(Clone, Debug)]
pub struct UpdateProfile {
    message: Message,
    profile: Profile,
}

impl UpdateProfile {
    /// The consumer's profile from now on. A conversation is named for logs alone.
    #[must_use]
    pub fn new(conversation: &ConversationRef, profile: Profile) -> Self {
        Self { message: Message::new(conversation), profile }
    }
}

impl Operation for UpdateProfile {
    type Output = ();

    const NAME: &'static str = "update_profile";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let type_ = "userprofile.SetUserProfile";
        self.message.request(context, type_, &self.profile)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        response.accepted().map(|_| ())
    }
}
