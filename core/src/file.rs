//! Sending a file: three steps that go on where they were broken off (protocol.md 8).
//!
//! A [`File`] is a name and bytes that were checked. An [`Upload`] brings it to a conversation: a machine
//! as [`Call`](crate::connector::Call) is, over three operations: get a signed URL, put the bytes there,
//! publish. The URL lives for a minute; when it has expired, or the storage service says so, another is
//! requested. A client's `upload` drives it; called again after an error it goes on with the step that
//! failed. An `Upload` can be stored (serde), so that it goes on after a restart too.
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

/// The types that are documented (protocol.md 8.1).
pub const FILE_TYPES: &[&str] = &["JPG", "JPEG", "PNG", "GIF"];

/// The most bytes that a file may have: 3 MB, read as narrowly as it can be (protocol.md 8.1).
pub const MAX_FILE: usize = 3_000_000;

/// A signed URL is used for no longer: it lives a minute, and the way there takes some of it
/// (protocol.md 8.2).
const URL_LIFE: Duration = Duration::from_secs(50);

/// How many URLs are requested before the storage service is believed to refuse them all.
const MAX_URLS: u32 = 3;

/// A file that can be sent: of a documented type, not empty and not too large. `Debug` shows its type and
/// size.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    #[serde(serialize_with = "base64", deserialize_with = "unbase64")]
    bytes: Bytes,
    file_type: String,
    caption: String,
    preview: Option<String>,
}

impl File {
    /// A file of this name, whose ending says its type.
    ///
    /// # Errors
    /// [`InvalidInput`] for a type that is not among [`FILE_TYPES`], for no bytes, and for more than
    /// [`MAX_FILE`].
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

    /// The text under it.
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

    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The file as it is published, once it lies at `relative_path`.
    fn hosted(&self, relative_path: &str) -> HostedFile {
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

/// A file on its way to the agent.
///
/// It can be stored (serde), with the file's bytes. A signed URL is not stored: it has expired by then.
#[derive(Clone, Serialize, Deserialize)]
pub struct Upload {
    to: ConversationRef,
    file: File,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    metadata: Value,
    #[serde(serialize_with = "without_url")]
    state: State,
    /// How many URLs were requested.
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

/// What is to be done next.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle every step")]
pub enum UploadStep {
    /// Call this, and report with [`Upload::got_url`].
    GetUrl(GenerateUploadUrl),
    /// Call this, and report with [`Upload::stored`].
    Put(PutFile),
    /// Call this, and report with [`Upload::published`].
    Publish(SendFile),
    /// It is over.
    Done(Completed<Published>),
}

/// How far an upload has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UploadProgress {
    /// A signed URL is requested.
    GettingUrl,
    /// The bytes are being stored.
    #[non_exhaustive]
    Storing {
        /// How many there are.
        bytes: usize,
    },
    /// The file is being published.
    Publishing,
    /// The agent can see it.
    Done,
}

impl Upload {
    /// Brings `file` to `conversation`.
    #[must_use]
    pub fn new(conversation: &ConversationRef, file: File) -> Self {
        let (to, metadata) = (conversation.clone(), Value::Null);
        Self { to, file, metadata, state: State::NoUrl, urls: 0 }
    }

    /// The metadata that goes with the message (protocol.md 7.9).
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

    /// Says what to do next.
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

    /// Says how far it has come, for a progress display.
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

    /// A signed URL was given, that was requested at `requested`.
    pub fn got_url(&mut self, url: SignedUrl, requested: Mono) {
        self.urls += 1;
        self.state = State::Url { url, until: requested + URL_LIFE };
    }

    /// Says how storing it went. A URL that has expired is no error: another is requested.
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
    pub fn published(&mut self, published: Completed<Published>) {
        let Completed { output, attempts, maybe_duplicated } = published;
        self.state = State::Published { sequence: output.sequence, attempts, maybe_duplicated };
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
    // The decoder's own error quotes what it was given.
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map(Bytes::from).map_err(|_| de::Error::custom("the file is not Base64"))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
