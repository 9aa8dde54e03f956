//! A text (protocol.md 7.3).

use std::fmt;

use serde::Serialize;

use super::{ConversationRef, Message, Metadata, Published, ROOM, on_send};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, RelativeRequest, ResponseView,
};

/// The longest request that may carry a text, in characters of its JSON (protocol.md 7.2, "Size").
/// Counted as UTF-16 has them, which is never fewer than any other count.
pub const MAX_REQUEST_CHARS: usize = 5000;

/// Sends a text (protocol.md 7.3).
///
/// Refused before anything leaves: an empty text, and one whose request would be over
/// [`MAX_REQUEST_CHARS`]. `Debug` shows the text's length alone.
#[derive(Clone)]
pub struct SendText {
    message: Message,
    text: String,
}

impl SendText {
    /// A text for the main dialog.
    #[must_use]
    pub fn new(conversation: &ConversationRef, text: impl Into<String>) -> Self {
        Self { message: Message::new(conversation), text: text.into() }
    }

    /// The metadata that goes with it (protocol.md 7.9): an array, or one element of it. For an answer to
    /// structured content, the button's own, exactly as it came.
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
        // No count of characters is higher than that of bytes.
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

/// The request of an empty text with empty ids (the request's own id is a UUID).
const FRAME: &str = concat!(
    r#"{"kind":"req","id":"00000000-0000-0000-0000-000000000000","type":"ms.PublishEvent","#,
    r#""body":{"dialogId":"","conversationId":"","event":{"type":"ContentEvent","#,
    r#""contentType":"text/plain","message":""}}}"#
);

impl SendText {
    /// The bytes of the request, exactly, unless something needs escapes or there is metadata: a body
    /// that fills its memory is shared without another allocation.
    pub(super) fn room(&self) -> usize {
        let to = &self.message.to;
        let metadata = if self.message.metadata.0.is_some() { ROOM } else { 0 };
        let ids = to.dialog_text().len() + to.id().as_str().len();
        FRAME.len() + ids + self.text.len() + metadata
    }
}

/// The length of JSON in UTF-16 units: two for each character of four bytes, one for any other.
fn characters(json: &[u8]) -> usize {
    json.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
        + json.iter().filter(|byte| **byte >= 0xf0).count()
}
