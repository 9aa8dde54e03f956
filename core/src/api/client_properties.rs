//! The `Client-Properties` header (protocol.md 6.5).

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// The header's name.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("client-properties");

/// What the consumer's end can do, told to LivePerson when a conversation is opened and again with
/// every message in it.
///
/// ```
/// use lp_connector_core::api::ClientProperties;
///
/// // The three that a post-conversation survey requires.
/// let properties =
///     ClientProperties::new().feature("MULTI_DIALOG").feature("RICH_CONTENT").feature("QUICK_REPLIES");
/// # let _ = properties;
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientProperties {
    #[serde(rename = "type", skip_deserializing, default = "kind")]
    kind: &'static str,
    #[serde(default)]
    features: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_family: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<String>,
}

/// The schema's enum says `.ams.headers.ClientProperties`; all usage says this (protocol.md 14, row 36).
const fn kind() -> &'static str {
    ".ClientProperties"
}

impl ClientProperties {
    /// No features.
    #[must_use]
    pub fn new() -> Self {
        Self {
            kind: kind(),
            features: Vec::new(),
            app_id: None,
            app_version: None,
            device_family: None,
            os: None,
        }
    }

    /// Adds a feature, such as `AUTO_MESSAGES`, `RICH_CONTENT` or `MULTI_DIALOG`. The set is open.
    #[must_use]
    pub fn feature(mut self, name: impl Into<String>) -> Self {
        self.features.push(name.into());
        self
    }

    /// The connector's name; at most 64 characters by the schema.
    #[must_use]
    pub fn app_id(mut self, id: impl Into<String>) -> Self {
        self.app_id = Some(id.into());
        self
    }

    /// The connector's version; at most 32 characters by the schema.
    #[must_use]
    pub fn app_version(mut self, version: impl Into<String>) -> Self {
        self.app_version = Some(version.into());
        self
    }

    /// `DESKTOP`, `TABLET`, `MOBILE` or `OTHER`.
    #[must_use]
    pub fn device_family(mut self, family: impl Into<String>) -> Self {
        self.device_family = Some(family.into());
        self
    }

    /// `WINDOWS`, `LINUX`, `OSX`, `ANDROID`, `IOS` or `OTHER`.
    #[must_use]
    pub fn os(mut self, os: impl Into<String>) -> Self {
        self.os = Some(os.into());
        self
    }

    /// The header's value: JSON in ASCII, since what a header may carry beyond is not agreed on.
    /// `None` only if it could not be written.
    pub(crate) fn value(&self) -> Option<HeaderValue> {
        let json = serde_json::to_string(self).ok()?;
        let mut ascii = String::with_capacity(json.len());
        let mut units = [0; 2];
        for c in json.chars() {
            if c.is_ascii() && c != '\x7f' {
                ascii.push(c);
            } else {
                for unit in c.encode_utf16(&mut units) {
                    ascii.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
        HeaderValue::try_from(ascii).ok()
    }
}

impl Default for ClientProperties {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_documented_header_is_written() {
        let value = ClientProperties::new().feature("AUTO_MESSAGES").value().unwrap();
        assert_eq!(value, r#"{"type":".ClientProperties","features":["AUTO_MESSAGES"]}"#);
    }

    proptest! {
        #[test]
        fn any_text_makes_an_ascii_header_that_says_the_same(text: String) {
            let value = ClientProperties::new().app_id(&text).value().unwrap();
            let read: serde_json::Value = serde_json::from_str(value.to_str().unwrap()).unwrap();
            prop_assert_eq!(read["appId"].as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn what_the_consumer_uses_is_said() {
        let used = ClientProperties::new().app_version("4.2").device_family("MOBILE").os("ANDROID");
        let value = used.value().unwrap();
        let read: serde_json::Value = serde_json::from_str(value.to_str().unwrap()).unwrap();
        assert_eq!(
            (&read["appVersion"], &read["deviceFamily"], &read["os"]),
            (&"4.2".into(), &"MOBILE".into(), &"ANDROID".into())
        );
    }
}
