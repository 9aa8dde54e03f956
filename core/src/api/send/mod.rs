//! SEND: one message, one state, one receipt, one change (protocol.md 7).

mod chat_state;
mod clock;
mod file;
mod file_url;
mod profile;
mod receipt;
mod text;
mod update;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{number, take};
use super::conversation::with_properties;
use super::request::Request;
use super::{Answer, ClientProperties, Context, Draft, InvalidInput, Refusal};
use crate::id::{ConversationId, DialogId, ExtConsumerId};

pub use chat_state::{ChatState, SetChatState};
pub use clock::GetClock;
pub use file::{HostedFile, SendFile};
pub use file_url::{GenerateDownloadUrl, GenerateUploadUrl, SignedUrl};
pub use profile::UpdateProfile;
pub use receipt::{Receipt, SendReceipt};
pub use text::{MAX_REQUEST_CHARS, SendText};
pub use update::{CloseConversation, CloseDialog, RateConversation, Rating, SetUrgency, Ttr};

/// Room for an ordinary message in bytes: two ids of 36, and what stands around them.
const ROOM: usize = 512;

/// Who sends, and where to: what all messages have in common.
#[derive(Clone, Debug)]
struct Address {
    consumer: ExtConsumerId,
    conversation: ConversationId,
    dialog: DialogId,
    properties: Option<ClientProperties>,
    metadata: Metadata,
}

impl Address {
    fn new(consumer: ExtConsumerId, conversation: ConversationId) -> Self {
        let dialog = DialogId::main_of(&conversation);
        Self { consumer, conversation, dialog, properties: None, metadata: Metadata::default() }
    }

    fn draft<B: Serialize>(
        &self,
        context: &Context<'_>,
        type_: &'static str,
        body: &B,
    ) -> Result<Draft, InvalidInput> {
        self.posted(context, &self.request(context, type_, body), ROOM)
    }

    fn request<'a, B: Serialize>(
        &'a self,
        context: &Context<'_>,
        type_: &'static str,
        body: &'a B,
    ) -> Request<'a, B> {
        Request::new(context.id(0), type_, body).metadata(self.metadata.0.as_ref())
    }

    fn posted<B: Serialize>(
        &self,
        context: &Context<'_>,
        request: &Request<'_, B>,
        room: usize,
    ) -> Result<Draft, InvalidInput> {
        let draft = Draft::post_message(context, request, room)?;
        with_properties(draft, self.properties.as_ref())
    }

    /// Publishes an event. Both ids are always sent: one page names the dialog alone, the guide and
    /// the sample send both (protocol.md 7.2).
    fn publish<E: Serialize>(
        &self,
        context: &Context<'_>,
        event: E,
    ) -> Result<Draft, InvalidInput> {
        self.publish_in(context, event, ROOM)
    }

    /// The same, where it is known how many bytes it may take.
    fn publish_in<E: Serialize>(
        &self,
        context: &Context<'_>,
        event: E,
        room: usize,
    ) -> Result<Draft, InvalidInput> {
        let body =
            PublishEvent { dialog_id: &self.dialog, conversation_id: &self.conversation, event };
        self.posted(context, &self.request(context, "ms.PublishEvent", &body), room)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PublishEvent<'a, E> {
    dialog_id: &'a DialogId,
    conversation_id: &'a ConversationId,
    event: E,
}

/// What goes with a message (protocol.md 7.9): an array, whatever was given. `Debug` shows its length.
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

/// What the operations on SEND have in common: where they go, in whose name, and about what.
macro_rules! on_send {
    () => {
        fn target(&self) -> crate::api::Target {
            crate::api::Target::Service(crate::api::Service::MESSAGING)
        }

        fn authority(&self) -> crate::api::Authority {
            crate::api::Authority::Consumer(self.address.consumer.clone())
        }

        fn conversation(&self) -> Option<&crate::id::ConversationId> {
            Some(&self.address.conversation)
        }
    };
}

/// What all operations on SEND can be told.
macro_rules! with_client_properties {
    ($operation:ident) => {
        impl $operation {
            /// The `Client-Properties` that the conversation was opened with (protocol.md 6.5).
            #[must_use]
            pub fn client_properties(mut self, properties: crate::api::ClientProperties) -> Self {
                self.address.properties = Some(properties);
                self
            }
        }
    };
}

/// What all that publish an event can be told.
macro_rules! addressed {
    ($operation:ident) => {
        with_client_properties!($operation);

        impl $operation {
            /// Sends it to another dialog than the main one, such as a survey's.
            #[must_use]
            pub fn in_dialog(mut self, dialog: crate::id::DialogId) -> Self {
                self.address.dialog = dialog;
                self
            }

            /// What goes with it (protocol.md 7.9): an array, or one element of it. For an answer to
            /// structured content, the button's own, exactly as it came.
            #[must_use]
            pub fn metadata(mut self, metadata: serde_json::Value) -> Self {
                self.address.metadata = super::Metadata::of(metadata);
                self
            }
        }
    };
}

use {addressed, on_send, with_client_properties};

/// What the service made of a published event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Published {
    /// The number of the event within its dialog: the agent's receipts refer to it (protocol.md
    /// 7.1). `None` if the answer names none; it means nothing for a chat state.
    pub sequence: Option<u64>,
}

impl Published {
    #[cfg(test)]
    pub(crate) fn with(sequence: u64) -> Self {
        Self { sequence: Some(sequence) }
    }

    fn read(answer: &Answer<'_>) -> Result<Self, Refusal> {
        if let Some(Plain { code: "OK", body }) = answer.plain() {
            return Ok(Self { sequence: Some(body.sequence) });
        }
        let sequence = number(&take(answer.accepted()?, "sequence"));
        Ok(Self { sequence })
    }
}

/// The answer as it nearly always is. Anything that differs from it is read member by member.
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
