//! Updates the consumer's profile.
//!
//! `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
//! `userprofile.SetUserProfile` ([protocol.md 7.10](crate::protocol#7.10))

use super::{ConversationRef, Message, on_send};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, Profile, RelativeRequest,
    ResponseView,
};

/// Updates the consumer's profile, which agents see.
///
/// `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
/// `userprofile.SetUserProfile` ([protocol.md 7.10](crate::protocol#7.10)), with AppJWT and
/// ConsumerJWS. Idempotent.
#[derive(Clone, Debug)]
pub struct UpdateProfile {
    message: Message,
    profile: Profile,
}

impl UpdateProfile {
    /// Sets the profile of the conversation's consumer. The conversation's id appears in logs only.
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
