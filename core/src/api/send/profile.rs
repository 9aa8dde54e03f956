//! What agents see of the consumer, later on (protocol.md 7.10).

use super::{Address, on_send, with_client_properties};
use crate::api::{Answer, Context, InvalidInput, Operation, Plan, Profile, Refusal, Repeat};
use crate::id::{ConversationId, ExtConsumerId};

/// Changes what agents see of the consumer (protocol.md 7.10).
#[derive(Clone, Debug)]
pub struct UpdateProfile {
    address: Address,
    profile: Profile,
}

with_client_properties!(UpdateProfile);

impl UpdateProfile {
    /// The consumer's profile from now on. A conversation is named for logs alone.
    #[must_use]
    pub fn new(consumer: ExtConsumerId, conversation: ConversationId, profile: Profile) -> Self {
        Self { address: Address::new(consumer, conversation), profile }
    }
}

impl Operation for UpdateProfile {
    type Output = ();

    fn name(&self) -> &'static str {
        "update_profile"
    }

    on_send!();

    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }

    fn plan(&self, context: &Context<'_>) -> Result<Plan<()>, InvalidInput> {
        let type_ = "userprofile.SetUserProfile";
        self.address.draft(context, type_, &self.profile).map(Plan::Send)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<(), Refusal> {
        answer.accepted().map(|_| ())
    }
}
