//! Sends an uploaded file.
//!
//! `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
//! `ms.PublishEvent` ([protocol.md 7.4](crate::protocol#7.4), [8.3](crate::protocol#8.3))

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ConversationRef, Message, Metadata, Published, on_send};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, RelativeRequest, ResponseView,
};

/// The exclusive limit of a preview, in bytes ([protocol.md 8.1](crate::protocol#8.1)).
const MAX_PREVIEW: usize = 30 * 1024;

/// A file in LivePerson's storage ([protocol.md 8.3](crate::protocol#8.3)). It can be stored (serde).
/// `Debug` shows only its type.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostedFile {
    // Required in the schema, optional in the prose (protocol.md 14, row 30).
    caption: String,
    relative_path: String,
    file_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<String>,
}

impl HostedFile {
    /// The file at this path, from [`SignedUrl::relative_path`](super::SignedUrl::relative_path),
    /// with this type, such as `PNG`.
    #[must_use]
    pub fn new(relative_path: impl Into<String>, file_type: impl AsRef<str>) -> Self {
        Self {
            caption: String::new(),
            relative_path: relative_path.into(),
            file_type: file_type.as_ref().to_ascii_uppercase(),
            preview: None,
        }
    }

    /// The file's path in the storage.
    #[must_use]
    pub fn relative_path(&self) -> &str {
        &self.relative_path
    }

    /// The caption. Default: empty.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// A preview image, as a data URL of less than 30 KiB. Default: none.
    #[must_use]
    pub fn preview(mut self, data_url: impl Into<String>) -> Self {
        self.preview = Some(data_url.into());
        self
    }
}

impl fmt::Debug for HostedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostedFile({})", self.file_type)
    }
}

/// Sends an uploaded file to the agent ([protocol.md 8.2](crate::protocol#8.2), step 4).
///
/// `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
/// `ms.PublishEvent` ([protocol.md 8.3](crate::protocol#8.3)), with AppJWT and ConsumerJWS. Not
/// [idempotent](Idempotency::NonIdempotent).
///
/// Fails with [`InvalidInput`](crate::error::ErrorKind::InvalidInput) if the file has no path, and
/// if its preview has 30 KiB or more. Fails with
/// [`ConversationClosed`](crate::error::ErrorKind::ConversationClosed) if the conversation is
/// closed ([protocol.md 7.11](crate::protocol#7.11)).
#[derive(Clone, Debug)]
pub struct SendFile {
    message: Message,
    file: HostedFile,
}

impl SendFile {
    /// Sends `file` to the dialog that `conversation` names.
    #[must_use]
    pub fn new(conversation: &ConversationRef, file: HostedFile) -> Self {
        Self { message: Message::new(conversation), file }
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

#[derive(Serialize)]
#[serde(tag = "type", rename = "ContentEvent", rename_all = "camelCase")]
struct Event<'a> {
    content_type: &'static str,
    message: &'a HostedFile,
}

impl Operation for SendFile {
    type Output = Published;

    const NAME: &'static str = "send_file";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        Idempotency::NonIdempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        if self.file.relative_path.is_empty() {
            return Err(InvalidInput::new("the file has no path: upload it first"));
        }
        let preview = self.file.preview.as_ref().map_or(0, String::len);
        if preview >= MAX_PREVIEW {
            return Err(InvalidInput::new(format!(
                "the preview has {preview} bytes, and must have less than {MAX_PREVIEW}: make it \
                 smaller, or leave it out"
            )));
        }
        let event = Event { content_type: "hosted/file", message: &self.file };
        self.message.publish(context, event)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<Published, ApiRejection> {
        Published::parse(response)
    }
}
