//! A file that was uploaded (protocol.md 7.4, 8.3).

use std::fmt;

use serde::Serialize;

use super::{ConversationRef, Message, Metadata, Published, on_send};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, RelativeRequest, ResponseView,
};

/// A preview must be smaller than this, in bytes (protocol.md 8.1).
const MAX_PREVIEW: usize = 30 * 1024;

/// A file that LivePerson holds already (protocol.md 8.3). `Debug` shows its type alone.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostedFile {
    // Required by the schema, optional by the prose (protocol.md 14, row 30).
    caption: String,
    relative_path: String,
    file_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<String>,
}

impl HostedFile {
    /// The file at this path, as the upload's answer gave it, of this type, such as `PNG`.
    #[must_use]
    pub fn new(relative_path: impl Into<String>, file_type: impl AsRef<str>) -> Self {
        Self {
            caption: String::new(),
            relative_path: relative_path.into(),
            file_type: file_type.as_ref().to_ascii_uppercase(),
            preview: None,
        }
    }

    /// What is written under it.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// A small picture of it, as a data URL of less than 30 KB.
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

/// Shows the agent a file that was uploaded (protocol.md 8.2, step 4).
///
/// Refused before anything leaves: no path, and a preview of 30 KB or more.
#[derive(Clone, Debug)]
pub struct SendFile {
    message: Message,
    file: HostedFile,
}

impl SendFile {
    /// A file for the main dialog.
    #[must_use]
    pub fn new(conversation: &ConversationRef, file: HostedFile) -> Self {
        Self { message: Message::new(conversation), file }
    }

    /// The metadata that goes with it (protocol.md 7.9): an array, or one element of it. For an answer to
    /// structured content, the button's own, exactly as it came.
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
