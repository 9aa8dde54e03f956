//! Sends a text message.
//!
//! `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
//! `ms.PublishEvent` ([protocol.md 7.3](crate::protocol#7.3))

use std::fmt;

use serde::Serialize;

use super::{ConversationRef, Message, Metadata, Published, ROOM, on_send};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, RelativeRequest, ResponseView,
};

/// The most characters of the JSON of a request with a text
/// ([protocol.md 7.1](crate::protocol#7.1), "Size"). They are counted as UTF-16 code units, of
/// which a text has at least as many as characters.
pub const MAX_REQUEST_CHARS: usize = 5000;

/// Sends a text message.
///
/// `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
/// `ms.PublishEvent` ([protocol.md 7.3](crate::protocol#7.3)), with AppJWT and ConsumerJWS. Not
/// [idempotent](Idempotency::NonIdempotent).
///
/// Fails with [`InvalidInput`](crate::error::ErrorKind::InvalidInput) if the text is empty, and if
/// the request exceeds [`MAX_REQUEST_CHARS`]. Fails with
/// [`ConversationClosed`](crate::error::ErrorKind::ConversationClosed) if the conversation is
/// closed ([protocol.md 7.11](crate::protocol#7.11)). `Debug` shows only the text's length.
#[derive(Clone)]
pub struct SendText {
    message: Message,
    text: String,
}

impl SendText {
    /// Sends `text` to the dialog that `conversation` names.
    #[must_use]
    pub fn new(conversation: &ConversationRef, text: impl Into<String>) -> Self {
        Self { message: Message::new(conversation), text: text.into() }
    }

    /// Sets the metadata ([protocol.md 7.9](crate::protocol#7.9)): an array, or its only element.
    /// The answer to structured content repeats the metadata of the clicked element unchanged.
    /// Default: none.
    #[must_use]
    pub fn metadata(mut self, metadata: serde_json::Value) -> Self {
        self.message.metadata = Metadata::of(metadata);
        self
    }
}

impl fmt::Debug for SendText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, text } = self;
        f.debug_struct("SendText").field("message", message).field("text_len", &text.len()).finish()
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "ContentEvent", rename_all = "camelCase")]
struct Event<'a> {
    content_type: &'static str,
    message: &'a str,
}

impl Operation for SendText {
    type Output = Published;

    const NAME: &'static str = "send_text";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        Idempotency::NonIdempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        if self.text.is_empty() {
            return Err(InvalidInput::new("the text is empty"));
        }
        let event = Event { content_type: "text/plain", message: &self.text };
        let request = self.message.publish_in(context, event, self.room())?;
        // A text has no more characters than bytes.
        if request.body().len() <= MAX_REQUEST_CHARS {
            return Ok(request);
        }
        let characters = characters(request.body());
        if characters > MAX_REQUEST_CHARS {
            return Err(InvalidInput::new(format!(
                "the request with this text has {characters} characters, and {MAX_REQUEST_CHARS} \
                 is the most that the service takes: shorten the text by {}, or send it in parts",
                characters - MAX_REQUEST_CHARS
            )));
        }
        Ok(request)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<Published, ApiRejection> {
        Published::parse(response)
    }
}

/// The request with an empty text and empty ids. The request's id is a UUID.
const FRAME: &str = concat!(
    r#"{"kind":"req","id":"00000000-0000-0000-0000-000000000000","type":"ms.PublishEvent","#,
    r#""body":{"dialogId":"","conversationId":"","event":{"type":"ContentEvent","#,
    r#""contentType":"text/plain","message":""}}}"#
);

impl SendText {
    /// The request's size in bytes. It is exact without escapes and metadata: a full buffer is
    /// shared without another allocation.
    pub(super) fn room(&self) -> usize {
        let to = &self.message.to;
        let metadata = if self.message.metadata.0.is_some() { ROOM } else { 0 };
        let ids = to.dialog_text().len() + to.id().as_str().len();
        FRAME.len() + ids + self.text.len() + metadata
    }
}

/// The length of JSON in UTF-16 code units: two for a character of four bytes, one for any other.
fn characters(json: &[u8]) -> usize {
    json.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
        + json.iter().filter(|byte| **byte >= 0xf0).count()
}
