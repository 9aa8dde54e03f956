//! Secrets and tokens: text that no log shows.
//!
//! ```
//! use lp_connector_core::secret::Secret;
//!
//! let secret = Secret::new("k7&+%".to_owned());
//! assert_eq!(format!("{secret:?}"), "Secret(5 bytes)");
//! assert_eq!(secret.expose(), "k7&+%"); // the only way to read it
//! ```

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

/// A secret or a token. `Debug` shows only its length, and there is no `Display`.
///
/// Clones share one allocation, which is zeroed when the last of them is dropped. A copy, such as the
/// body of a token request inside an HTTP client, is not zeroed.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// A secret with this text, without copying it. Zero any other copy that you hold.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The text. This is the only way to read a secret, so a search for it finds every use.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A header value that shares the secret's memory. It is marked as sensitive, so that `Debug` of
    /// a request hides it. `None` if a header cannot carry the text.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let shared = Bytes::from_owner(SecretBytes(self.clone()));
        let mut value = HeaderValue::from_maybe_shared(shared).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// The bytes of a secret, kept alive by the header value that refers to them.
struct SecretBytes(Secret);

impl AsRef<[u8]> for SecretBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_the_secret_nor_its_header() {
        let secret = Secret::new("s3cr3t".to_owned());
        let header = secret.header().unwrap();
        assert_eq!(header.as_bytes(), b"s3cr3t");
        assert!(!format!("{secret:?} {header:?}").contains("s3cr3t"));
    }

    #[test]
    fn a_header_outlives_its_secret() {
        let header = Secret::new("token".to_owned()).header().unwrap();
        assert_eq!(header.as_bytes(), b"token");
    }

    #[test]
    fn a_secret_with_a_line_break_makes_no_header() {
        assert!(Secret::new("a\r\nb: c".to_owned()).header().is_none());
    }
}
