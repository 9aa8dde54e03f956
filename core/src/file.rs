//! Sending a file: three steps that go on where they were broken off (protocol.md 8).
//!
//! An [`Upload`] is a machine as [`Call`](crate::connector::Call) is, over three operations: ask for a
//! signed address, put the bytes there, publish. The address lives for a minute; when it has ended, or
//! the storage service says so, another is asked for. An adapter's `upload` drives it; called again
//! after an error it goes on with the step that failed.
//!
//! ```
//! use lp_connector_core::file::{Upload, UploadStep};
//! use lp_connector_core::conversation::Conversation;
//! use lp_connector_core::id::{ConversationId, ExtConsumerId};
//! use lp_connector_core::time::Mono;
//!
//! let ada = ExtConsumerId::new("pigeon-ring-0042")?;
//! let conversation = Conversation::new(ada, ConversationId::new("5f0c")?);
//! let upload = Upload::new(&conversation, "ring.png", vec![0x89, b'P', b'N', b'G'])?;
//! assert!(matches!(upload.poll(Mono::ZERO), UploadStep::AskUrl(_)));
//!
//! let refused = Upload::new(&conversation, "virus.exe", vec![0; 10]).unwrap_err();
//! assert!(refused.to_string().contains("JPG, JPEG, PNG or GIF"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::api::{
    GenerateUploadUrl, HostedFile, InvalidInput, Published, PutFile, SendFile, SignedUrl,
};
use crate::conversation::Conversation;
use crate::error::Error;
use crate::time::Mono;

/// The types that are documented (protocol.md 8.1).
pub const FILE_TYPES: [&str; 4] = ["JPG", "JPEG", "PNG", "GIF"];

/// The most bytes that a file may have: 3 MB, read as narrowly as it can be (protocol.md 8.1).
pub const MAX_FILE: usize = 3_000_000;

/// An address is used for no longer: it lives a minute, and the way there takes some of it
/// (protocol.md 8.2).
const URL_LIFE: Duration = Duration::from_secs(50);

/// How many addresses are asked for before the storage service is believed to refuse them all.
const MAX_URLS: u32 = 3;

/// A file on its way to the agent. `Debug` shows its type and size.
#[derive(Clone)]
pub struct Upload {
    conversation: Conversation,
    bytes: Arc<[u8]>,
    file_type: String,
    caption: String,
    preview: Option<String>,
    state: State,
    urls: u32,
}

#[derive(Clone, Debug)]
enum State {
    NoUrl,
    Url { url: SignedUrl, until: Mono },
    Stored { relative_path: String },
    Published(Published),
}

/// What is to be done next.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle every step")]
pub enum UploadStep {
    /// Do this, and report with [`Upload::url`].
    AskUrl(GenerateUploadUrl),
    /// Do this, and report with [`Upload::stored`].
    Put(PutFile),
    /// Do this, and report with [`Upload::published`].
    Publish(SendFile),
    /// Over.
    Done(Published),
}

impl Upload {
    /// A file of this name, whose ending says its type.
    ///
    /// # Errors
    /// [`InvalidInput`] for a type that is not among [`FILE_TYPES`], for no bytes, and for more than
    /// [`MAX_FILE`].
    pub fn new(
        conversation: &Conversation,
        name: &str,
        bytes: impl Into<Arc<[u8]>>,
    ) -> Result<Self, InvalidInput> {
        let bytes = bytes.into();
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_uppercase();
        if !FILE_TYPES.contains(&ending.as_str()) {
            return Err(InvalidInput::new("the file's name must end with JPG, JPEG, PNG or GIF"));
        }
        if bytes.is_empty() {
            return Err(InvalidInput::new("the file is empty"));
        }
        if bytes.len() > MAX_FILE {
            return Err(InvalidInput::new(format!(
                "the file has {} bytes, and {MAX_FILE} is the most: make it smaller",
                bytes.len()
            )));
        }
        Ok(Self {
            conversation: conversation.clone(),
            bytes,
            file_type: ending,
            caption: String::new(),
            preview: None,
            state: State::NoUrl,
            urls: 0,
        })
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

    /// Says what to do next.
    #[must_use]
    pub fn poll(&self, now: Mono) -> UploadStep {
        match &self.state {
            State::Published(published) => UploadStep::Done(*published),
            State::Stored { relative_path } => {
                let file = HostedFile::new(relative_path, &self.file_type).caption(&self.caption);
                let file = match &self.preview {
                    Some(preview) => file.preview(preview),
                    None => file,
                };
                UploadStep::Publish(self.conversation.file(file))
            }
            State::Url { url, until } if now < *until => {
                UploadStep::Put(PutFile::new(url.clone(), self.bytes.clone()))
            }
            State::NoUrl | State::Url { .. } => {
                let size = self.bytes.len() as u64;
                UploadStep::AskUrl(self.conversation.upload_url(size, &self.file_type))
            }
        }
    }

    /// An address was given, that was asked for at `asked`.
    pub fn url(&mut self, url: SignedUrl, asked: Mono) {
        self.urls += 1;
        self.state = State::Url { url, until: asked + URL_LIFE };
    }

    /// How putting it there went. An address that has ended is no error: another is asked for.
    ///
    /// # Errors
    /// `result`'s own.
    pub fn stored(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        match (&self.state, result) {
            (State::Url { url, .. }, Ok(())) => {
                self.state = State::Stored { relative_path: url.relative_path().to_owned() };
                Ok(())
            }
            (_, Ok(())) => Ok(()),
            (_, Err(error)) if error.status() == Some(401) && self.urls < MAX_URLS => {
                self.state = State::NoUrl;
                Ok(())
            }
            (_, Err(error)) => Err(error),
        }
    }

    /// It was published.
    pub fn published(&mut self, published: Published) {
        self.state = State::Published(published);
    }

    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Where it lies, once it is stored.
    #[must_use]
    pub fn relative_path(&self) -> Option<&str> {
        match &self.state {
            State::Stored { relative_path } => Some(relative_path),
            State::Url { url, .. } => Some(url.relative_path()),
            _ => None,
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("file_type", &self.file_type)
            .field("len", &self.bytes.len())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
