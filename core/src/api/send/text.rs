//! A text (protocol.md 7.3).

use std::fmt;

use serde::Serialize;

use super::{Address, Published, ROOM, addressed, on_send, with_client_properties};
use crate::api::{Answer, Context, InvalidInput, Operation, Plan, Refusal, Repeat};
use crate::id::{ConversationId, ExtConsumerId};

/// The longest request that may carry a text, in characters of its JSON (protocol.md 7.2, "Size").
/// Counted as UTF-16 has them, which is never fewer than any other count.
pub const MAX_REQUEST_CHARS: usize = 5000;

/// Sends a text (protocol.md 7.3).
///
/// Refused before anything leaves: an empty text, and one whose request would be over
/// [`MAX_REQUEST_CHARS`]. `Debug` shows the text's length alone.
#[derive(Clone)]
pub struct SendText {
    address: Address,
    text: String,
}

addressed!(SendText);

impl SendText {
    /// A text for the main dialog.
    #[must_use]
    pub fn new(
        consumer: ExtConsumerId,
        conversation: ConversationId,
        text: impl Into<String>,
    ) -> Self {
        Self { address: Address::new(consumer, conversation), text: text.into() }
    }
}

impl fmt::Debug for SendText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, text } = self;
        f.debug_struct("SendText").field("address", address).field("text_len", &text.len()).finish()
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

    fn name(&self) -> &'static str {
        "send_text"
    }

    on_send!();

    fn repeat(&self) -> Repeat {
        Repeat::Visible
    }

    fn plan(&self, context: &Context<'_>) -> Result<Plan<Published>, InvalidInput> {
        if self.text.is_empty() {
            return Err(InvalidInput::new("the text is empty"));
        }
        let event = Event { content_type: "text/plain", message: &self.text };
        let draft = self.address.publish_in(context, event, ROOM + self.text.len())?;
        // No count of characters is higher than that of bytes.
        if draft.body().len() <= MAX_REQUEST_CHARS {
            return Ok(Plan::Send(draft));
        }
        let characters = characters(draft.body());
        if characters > MAX_REQUEST_CHARS {
            return Err(InvalidInput::new(format!(
                "the request with this text has {characters} characters, and {MAX_REQUEST_CHARS} \
                 is the most that the service takes: shorten the text by {}, or send it in parts",
                characters - MAX_REQUEST_CHARS
            )));
        }
        Ok(Plan::Send(draft))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Published, Refusal> {
        Published::read(answer)
    }
}

/// The length of JSON in UTF-16 units: two for each character of four bytes, one for any other.
fn characters(json: &[u8]) -> usize {
    json.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
        + json.iter().filter(|byte| **byte >= 0xf0).count()
}
