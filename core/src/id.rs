//! A type for each kind of identifier: the compiler keeps them apart.
//!
//! An identifier is opaque text: not empty, at most 256 bytes, no control characters. Clones are
//! cheap.
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

/// The maximum length of an identifier in bytes. The protocol states no limit for most identifiers
/// ([protocol.md 5](crate::protocol#5) and [14](crate::protocol#14), open points), and the longest in
/// any example has 80.
pub const MAX_ID_BYTES: usize = 256;

/// Why a text is not a valid identifier. Converts into an
/// [`Error`](crate::error::Error) of the kind [`InvalidInput`](crate::error::ErrorKind::InvalidInput).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidId {
    /// The kind of identifier, such as `account id`.
    kind: &'static str,
    reason: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid {}: {}", self.kind, self.reason)
    }
}

impl std::error::Error for InvalidId {}

fn validate(kind: &'static str, text: &str) -> Result<(), InvalidId> {
    let reason = if text.is_empty() {
        "it is empty"
    } else if text.len() > MAX_ID_BYTES {
        "it is longer than 256 bytes"
    } else if has_control_characters(text) {
        "it has control characters"
    } else if text == "." || text == ".." {
        // As a segment of a path, either would name another resource, percent-encoded or not.
        "it is a relative path"
    } else {
        return Ok(());
    };
    Err(InvalidId { kind, reason })
}

fn has_control_characters(text: &str) -> bool {
    // Nearly every id is printable ASCII, which one pass without branches detects.
    let printable = text.bytes().fold(true, |all, byte| all & matches!(byte, 0x20..=0x7e));
    !printable && text.chars().any(char::is_control)
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// An identifier with exactly this text: nothing is trimmed.
            ///
            /// # Errors
            /// [`InvalidId`] if the text is empty, is longer than [`MAX_ID_BYTES`], has control
            /// characters, or is `.` or `..`.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                validate($kind, text)?;
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
    /// The account, which LivePerson also calls brand or site ([protocol.md 1.2](crate::protocol#1.2)).
    AccountId,
    "account id"
);
identifier!(
    /// The app install, also called installation id ([protocol.md 1.2](crate::protocol#1.2)).
    ClientId,
    "client id"
);
identifier!(
    /// The connector's own id of a consumer. Choose values that cannot be guessed
    /// ([protocol.md 5](crate::protocol#5)).
    ExtConsumerId,
    "external consumer id"
);
identifier!(
    /// LivePerson's id of a consumer: the one that notifications carry
    /// ([protocol.md 5](crate::protocol#5)).
    LpConsumerId,
    "LivePerson consumer id"
);
identifier!(
    /// A conversation. A consumer has at most one that is open
    /// ([protocol.md 1.2](crate::protocol#1.2)).
    ConversationId,
    "conversation id"
);
identifier!(
    /// A dialog of a conversation: the main one, or a survey
    /// ([protocol.md 1.2](crate::protocol#1.2)).
    DialogId,
    "dialog id"
);

impl AccountId {
    /// The account of what belongs to none. No account has this id: theirs are numbers.
    pub(crate) fn none() -> Self {
        Self("-".into())
    }
}

impl DialogId {
    /// The main dialog of a conversation: its id is that of the conversation
    /// ([protocol.md 1.2](crate::protocol#1.2)).
    #[must_use]
    pub fn main_of(conversation: &ConversationId) -> Self {
        Self(conversation.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    #[test]
    fn an_invalid_identifier_is_refused_with_a_reason() {
        let too_long = "x".repeat(MAX_ID_BYTES + 1);
        for (text, reason) in [
            ("", "empty"),
            ("a\nb", "control"),
            ("..", "relative"),
            (".", "relative"),
            (too_long.as_str(), "longer"),
        ] {
            let error = AccountId::new(text).unwrap_err().to_string();
            assert!(error.contains("account id") && error.contains(reason), "{text:?}: {error}");
        }
        assert!(AccountId::new("x".repeat(MAX_ID_BYTES)).is_ok());
    }

    #[test]
    fn an_invalid_identifier_is_an_invalid_input() {
        fn account(text: &str) -> Result<AccountId, Error> {
            Ok(AccountId::new(text)?)
        }
        let error = account("").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("not a valid account id: it is empty"), "{error}");
    }

    #[test]
    fn an_identifier_is_a_string_in_json() {
        let id: ConversationId = serde_json::from_str(r#""5f0c""#).unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""5f0c""#);
        assert!(serde_json::from_str::<ConversationId>(r#""""#).is_err());
    }
}
