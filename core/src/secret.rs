//! Secrets and tokens: text that no log shows.
//!
//! ```
//! use lp_connector_core::secret::Secret;
//!
//! let secret = Secret::new("k7&+%".to_owned());
//! assert_eq!(format!("{secret:?}"), "Secret(5 bytes)");
//! assert_eq!(secret.expose(), "k7&+%"); // the only way to read it
//!
//! // From a file or a variable: what an editor or a shell puts around it goes.
//! let secret: Secret = "\u{feff}k7&+%\r\n".parse()?;
//! assert_eq!(secret.expose(), "k7&+%");
//! # Ok::<(), lp_connector_core::error::Error>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::error::Error;

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
        sensitive(Bytes::from_owner(SecretBytes(self.clone())))
    }
}

/// A header value of a token, which is zeroed when its last clone is dropped. Copies in the response and in a request are
/// not. It takes less memory than that of a [`Secret`]. `None` if a header cannot carry the text.
pub(crate) fn header_of(token: String) -> Option<HeaderValue> {
    let token = Zeroizing::new(token);
    sensitive(Bytes::from_owner(TokenBytes(Zeroizing::new(Box::from(token.as_str())))))
}

fn sensitive(shared: Bytes) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(shared).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The secret of an app install in the text of a file or a variable, without what editors and shells put
/// around it: a byte-order mark, line ends, blanks, tabs. [`Secret::new`] takes a text as it is.
///
/// # Errors
/// [`Configuration`](crate::error::ErrorKind::Configuration) if it is empty, has more than one line, or has
/// a character that no such secret has: they are printable ASCII (RFC 6749, appendix A.2).
impl FromStr for Secret {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        let fault = |c: char| match c {
            '\r' | '\n' => Some("has more than one line"),
            '\t' => Some("has a tab in it"),
            c if c.is_control() => Some("has a control character in it"),
            c if !c.is_ascii() => Some("has a character in it that is not ASCII"),
            _ => None,
        };
        if text.is_empty() {
            return Err(Error::configuration("the secret is empty"));
        }
        match text.chars().find_map(fault) {
            Some(fault) => Err(Error::configuration(format!("the secret {fault}"))),
            None => Ok(Self::new(text.to_owned())),
        }
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

/// The bytes of a token that one header value alone refers to.
struct TokenBytes(Zeroizing<Box<str>>);

impl AsRef<[u8]> for TokenBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
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
        let header = header_of("s3cr3t".to_owned()).unwrap();
        assert_eq!((header.as_bytes(), header.is_sensitive()), (&b"s3cr3t"[..], true));
        assert!(!format!("{header:?}").contains("s3cr3t"));
    }

    #[test]
    fn what_surrounds_a_secret_is_no_part_of_it() {
        for (text, secret) in [
            ("k7&+%", Ok("k7&+%")),
            ("k7\r\n\r\n", Ok("k7")),
            ("\u{feff}k7\r\n", Ok("k7")),
            (" \tk 7 \n", Ok("k 7")),
            ("\u{feff} \n", Err("is empty")),
            ("", Err("is empty")),
            ("s3cr3t\nk8", Err("more than one line")),
            ("s3cr3t\tk8", Err("a tab")),
            ("s3cr3t\0", Err("a control character")),
            ("s3cr3t\u{a0}", Err("not ASCII")),
            ("s3cr3t\u{feff}", Err("not ASCII")),
        ] {
            match (text.parse::<Secret>(), secret) {
                (Ok(read), Ok(secret)) => assert_eq!(read.expose(), secret),
                (Err(error), Err(reason)) => {
                    let shown = format!("{error:?}");
                    assert!(shown.contains(reason) && !shown.contains("s3cr3t"), "{shown}");
                }
                (read, _) => panic!("{text:?}: {:?}", read.map(|_| "taken")),
            }
        }
    }

    #[test]
    fn a_header_outlives_its_secret() {
        let header = Secret::new("token".to_owned()).header().unwrap();
        assert_eq!(header.as_bytes(), b"token");
    }

    #[test]
    fn a_secret_with_a_line_break_makes_no_header() {
        assert!(Secret::new("a\r\nb: c".to_owned()).header().is_none());
        assert!(header_of("a\r\nb: c".to_owned()).is_none());
    }
}
