//! A type for every identifier, so that none is taken for another.
//!
//! All are opaque text: not empty, at most 256 bytes, no control characters. Clones are cheap.
//!
//! ```
//! use lp_connector_core::id::{ConversationId, DialogId, ExtConsumerId};
//!
//! let consumer = ExtConsumerId::new("pigeon-ring-0042")?;
//! let conversation: ConversationId = "5f0c2f4e-3c1d-4f55-9a64-0d8f1d9a7e21".parse()?;
//! assert_eq!(DialogId::main_of(&conversation).as_str(), conversation.as_str());
//! assert!(ExtConsumerId::new("").is_err());
//! # let _ = consumer;
//! # Ok::<(), lp_connector_core::id::InvalidId>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The most bytes that an identifier may have. The protocol names no limit for most of them
/// ([protocol.md 5](crate::protocol#5) and [14](crate::protocol#14), open points), and none in any
/// example is longer than 80.
pub const MAX_ID_BYTES: usize = 256;

/// Text that cannot be an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidId {
    what: &'static str,
    why: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid {}: {}", self.what, self.why)
    }
}

impl std::error::Error for InvalidId {}

fn check(what: &'static str, text: &str) -> Result<(), InvalidId> {
    let why = if text.is_empty() {
        "it is empty"
    } else if text.len() > MAX_ID_BYTES {
        "it is longer than 256 bytes"
    } else if has_controls(text) {
        "it has control characters"
    } else if text == "." || text == ".." {
        // As a path segment either would change which resource is asked for, encoded or not.
        "it is a relative path"
    } else {
        return Ok(());
    };
    Err(InvalidId { what, why })
}

fn has_controls(text: &str) -> bool {
    // All at once, as nearly all ids can be looked at.
    let plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, 0x20..=0x7e));
    !plain && text.chars().any(char::is_control)
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is, with no trimming.
            ///
            /// # Errors
            /// [`InvalidId`] if it is empty, over [`MAX_ID_BYTES`], has control characters, or is
            /// `.` or `..`.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                check($what, text)?;
                Ok(Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(text).map_err(de::Error::custom)
            }
        }
    };
}

identifier!(
    /// The account (= brand = site): the tenant ([protocol.md 1.2](crate::protocol#1.2)).
    AccountId,
    "account id"
);
identifier!(
    /// The app installation, also called installation id ([protocol.md 1.2](crate::protocol#1.2)).
    ClientId,
    "client id"
);
identifier!(
    /// The consumer as the connector knows it. Choose values that cannot be guessed
    /// ([protocol.md 5](crate::protocol#5)).
    ExtConsumerId,
    "external consumer id"
);
identifier!(
    /// The consumer as LivePerson knows it; the id that webhooks carry
    /// ([protocol.md 5](crate::protocol#5)).
    LpConsumerId,
    "LivePerson consumer id"
);
identifier!(
    /// A conversation: at most one open per consumer at a time
    /// ([protocol.md 1.2](crate::protocol#1.2)).
    ConversationId,
    "conversation id"
);
identifier!(
    /// A strand inside a conversation: the main dialog, or a survey
    /// ([protocol.md 1.2](crate::protocol#1.2)).
    DialogId,
    "dialog id"
);

impl DialogId {
    /// The main dialog of a conversation, whose id is the conversation's own
    /// ([protocol.md 1.2](crate::protocol#1.2)).
    #[must_use]
    pub fn main_of(conversation: &ConversationId) -> Self {
        Self(conversation.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_identifier_can_be_is_refused_with_the_reason() {
        let too_long = "x".repeat(MAX_ID_BYTES + 1);
        for (text, why) in [
            ("", "empty"),
            ("a\nb", "control"),
            ("..", "relative"),
            (".", "relative"),
            (too_long.as_str(), "longer"),
        ] {
            let error = AccountId::new(text).unwrap_err().to_string();
            assert!(error.contains("account id") && error.contains(why), "{text:?}: {error}");
        }
        assert!(AccountId::new("x".repeat(MAX_ID_BYTES)).is_ok());
    }

    #[test]
    fn an_identifier_is_plain_text_in_json() {
        let id: ConversationId = serde_json::from_str(r#""5f0c""#).unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""5f0c""#);
        assert!(serde_json::from_str::<ConversationId>(r#""""#).is_err());
    }
}
