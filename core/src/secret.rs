//! Text that never prints.
//!
//! ```
//! use lp_connector_core::secret::Secret;
//!
//! let secret = Secret::new("k7&+%".to_owned());
//! assert_eq!(format!("{secret:?}"), "Secret(5 bytes)");
//! assert_eq!(secret.expose(), "k7&+%"); // the one way to read it, and easy to search for
//! ```

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

/// A secret or a token. `Debug` shows its length alone, there is no `Display`, and the memory is
/// wiped when the last clone goes.
///
/// Clones share one allocation. What is copied out of it, such as the body of a token request on its
/// way through an HTTP client, is out of this type's reach.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes the text over; wipe whatever else still holds it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The text itself. Every use of a secret goes through here.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True if there is no text at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A header value over the same memory, marked sensitive so that `Debug` of a request hides it.
    /// `None` if the text has bytes that no header may carry.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let shared = Bytes::from_owner(Exposed(self.clone()));
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

/// Keeps the allocation alive for as long as a header value reads from it.
struct Exposed(Secret);

impl AsRef<[u8]> for Exposed {
    fn as_ref(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_secret_nor_header() {
        let secret = Secret::new("s3cr3t".to_owned());
        let header = secret.header().unwrap();
        assert_eq!(header.as_bytes(), b"s3cr3t");
        assert!(!format!("{secret:?} {header:?}").contains("s3cr3t"));
    }

    #[test]
    fn a_header_outlives_the_secret_it_was_made_from() {
        let header = Secret::new("token".to_owned()).header().unwrap();
        assert_eq!(header.as_bytes(), b"token");
    }

    #[test]
    fn a_line_break_makes_no_header() {
        assert!(Secret::new("a\r\nb: c".to_owned()).header().is_none());
    }
}
