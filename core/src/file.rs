//! Sends a file in three resumable steps ([protocol.md 8](crate::protocol#8)).
//!
//! A [`File`] is validated bytes with a type. An [`Upload`] sends it to a conversation. It is a
//! sans-IO machine, like [`Call`](crate::connector::Call), over three operations: request a signed
//! URL, upload the bytes, publish the message. A URL is valid for a minute; the upload requests
//! another when it has expired or the storage service rejects it. A client's `upload` drives the
//! machine. Called again after an error, it resumes with the failed step. An `Upload` can be stored
//! (serde) and resumed after a restart.
//!
//! ```
//! use lp_connector_core::api::ConversationRef;
//! use lp_connector_core::file::{File, Upload, UploadStep};
//! use lp_connector_core::id::{ConversationId, ExtConsumerId};
//! use lp_connector_core::time::Mono;
//!
//! let ada = ExtConsumerId::new("pigeon-ring-0042")?;
//! let conversation = ConversationRef::new(ada, ConversationId::new("5f0c")?);
//! let file = File::new("ring.png", vec![0x89, b'P', b'N', b'G'])?.caption("A ring");
//! let upload = Upload::new(&conversation, file);
//! assert!(matches!(upload.poll(Mono::ZERO), UploadStep::GetUrl(_)));
//!
//! let rejected = File::new("virus.exe", vec![0; 10]).unwrap_err();
//! assert!(rejected.to_string().contains("JPG, JPEG, PNG or GIF"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::api::{
    ConversationRef, GenerateUploadUrl, HostedFile, InvalidInput, Published, PutFile, SendFile,
    SignedUrl,
};
use crate::connector::Completed;
use crate::error::Error;
use crate::time::Mono;

/// The documented file types ([protocol.md 8.1](crate::protocol#8.1)).
pub const FILE_TYPES: &[&str] = &["JPG", "JPEG", "PNG", "GIF"];

/// The largest file, in bytes. The documents say 3 MB; this is the strictest reading
/// ([protocol.md 8.1](crate::protocol#8.1)).
pub const MAX_FILE: usize = 3_000_000;

/// How long a signed URL is used after its receipt. It is valid for a minute from when the service
/// wrote it, and its response may have taken up to 15 s to arrive
/// ([protocol.md 8.2](crate::protocol#8.2)).
const URL_LIFE: Duration = Duration::from_secs(45);

/// The most URLs to request. If the storage service rejects the last one, the upload fails.
const MAX_URLS: u32 = 3;

/// A file that can be sent: it has a documented type, is not empty and is not too large. `Debug`
/// shows only its type and size.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    #[serde(serialize_with = "base64", deserialize_with = "unbase64")]
    bytes: Bytes,
    file_type: String,
    caption: String,
    preview: Option<String>,
}

impl File {
    /// A file with this name, whose extension is its type, and these bytes.
    ///
    /// # Errors
    /// [`InvalidInput`] if the type is not in [`FILE_TYPES`], and if there are no bytes or more
    /// than [`MAX_FILE`].
    pub fn new(name: &str, bytes: impl Into<Bytes>) -> Result<Self, InvalidInput> {
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
        Ok(Self { bytes, file_type: ending, caption: String::new(), preview: None })
    }

    /// The caption. Default: empty.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    pub(crate) fn own_caption(&self) -> &str {
        &self.caption
    }

    /// A preview image, as a data URL of less than 30 KiB. Default: none.
    #[must_use]
    pub fn preview(mut self, data_url: impl Into<String>) -> Self {
        self.preview = Some(data_url.into());
        self
    }

    /// The size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What [`caption`](Self::caption) set.
    pub(crate) fn caption_text(&self) -> &str {
        &self.caption
    }

    /// The message for the file, after it is stored at `relative_path`.
    pub(crate) fn hosted(&self, relative_path: &str) -> HostedFile {
        let file = HostedFile::new(relative_path, &self.file_type).caption(&self.caption);
        match &self.preview {
            Some(preview) => file.preview(preview),
            None => file,
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("file_type", &self.file_type)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// The upload of a file to a conversation.
///
/// It can be stored (serde), with the file's bytes. The signed URL is not stored: it expires too
/// soon.
#[derive(Clone, Serialize, Deserialize)]
pub struct Upload {
    to: ConversationRef,
    file: File,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    metadata: Value,
    #[serde(serialize_with = "without_url")]
    state: State,
    /// The number of URLs that were requested.
    #[serde(skip)]
    urls: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    NoUrl,
    #[serde(skip)]
    Url {
        url: SignedUrl,
        until: Mono,
    },
    Stored {
        relative_path: String,
    },
    Published {
        sequence: Option<u64>,
        attempts: u32,
        maybe_duplicated: bool,
    },
}

/// The next step of an upload.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle every step")]
pub enum UploadStep {
    /// Call this operation, and pass its result to [`Upload::got_url`].
    GetUrl(GenerateUploadUrl),
    /// Call this operation, and pass its result to [`Upload::stored`].
    Put(PutFile),
    /// Call this operation, and pass its result to [`Upload::published`].
    Publish(SendFile),
    /// The file is published.
    Done(Completed<Published>),
}

/// The progress of an upload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UploadProgress {
    /// A signed URL is being requested.
    GettingUrl,
    /// The bytes are being stored.
    #[non_exhaustive]
    Storing {
        /// The file's size in bytes.
        bytes: usize,
    },
    /// The file is being published.
    Publishing,
    /// The agent can see it.
    Done,
}

impl Upload {
    /// An upload of `file` to `conversation`.
    #[must_use]
    pub fn new(conversation: &ConversationRef, file: File) -> Self {
        let (to, metadata) = (conversation.clone(), Value::Null);
        Self { to, file, metadata, state: State::NoUrl, urls: 0 }
    }

    /// Sets the metadata of the message ([protocol.md 7.9](crate::protocol#7.9)). Default: none.
    #[must_use]
    pub fn metadata(mut self, metadata: Value) -> Self {
        self.metadata = metadata;
        self
    }

    /// The file.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// The next step. Changes nothing.
    #[must_use]
    pub fn poll(&self, now: Mono) -> UploadStep {
        match &self.state {
            State::Published { sequence, attempts, maybe_duplicated } => {
                UploadStep::Done(Completed {
                    output: Published { sequence: *sequence },
                    attempts: *attempts,
                    maybe_duplicated: *maybe_duplicated,
                })
            }
            State::Stored { relative_path } => {
                let publish = SendFile::new(&self.to, self.file.hosted(relative_path));
                UploadStep::Publish(publish.metadata(self.metadata.clone()))
            }
            State::Url { url, until } if now < *until => {
                UploadStep::Put(PutFile::new(url.clone(), self.file.bytes.clone()))
            }
            State::NoUrl | State::Url { .. } => UploadStep::GetUrl(GenerateUploadUrl::new(
                &self.to,
                self.file.bytes.len() as u64,
                &self.file.file_type,
            )),
        }
    }

    /// The progress, for a display.
    #[must_use]
    pub fn progress(&self, now: Mono) -> UploadProgress {
        match &self.state {
            State::Published { .. } => UploadProgress::Done,
            State::Stored { .. } => UploadProgress::Publishing,
            State::Url { until, .. } if now < *until => {
                UploadProgress::Storing { bytes: self.file.bytes.len() }
            }
            State::NoUrl | State::Url { .. } => UploadProgress::GettingUrl,
        }
    }

    /// Takes in the result of [`UploadStep::GetUrl`], a URL that was received at `received`. The next
    /// step then is [`UploadStep::Put`], however long the request took.
    pub fn got_url(&mut self, url: SignedUrl, received: Mono) {
        self.urls = self.urls.saturating_add(1);
        self.state = State::Url { url, until: received + URL_LIFE };
    }

    /// Takes in the result of [`UploadStep::Put`]. After status 401 the next step requests another
    /// URL. After the third rejected URL the error is returned; a later upload requests another.
    ///
    /// # Errors
    /// The error in `result`, for any other failure.
    pub fn stored(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        match (&self.state, result) {
            (State::Url { url, .. }, Ok(())) => {
                self.state = State::Stored { relative_path: url.relative_path().to_owned() };
                Ok(())
            }
            (_, Ok(())) => Ok(()),
            (_, Err(error)) if error.status() == Some(401) => {
                self.state = State::NoUrl;
                if self.urls < MAX_URLS { Ok(()) } else { Err(error) }
            }
            (_, Err(error)) => Err(error),
        }
    }

    /// Takes in the result of [`UploadStep::Publish`].
    pub fn published(&mut self, published: Completed<Published>) {
        let Completed { output, attempts, maybe_duplicated } = published;
        self.state = State::Published { sequence: output.sequence, attempts, maybe_duplicated };
    }

    /// The file's path in the storage, once its bytes are there.
    pub(crate) fn stored_path(&self) -> Option<&str> {
        match &self.state {
            State::Stored { relative_path } => Some(relative_path),
            _ => None,
        }
    }

    /// The file's path in the storage, from when a URL is received until the message is published.
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
            .field("to", &self.to)
            .field("file", &self.file)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

fn without_url<S: Serializer>(state: &State, serializer: S) -> Result<S::Ok, S::Error> {
    match state {
        State::Url { .. } => State::NoUrl.serialize(serializer),
        other => other.serialize(serializer),
    }
}

fn base64<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn unbase64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    // The decoder's error quotes its input.
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map(Bytes::from).map_err(|_| de::Error::custom("the file is not Base64"))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
