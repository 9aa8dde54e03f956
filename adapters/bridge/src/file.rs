//! A file that an agent sent.

use std::fmt;

use lp_connector_core::api::ConversationRef;
use lp_connector_core::webhook::ReceivedFile;

/// A file that an agent sent. Its bytes are downloaded when they are asked for; the rest is known before.
/// `Debug` shows its type.
#[derive(Clone)]
pub struct File<D> {
    facts: FileFacts,
    pub(crate) downloads: D,
}

/// What the message says of its file.
#[derive(Clone)]
pub(crate) struct FileFacts {
    conversation: ConversationRef,
    path: String,
    file_type: Option<String>,
    caption: Option<String>,
}

impl FileFacts {
    pub(crate) fn new(conversation: ConversationRef, file: &ReceivedFile<'_>) -> Self {
        Self {
            conversation,
            path: file.relative_path.to_owned(),
            file_type: file.file_type.map(str::to_owned),
            caption: file.caption.map(str::to_owned),
        }
    }
}

impl<D> File<D> {
    pub(crate) const fn new(facts: FileFacts, downloads: D) -> Self {
        Self { facts, downloads }
    }

    /// The file type, such as `PNG`.
    #[must_use]
    pub fn file_type(&self) -> Option<&str> {
        self.facts.file_type.as_deref()
    }

    /// The media type: `image/png`, `image/jpeg`, `image/gif` or `application/pdf` for these file types, and
    /// `application/octet-stream` for any other.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        let file_type = self.facts.file_type.as_deref().unwrap_or_default();
        match file_type.to_ascii_uppercase().as_str() {
            "PNG" => "image/png",
            "JPG" | "JPEG" => "image/jpeg",
            "GIF" => "image/gif",
            "PDF" => "application/pdf",
            _ => "application/octet-stream",
        }
    }

    /// The agent's caption.
    #[must_use]
    pub fn caption(&self) -> Option<&str> {
        self.facts.caption.as_deref()
    }

    /// A name for the file: the end of its path in LivePerson's storage.
    #[must_use]
    pub fn name(&self) -> &str {
        self.facts.path.rsplit('/').next().unwrap_or_default()
    }

    /// The conversation and the path in LivePerson's storage, which a download needs.
    pub(crate) fn place(&self) -> (&ConversationRef, &str) {
        (&self.facts.conversation, &self.facts.path)
    }
}

impl<D> fmt::Debug for File<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("file_type", &self.facts.file_type).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use lp_connector_core::id::{ConversationId, ExtConsumerId};

    use super::*;

    fn file(path: &str, file_type: Option<&str>) -> File<()> {
        let consumer = ExtConsumerId::new("ada").unwrap();
        let conversation = ConversationRef::new(consumer, ConversationId::new("5f0c").unwrap());
        let (path, file_type) = (path.to_owned(), file_type.map(str::to_owned));
        File::new(FileFacts { conversation, path, file_type, caption: None }, ())
    }

    #[test]
    fn each_file_type_has_its_media_type() {
        for (file_type, media_type) in [
            (Some("PNG"), "image/png"),
            (Some("JPG"), "image/jpeg"),
            (Some("JPEG"), "image/jpeg"),
            (Some("jpeg"), "image/jpeg"),
            (Some("GIF"), "image/gif"),
            (Some("PDF"), "application/pdf"),
            (Some("DOCX"), "application/octet-stream"),
            (None, "application/octet-stream"),
        ] {
            let file = file("/v1/AUTH_async-images/label", file_type);
            assert_eq!(file.media_type(), media_type, "{file_type:?}");
        }
    }

    #[test]
    fn a_file_is_named_by_the_end_of_its_path() {
        for (path, name) in
            [("/v1/AUTH_async-images/label.png", "label.png"), ("label.png", "label.png")]
        {
            assert_eq!(file(path, Some("PNG")).name(), name, "{path}");
        }
    }
}
