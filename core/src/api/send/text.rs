//! Sends a text message.
//!
//! `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
//! `ms.PublishEvent` ([protocol.md 7.3](crate::protocol#7.3))

use std::fmt;

use super::{ConversationRef, Message, Metadata, Published, on_send, with_properties};
use crate::api::relative_request::{ROOM, write_json};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, RelativeRequest, ResponseView,
};
use crate::json::write::write_text;

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
        let request = RelativeRequest::post_written(context, self.write(context)?);
        let request = with_properties(request, self.message.to.client_properties())?;
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

/// The request's JSON before each of its values, and behind the last.
const BEFORE_ID: &[u8] = br#"{"kind":"req","id":""#;
const AFTER_ID: &[u8] = br#"","type":"ms.PublishEvent""#;
const BEFORE_METADATA: &[u8] = br#","metadata":"#;
const BEFORE_DIALOG: &[u8] = br#","body":{"dialogId":"#;
const BEFORE_CONVERSATION: &[u8] = br#","conversationId":"#;
const BEFORE_TEXT: &[u8] =
    br#","event":{"type":"ContentEvent","contentType":"text/plain","message":"#;
const END: &[u8] = b"}}}";

impl SendText {
    /// Writes the request's JSON. It is what serde makes of the other operations' structs, whose escaping
    /// is half the cost of a message.
    fn write(&self, context: &Context<'_>) -> Result<Vec<u8>, InvalidInput> {
        let Message { to, metadata } = &self.message;
        let mut json = Vec::with_capacity(self.room());
        json.extend_from_slice(BEFORE_ID);
        json.extend_from_slice(context.id(0).as_str().as_bytes());
        json.extend_from_slice(AFTER_ID);
        if let Some(metadata) = &metadata.0 {
            json.extend_from_slice(BEFORE_METADATA);
            write_json(metadata, &mut json)?;
        }
        json.extend_from_slice(BEFORE_DIALOG);
        write_text(to.dialog_text(), &mut json);
        json.extend_from_slice(BEFORE_CONVERSATION);
        write_text(to.id().as_str(), &mut json);
        json.extend_from_slice(BEFORE_TEXT);
        write_text(&self.text, &mut json);
        json.extend_from_slice(END);
        Ok(json)
    }

    /// The request's size in bytes. It is exact without escapes and metadata: a full buffer is
    /// shared without another allocation.
    pub(super) fn room(&self) -> usize {
        const UUID: usize = 36;
        const PARTS: [&[u8]; 6] =
            [BEFORE_ID, AFTER_ID, BEFORE_DIALOG, BEFORE_CONVERSATION, BEFORE_TEXT, END];
        let to = &self.message.to;
        let metadata = if self.message.metadata.0.is_some() { ROOM } else { 0 };
        let texts = [to.dialog_text(), to.id().as_str(), &self.text];
        let quoted = texts.iter().map(|text| text.len() + r#""""#.len()).sum::<usize>();
        PARTS.iter().map(|part| part.len()).sum::<usize>() + UUID + quoted + metadata
    }
}

/// The length of JSON in UTF-16 code units: two for a character of four bytes, one for any other.
fn characters(json: &[u8]) -> usize {
    json.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
        + json.iter().filter(|byte| **byte >= 0xf0).count()
}
