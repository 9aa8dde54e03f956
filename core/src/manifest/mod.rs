//! The app install manifest: the document that registers a connector
//! ([protocol.md 3](crate::protocol#3)).
//!
//! [`check`] reports every fault of a manifest at once, with its place and how to correct it.
//! [`Manifest::connector`] builds a manifest without faults.
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
mod delivery;
mod field;
mod members;
mod parse;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub use build::ManifestBuilder;
pub use check::{Severity, Violation, Violations, check};
pub use field::{FIELDS, Field, explain};
pub use parse::{UnreadableManifest, parse};

/// An app install manifest ([protocol.md 3.1](crate::protocol#3.1)). Unknown members are kept.
///
/// Deserializing checks only the types of the members. [`check`] checks the values.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The app's name, unique in the account. Agents see it as the source of a conversation.
    pub client_name: String,
    /// A display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// A description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the app is enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How the app gets its tokens. For a connector: `client_credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_types: Option<OneOrMany>,
    /// The OAuth response types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_types: Option<OneOrMany>,
    /// The OAuth redirect URIs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uris: Option<OneOrMany>,
    /// The OAuth scopes, separated by spaces. For a connector: `msg.consumer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The address of a logo of 70×70 pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// Whether agents can launch the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quick_launch_enabled: Option<bool>,
    /// The address at which the app is launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_uri: Option<String>,
    /// Webhooks and engagements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Unknown members.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A string, or an array of strings ([protocol.md 3.1](crate::protocol#3.1): an old example has a bare
/// string).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(clippy::exhaustive_enums, reason = "there is no third form")]
pub enum OneOrMany {
    /// A bare string.
    One(String),
    /// An array.
    Many(Vec<String>),
}

/// The webhooks and engagements of an app.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// The notifications that the app receives, and their endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<Webhooks>,
    /// The engagement settings that the app supports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engagement: Option<Engagement>,
    /// Unknown members, such as `broadcast`.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The notifications that an app receives, and their endpoints
/// ([protocol.md 3.2](crate::protocol#3.2)).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Webhooks {
    /// Time-based retry, for the whole app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The endpoint of each event type, by the type's name.
    #[serde(flatten)]
    pub endpoints: BTreeMap<String, Webhook>,
}

/// Time-based retry ([protocol.md 9.3](crate::protocol#9.3)).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Retry {
    /// How long a failed notification is kept, in seconds: from 2 to 259 200 (3 days).
    pub retention_time: u64,
    /// Unknown members.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The endpoint of one event type.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Webhook {
    /// An `https://` URL.
    pub endpoint: String,
    /// Count-based retry: how often a failed notification is sent again, from 0 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u64>,
    /// Headers of each notification.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Unknown members.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// `null` counts as absent ([protocol.md 1.4](crate::protocol#1.4)).
fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A header of each notification. `Debug` hides the value, which may be a password.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Header {
    /// The header's name.
    pub header_name: String,
    /// The header's value.
    pub header_value: String,
    /// Unknown members.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("header_name", &self.header_name).finish_non_exhaustive()
    }
}

/// The engagement settings that an app supports ([protocol.md 3.3](crate::protocol#3.3)).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(missing_docs, reason = "LivePerson documents no more than the names")]
pub struct Engagement {
    pub design_engagement: bool,
    pub design_window: bool,
    pub language_selection: bool,
    pub entry_point: Vec<String>,
    pub visitor_behavior: Vec<String>,
    pub target_audience: Vec<String>,
    pub goal: Vec<String>,
    pub consumer_identity: Vec<String>,
    /// Unknown members.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The event types that an app can register for ([protocol.md 3.2](crate::protocol#3.2)).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum EventType {
    /// Texts, files and secure forms.
    Content,
    /// Structured content.
    RichContent,
    /// Receipts and actions.
    AcceptStatus,
    /// Typing and presence.
    ChatState,
    /// Changes of a conversation.
    ConversationChange,
}

impl EventType {
    /// All event types.
    pub const ALL: [Self; 5] = [
        Self::Content,
        Self::RichContent,
        Self::AcceptStatus,
        Self::ChatState,
        Self::ConversationChange,
    ];

    /// The name in a manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Content => "ms.MessagingEventNotification.ContentEvent",
            Self::RichContent => "ms.MessagingEventNotification.RichContentEvent",
            Self::AcceptStatus => "ms.MessagingEventNotification.AcceptStatusEvent",
            Self::ChatState => "ms.MessagingEventNotification.ChatStateEvent",
            // One table gives it the prefix of the others (protocol.md 14, row 18).
            Self::ConversationChange => "cqm.ExConversationChangeNotification",
        }
    }
}

#[cfg(test)]
mod tests;
