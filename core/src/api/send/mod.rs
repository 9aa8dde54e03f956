//! SEND: sends a text, a file, a chat state or a receipt, or updates the conversation.
//!
//! `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`
//! ([protocol.md 7.1](crate::protocol#7.1))

mod chat_state;
mod clock;
mod conversation_ref;
mod file;
mod file_url;
mod profile;
mod receipt;
mod text;
mod update;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::conversation::with_properties;
use super::envelope::Request;
use super::response::{number, take};
use super::{ApiRejection, Context, InvalidInput, RelativeRequest, ResponseView};
use crate::id::ConversationId;

pub use chat_state::{ChatState, SetChatState};
pub use clock::GetClock;
pub use conversation_ref::ConversationRef;
pub use file::{HostedFile, SendFile};
pub use file_url::{GenerateDownloadUrl, GenerateUploadUrl, SignedUrl};
pub use profile::UpdateProfile;
pub use receipt::{Receipt, SendReceipt};
pub use text::{MAX_REQUEST_CHARS, SendText};
pub use update::{
    CloseConversation, CloseDialog, RateConversation, Rating, Resolution, SetUrgency,
};

/// The parts that all SEND operations share: the conversation and the metadata.
#[derive(Clone, Debug)]
struct Message {
    to: ConversationRef,
    metadata: Metadata,
}

impl Message {
    fn new(to: &ConversationRef) -> Self {
        Self { to: to.clone(), metadata: Metadata::default() }
    }

    /// A request with this type and body.
    fn request<B: Serialize>(
        &self,
        context: &Context<'_>,
        type_: &'static str,
        body: &B,
    ) -> Result<RelativeRequest, InvalidInput> {
        self.post(context, &self.envelope(context, type_, body))
    }

    fn envelope<'a, B: Serialize>(
        &'a self,
        context: &Context<'_>,
        type_: &'static str,
        body: &'a B,
    ) -> Request<'a, B> {
        Request::new(context.id(0), type_, body).metadata(self.metadata.0.as_ref())
    }

    fn post<B: Serialize>(
        &self,
        context: &Context<'_>,
        request: &Request<'_, B>,
    ) -> Result<RelativeRequest, InvalidInput> {
        let request = RelativeRequest::post_message(context, request)?;
        with_properties(request, self.to.client_properties())
    }

    /// Publishes an event. It always sends both ids, like the guide and the sample; one page shows
    /// the dialog's only ([protocol.md 7.2](crate::protocol#7.2)).
    fn publish<E: Serialize>(
        &self,
        context: &Context<'_>,
        event: E,
    ) -> Result<RelativeRequest, InvalidInput> {
        let (dialog_id, conversation_id) = (self.to.dialog_text(), self.to.id());
        let body = PublishEvent { dialog_id, conversation_id, event };
        self.request(context, "ms.PublishEvent", &body)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PublishEvent<'a, E> {
    dialog_id: &'a str,
    conversation_id: &'a ConversationId,
    event: E,
}

/// The metadata of a request ([protocol.md 7.9](crate::protocol#7.9)), always an array. `Debug`
/// shows its length.
#[derive(Clone, Default)]
struct Metadata(Option<Value>);

impl Metadata {
    fn of(value: Value) -> Self {
        Self(match value {
            Value::Null => None,
            Value::Array(all) if all.is_empty() => None,
            array @ Value::Array(_) => Some(array),
            one => Some(Value::Array(vec![one])),
        })
    }
}

impl std::fmt::Debug for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let length = self.0.as_ref().and_then(Value::as_array).map_or(0, Vec::len);
        write!(f, "Metadata({length})")
    }
}

/// The methods that all SEND operations share: endpoint, principal and conversation.
macro_rules! on_send {
    () => {
        fn endpoint(&self) -> crate::api::Endpoint {
            crate::api::Endpoint::Service(crate::api::Service::MESSAGING)
        }

        fn principal(&self) -> crate::api::Principal {
            crate::api::Principal::Consumer(self.message.to.consumer().clone())
        }

        fn conversation(&self) -> Option<&crate::id::ConversationId> {
            Some(self.message.to.id())
        }
    };
}

use on_send;

/// The service's response to a published event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Published {
    /// The event's sequence within its dialog, to which the agent's receipts refer
    /// ([protocol.md 7.1](crate::protocol#7.1)). `None` if the response has none. For a chat state
    /// it has no meaning.
    pub sequence: Option<u64>,
}

impl Published {
    #[cfg(test)]
    pub(crate) fn with(sequence: u64) -> Self {
        Self { sequence: Some(sequence) }
    }

    fn parse(response: &ResponseView<'_>) -> Result<Self, ApiRejection> {
        if let Some(Plain { code: "OK", body }) = response.plain() {
            return Ok(Self { sequence: Some(body.sequence) });
        }
        let sequence = number(&take(response.accepted()?, "sequence"));
        Ok(Self { sequence })
    }
}

/// The usual response, parsed without allocation. Others are parsed member by member.
#[derive(Deserialize)]
struct Plain<'a> {
    code: &'a str,
    body: PlainBody,
}

#[derive(Deserialize)]
struct PlainBody {
    sequence: u64,
}

#[cfg(test)]
mod tests;
