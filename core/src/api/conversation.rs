//! Opens a conversation.
//!
//! `POST /api/account/{accountId}/messaging/consumer/conversation?v=3`
//! ([protocol.md 6.1](crate::protocol#6.1))

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::envelope::Request;
use super::response::{Code, scalar, take};
use super::{
    ApiRejection, ClientProperties, Context, ConversationRef, Endpoint, Idempotency, InvalidInput,
    Operation, Principal, Profile, RelativeRequest, ResponseView, Service, client_properties,
};
use crate::error::scrub;
use crate::id::{AccountId, ConversationId, ExtConsumerId};

/// Opens a conversation for a consumer and sets the consumer's profile.
///
/// `POST /api/account/{accountId}/messaging/consumer/conversation?v=3` at the service
/// `asyncMessagingEnt` ([protocol.md 6.1](crate::protocol#6.1)), with AppJWT and ConsumerJWS. Not
/// [idempotent](Idempotency::NonIdempotent): a lost response can leave a conversation open whose id
/// is unknown.
///
/// A consumer has at most one open conversation. The call fails with
/// [`AlreadyOpen`](crate::error::ErrorKind::AlreadyOpen) if there is one. The service does not
/// return its id, so store the ids of opened conversations
/// ([protocol.md 6.6](crate::protocol#6.6)).
///
/// [`Opened::conversation`] repeats the [`ClientProperties`] with every message. If they contain
/// `AUTO_MESSAGES`, send the first message within 10 s ([protocol.md 6.5](crate::protocol#6.5)).
#[derive(Clone, Debug)]
pub struct OpenConversation {
    consumer: ExtConsumerId,
    profile: Profile,
    urgency: Option<Urgency>,
    skill: Option<String>,
    campaign: Option<Campaign>,
    context: Option<ConversationContext>,
    properties: Option<Arc<ClientProperties>>,
    last_known: Option<ConversationId>,
}

impl OpenConversation {
    /// A conversation without a profile, for any skill.
    #[must_use]
    pub fn new(consumer: ExtConsumerId) -> Self {
        Self {
            consumer,
            profile: Profile::new(),
            urgency: None,
            skill: None,
            campaign: None,
            context: None,
            properties: None,
            last_known: None,
        }
    }

    /// The consumer's profile, which agents see. Default: empty.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The target response time (`ttrDefName`). Default: not sent.
    #[must_use]
    pub fn urgency(mut self, urgency: Urgency) -> Self {
        self.urgency = Some(urgency);
        self
    }

    /// The skill to route to (`skillId`); `"-1"` is any skill. The documents advise against routing
    /// by skill. Default: not sent.
    #[must_use]
    pub fn skill(mut self, id: impl Into<String>) -> Self {
        self.skill = Some(id.into());
        self
    }

    /// The campaign and engagement (`campaignInfo`), from the Monitoring API. Default: not sent.
    #[must_use]
    pub fn campaign(mut self, campaign: Campaign) -> Self {
        self.campaign = Some(campaign);
        self
    }

    /// The ids from the Monitoring API and the consumer's language (`conversationContext`).
    /// Default: not sent.
    #[must_use]
    pub fn context(mut self, context: ConversationContext) -> Self {
        self.context = Some(context);
        self
    }

    /// The header `Client-Properties`. Default: not sent.
    #[must_use]
    pub fn client_properties(mut self, properties: ClientProperties) -> Self {
        self.properties = Some(Arc::new(properties));
        self
    }

    /// The consumer's last conversation that the program knows. An
    /// [`AlreadyOpen`](crate::error::ErrorKind::AlreadyOpen) error returns it as
    /// [`Error::open_conversation`](crate::error::Error::open_conversation).
    #[must_use]
    pub fn last_known(mut self, conversation: ConversationId) -> Self {
        self.last_known = Some(conversation);
        self
    }
}

/// The target response time of a conversation: `ttrDefName`
/// ([protocol.md 6.3](crate::protocol#6.3)) and `ttrType` ([protocol.md 7.8](crate::protocol#7.8)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the documents only name the values")]
pub enum Urgency {
    Custom,
    Normal,
    Urgent,
    Prioritized,
}

/// A campaign and its engagement: `campaignInfo` ([protocol.md 6.3](crate::protocol#6.3)). The
/// Monitoring API returns the ids as numbers; they are sent as text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Campaign {
    campaign_id: String,
    engagement_id: String,
}

impl Campaign {
    /// The campaign and engagement with these ids.
    #[must_use]
    pub fn new(campaign: impl ToString, engagement: impl ToString) -> Self {
        Self { campaign_id: campaign.to_string(), engagement_id: engagement.to_string() }
    }
}

/// The context of a conversation: `conversationContext` ([protocol.md 6.3](crate::protocol#6.3)).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConversationContext {
    #[serde(rename = "type")]
    kind: &'static str,
    /// The consumer's language, such as `en-US`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// The visitor's id, from the Monitoring API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor_id: Option<String>,
    /// The session's id, from the Monitoring API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The engagement's `contextId`, from the Monitoring API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interaction_context_id: Option<String>,
}

impl ConversationContext {
    /// An empty context.
    #[must_use]
    pub fn new() -> Self {
        Self {
            kind: "SharkContext",
            lang: None,
            visitor_id: None,
            session_id: None,
            interaction_context_id: None,
        }
    }
}

impl Default for ConversationContext {
    fn default() -> Self {
        Self::new()
    }
}

/// The result of [`OpenConversation`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The new conversation. Store it: the API does not return the id again.
    pub conversation: ConversationRef,
    /// The service's message, if it rejected the profile and opened the conversation without it.
    pub profile_rejected: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    brand_id: &'a AccountId,
    // Mandatory in a table, absent from an example (protocol.md 14, row 35).
    channel_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttr_def_name: Option<Urgency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skill_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign_info: Option<&'a Campaign>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_context: Option<&'a ConversationContext>,
}

impl Operation for OpenConversation {
    type Output = Opened;

    const NAME: &'static str = "open_conversation";

    fn endpoint(&self) -> Endpoint {
        Endpoint::Service(Service::MESSAGING)
    }

    fn principal(&self) -> Principal {
        Principal::Consumer(self.consumer.clone())
    }

    fn idempotency(&self) -> Idempotency {
        Idempotency::NonIdempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let account = context.account();
        let body = Body {
            brand_id: account,
            channel_type: "MESSAGING",
            ttr_def_name: self.urgency,
            skill_id: self.skill.as_deref(),
            campaign_info: self.campaign.as_ref(),
            conversation_context: self.context.as_ref(),
        };
        // The order matters, the ids do not (protocol.md 6.1).
        let both = (
            Request::new(context.id(0), "userprofile.SetUserProfile", &self.profile),
            Request::new(context.id(1), "cm.ConsumerRequestConversation", &body),
        );
        let path = ["api", "account", account.as_str(), "messaging", "consumer", "conversation"];
        let request = RelativeRequest::post_json(path, [("v", "3")], &both)?;
        with_properties(request, self.properties.as_deref())
    }

    /// Decides each element by its own code, whatever the HTTP status, and finds it by its
    /// position, because ids may repeat ([protocol.md 6.4](crate::protocol#6.4),
    /// [6.6](crate::protocol#6.6); 14, rows 3 and 42).
    fn parse(&self, response: &ResponseView<'_>) -> Result<Opened, ApiRejection> {
        let status = response.status();
        if !matches!(status, 200..=299 | 400) {
            return Err(response.rejection().open_conversation(self.last_known.as_ref()));
        }
        let elements = match response.parse() {
            Ok(Value::Array(elements)) => elements,
            // One envelope: a rejection of the whole request, or a bare element (protocol.md 1.4).
            Ok(one) => vec![one],
            Err(unreadable) => {
                return Err(if status == 400 { response.rejection() } else { unreadable });
            }
        };
        let mut elements = elements.into_iter();
        let (profile, conversation) = match (elements.next(), elements.next()) {
            (Some(profile), Some(conversation)) => (Some(profile), conversation),
            (Some(one), None) => (None, one),
            (None, _) => return Err(ApiRejection::unreadable("the answer is an empty array")),
        };
        let profile_rejected = profile
            .filter(|profile| matches!(Code::of(profile), Code::Failure(_) | Code::Unknown))
            .map(|profile| ApiRejection::in_envelope(status, &profile))
            .map(|rejection| scrub(&rejection.message.unwrap_or_default(), &[]));
        match Code::of(&conversation) {
            Code::Success => {}
            Code::Missing if status < 300 => {}
            Code::Unknown if status < 300 => return Err(ApiRejection::unknown_code()),
            _ => {
                let rejection = ApiRejection::in_envelope(status, &conversation);
                return Err(rejection.open_conversation(self.last_known.as_ref()));
            }
        }
        match scalar(&take(take(conversation, "body"), "conversationId")) {
            Some(id) => ConversationId::new(id)
                .map(|id| Opened { conversation: self.opened(id), profile_rejected })
                .map_err(|_| ApiRejection::unreadable("the answer's conversationId is invalid")),
            None => Err(ApiRejection::unreadable("the answer has no conversationId")),
        }
    }
}

impl OpenConversation {
    fn opened(&self, id: ConversationId) -> ConversationRef {
        let conversation = ConversationRef::new(self.consumer.clone(), id);
        conversation.shared_properties(self.properties.clone())
    }
}

/// Adds `Client-Properties`, which CONVERSATION and every SEND carry
/// ([protocol.md 6.5](crate::protocol#6.5)).
pub(super) fn with_properties(
    request: RelativeRequest,
    properties: Option<&ClientProperties>,
) -> Result<RelativeRequest, InvalidInput> {
    let Some(properties) = properties else {
        return Ok(request);
    };
    let value = properties
        .value()
        .ok_or_else(|| InvalidInput::new("the client properties cannot be written"))?;
    Ok(request.header(client_properties::HEADER, value))
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
