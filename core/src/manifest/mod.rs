//! The app install manifest: what a connector is registered with
//! ([protocol.md 3](crate::protocol#3)).
//!
//! [`check`] tells everything that is wrong with one, each with its place, what is allowed there and
//! how to mend it. [`Manifest::connector`] makes one that has nothing wrong with it.
//!
//! ```
//! use lp_connector_core::manifest::{EventType, Manifest, check};
//!
//! let manifest = Manifest::connector("pigeon-post")
//!     .description("Carrier pigeon gateway")
//!     .endpoint("https://hooks.pigeon.example/lp")
//!     .retention(std::time::Duration::from_secs(3600))
//!     .build()?;
//! let json = serde_json::to_value(&manifest)?;
//! assert!(check(&json).is_empty());
//!
//! let mut wrong = json;
//! wrong["capabilities"]["webhooks"]["retry"]["retention_time"] = 1.into();
//! let violations = check(&wrong);
//! assert_eq!(violations[0].path(), "capabilities.webhooks.retry.retention_time");
//! assert!(violations[0].to_string().contains("from 2 to 259200"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod check;
mod field;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use build::ManifestBuilder;
pub use check::{Severity, Violation, Violations, check};
pub use field::{FIELDS, Field, explain};

/// An app install manifest ([protocol.md 3.1](crate::protocol#3.1)). Members that are not known are
/// kept.
///
/// Reading one checks nothing but its shape: see [`check`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The app's name, unique in the account; agents see it as where a conversation comes from.
    pub client_name: String,
    /// Another name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How it gets its tokens: a connector by `client_credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_types: Option<OneOrMany>,
    /// What it is answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_types: Option<OneOrMany>,
    /// Where users are sent back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uris: Option<OneOrMany>,
    /// What it may do: a connector `msg.consumer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// A picture of 70×70 pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// Whether agents can launch it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quick_launch_enabled: Option<bool>,
    /// Where it is launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_uri: Option<String>,
    /// What it takes part in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Whatever else there is.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// One text, or several ([protocol.md 3.1](crate::protocol#3.1): an old example has a bare string).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(clippy::exhaustive_enums, reason = "it is one or several")]
pub enum OneOrMany {
    /// A bare string.
    One(String),
    /// An array.
    Many(Vec<String>),
}

/// What an app takes part in.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// Which notifications it gets, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<Webhooks>,
    /// How its engagements can be set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engagement: Option<Engagement>,
    /// Whatever else there is, such as `broadcast`.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Which notifications an app gets, and where ([protocol.md 3.2](crate::protocol#3.2)).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Webhooks {
    /// Time-based retry, for the whole app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The endpoint of each type of event, by its name.
    #[serde(flatten)]
    pub endpoints: BTreeMap<String, Webhook>,
}

/// Time-based retry ([protocol.md 9.3](crate::protocol#9.3)).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Retry {
    /// For how long what fails is kept, in seconds: from 2 to 259 200 (3 days).
    pub retention_time: u64,
    /// Whatever else there is.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Where one type of event goes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Webhook {
    /// An `https://` address.
    pub endpoint: String,
    /// Count-based retry: how often what fails is sent again, from 0 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u64>,
    /// Headers that each notification carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Whatever else there is.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A header that each notification carries. `Debug` hides its value, which may be a password.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Header {
    /// Its name.
    pub header_name: String,
    /// Its value.
    pub header_value: String,
    /// Whatever else there is.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("header_name", &self.header_name).finish_non_exhaustive()
    }
}

/// How engagements can be set up ([protocol.md 3.3](crate::protocol#3.3)).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the documents' own, and all that they say")]
pub struct Engagement {
    pub design_engagement: bool,
    pub design_window: bool,
    pub language_selection: bool,
    pub entry_point: Vec<String>,
    pub visitor_behavior: Vec<String>,
    pub target_audience: Vec<String>,
    pub goal: Vec<String>,
    pub consumer_identity: Vec<String>,
    /// Whatever else there is.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The types of event that can be registered for ([protocol.md 3.2](crate::protocol#3.2)).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum EventType {
    /// Texts, files, secure forms.
    Content,
    /// Structured content.
    RichContent,
    /// Receipts and actions.
    AcceptStatus,
    /// Typing and presence.
    ChatState,
    /// The state of conversations.
    ConversationChange,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Content,
        Self::RichContent,
        Self::AcceptStatus,
        Self::ChatState,
        Self::ConversationChange,
    ];

    /// Its name in a manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Content => "ms.MessagingEventNotification.ContentEvent",
            Self::RichContent => "ms.MessagingEventNotification.RichContentEvent",
            Self::AcceptStatus => "ms.MessagingEventNotification.AcceptStatusEvent",
            Self::ChatState => "ms.MessagingEventNotification.ChatStateEvent",
            // A table writes it with the prefix of the others (protocol.md 14, row 18).
            Self::ConversationChange => "cqm.ExConversationChangeNotification",
        }
    }
}

#[cfg(test)]
mod tests;
