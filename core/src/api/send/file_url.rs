//! Requests signed URLs, to upload and to download files.
//!
//! `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, types
//! `ms.GenerateURLForUploadFile` ([protocol.md 8.2](crate::protocol#8.2), step 1) and
//! `ms.GenerateURLForDownloadFile` ([protocol.md 8.2](crate::protocol#8.2), step 5)

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{ConversationRef, Message, on_send};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, RelativeRequest, ResponseView,
};

/// A signed URL of the storage service, valid for about a minute
/// ([protocol.md 8.2](crate::protocol#8.2)). It is a credential to read or write the file, so
/// `Debug` shows only its path.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedUrl {
    relative_path: String,
    query: Vec<(String, String)>,
}

impl SignedUrl {
    /// The file's path, which identifies the file even after the URL has expired.
    #[must_use]
    pub fn relative_path(&self) -> &str {
        &self.relative_path
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = &str> {
        segments(&self.relative_path)
    }

    pub(crate) fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn parse(response: &ResponseView<'_>) -> Result<Self, ApiRejection> {
        let mut body = response.accepted()?;
        let mut member = |name: &str| body.get_mut(name).map(Value::take);
        let Some(Value::String(relative_path)) = member("relativePath") else {
            return Err(ApiRejection::unreadable("the answer has no relativePath"));
        };
        let Some(Value::Object(params)) = member("queryParams") else {
            return Err(ApiRejection::unreadable("the answer has no queryParams"));
        };
        if segments(&relative_path).any(|segment| matches!(segment, "." | ".." | "")) {
            return Err(ApiRejection::unreadable("the answer's relativePath is invalid"));
        }
        let query = params.into_iter().filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            Value::Number(number) => Some((name, number.to_string())),
            _ => None,
        });
        Ok(Self { relative_path, query: query.collect() })
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedUrl({:?})", self.relative_path)
    }
}

/// The segments of a path. It begins with one slash, and with two on some pages
/// ([protocol.md 14](crate::protocol#14), row 32).
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// Requests a signed URL to upload a file. [`PutFile`](crate::api::PutFile) uses it.
///
/// `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
/// `ms.GenerateURLForUploadFile` ([protocol.md 8.2](crate::protocol#8.2), step 1), with AppJWT and
/// ConsumerJWS. Idempotent: an unused URL expires.
#[derive(Clone, Debug)]
pub struct GenerateUploadUrl {
    message: Message,
    size: u64,
    file_type: String,
}

impl GenerateUploadUrl {
    /// Requests a URL for a file of this size in bytes and this type, such as `PNG`.
    #[must_use]
    pub fn new(conversation: &ConversationRef, size: u64, file_type: impl AsRef<str>) -> Self {
        Self {
            message: Message::new(conversation),
            size,
            file_type: file_type.as_ref().to_ascii_uppercase(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UploadBody<'a> {
    // Text in the schema, a number in one tutorial (protocol.md 14, row 31).
    file_size: String,
    file_type: &'a str,
}

impl Operation for GenerateUploadUrl {
    type Output = SignedUrl;

    const NAME: &'static str = "generate_upload_url";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        // An unused URL expires.
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let body = UploadBody { file_size: self.size.to_string(), file_type: &self.file_type };
        self.message.request(context, "ms.GenerateURLForUploadFile", &body)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<SignedUrl, ApiRejection> {
        SignedUrl::parse(response)
    }
}

/// Requests a signed URL to download a file. [`GetFile`](crate::api::GetFile) uses it.
///
/// `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
/// `ms.GenerateURLForDownloadFile` ([protocol.md 8.2](crate::protocol#8.2), step 5), with AppJWT
/// and ConsumerJWS. Idempotent.
///
/// Fails with [`InvalidInput`](crate::error::ErrorKind::InvalidInput) if the path is empty.
#[derive(Clone)]
pub struct GenerateDownloadUrl {
    message: Message,
    relative_path: String,
}

impl GenerateDownloadUrl {
    /// Requests a URL for the file at this path, which the file's message contains.
    #[must_use]
    pub fn new(conversation: &ConversationRef, relative_path: impl Into<String>) -> Self {
        Self { message: Message::new(conversation), relative_path: relative_path.into() }
    }
}

impl fmt::Debug for GenerateDownloadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenerateDownloadUrl")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DownloadBody<'a> {
    relative_path: &'a str,
}

impl Operation for GenerateDownloadUrl {
    type Output = SignedUrl;

    const NAME: &'static str = "generate_download_url";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        if self.relative_path.is_empty() {
            return Err(InvalidInput::new("the file has no path"));
        }
        let body = DownloadBody { relative_path: &self.relative_path };
        self.message.request(context, "ms.GenerateURLForDownloadFile", &body)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<SignedUrl, ApiRejection> {
        SignedUrl::parse(response)
    }
}
