//! Why an endpoint rejects a request.

use std::error;
use std::fmt;

use http::StatusCode;

use super::signature::InvalidSignature;

/// Why a request is not accepted as a notification. Holds no part of the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Rejection {
    /// The method is not `POST`.
    NotPost,
    /// The body is compressed. The platform compresses none, and a small one may become huge.
    Compressed,
    /// The body is larger than the limit.
    TooLarge,
    /// The request has no signature.
    Unsigned,
    /// No secret is known for the account and client in the headers.
    UnknownApp,
    /// The signature is invalid.
    InvalidSignature(InvalidSignature),
    /// The signature uses SHA-1, and SHA-256 is required.
    Sha256Required,
}

impl Rejection {
    /// The status to answer with: 405 (say `Allow: POST` too), 415 (`Accept-Encoding: identity`), 413, or 401
    /// (`WWW-Authenticate`).
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::NotPost => StatusCode::METHOD_NOT_ALLOWED,
            Self::Compressed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unsigned
            | Self::UnknownApp
            | Self::InvalidSignature(_)
            | Self::Sha256Required => StatusCode::UNAUTHORIZED,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPost => "the request is not a POST",
            Self::Compressed => "the body has a Content-Encoding",
            Self::TooLarge => "the notification is larger than the limit",
            Self::Unsigned => "the notification has no x-liveperson-signature",
            Self::UnknownApp => "no secret is known for the account and client in the headers",
            Self::InvalidSignature(invalid) => return invalid.fmt(f),
            Self::Sha256Required => {
                "the notification is signed with SHA-1, and SHA-256 is required"
            }
        })
    }
}

impl error::Error for Rejection {}
