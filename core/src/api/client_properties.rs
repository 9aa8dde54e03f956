//! The header `Client-Properties` of CONVERSATION and SEND
//! ([protocol.md 6.5](crate::protocol#6.5)).

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// The header's name.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("client-properties");

/// The features and the device of the consumer's client: the header `Client-Properties`, sent when
/// a conversation is opened and with every message in it ([protocol.md 6.5](crate::protocol#6.5)).
///
/// ```
/// use lp_connector_core::api::ClientProperties;
///
/// // The three features that a post-conversation survey requires.
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

/// The schema's enum has `.ams.headers.ClientProperties`; every example has this
/// ([protocol.md 14](crate::protocol#14), row 36).
const fn kind() -> &'static str {
    ".ClientProperties"
}

impl ClientProperties {
    /// Properties without features.
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

    /// The connector's name. The schema allows 64 characters.
    #[must_use]
    pub fn app_id(mut self, id: impl Into<String>) -> Self {
        self.app_id = Some(id.into());
        self
    }

    /// The connector's version. The schema allows 32 characters.
    #[must_use]
    pub fn app_version(mut self, version: impl Into<String>) -> Self {
        self.app_version = Some(version.into());
        self
    }

    /// The consumer's device: `DESKTOP`, `TABLET`, `MOBILE` or `OTHER`.
    #[must_use]
    pub fn device_family(mut self, family: impl Into<String>) -> Self {
        self.device_family = Some(family.into());
        self
    }

    /// The consumer's system: `WINDOWS`, `LINUX`, `OSX`, `ANDROID`, `IOS` or `OTHER`.
    #[must_use]
    pub fn os(mut self, os: impl Into<String>) -> Self {
        self.os = Some(os.into());
        self
    }

    /// The header's value: JSON in ASCII, because servers differ on other characters in headers.
    /// `None` only if it cannot be serialised.
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
        fn any_text_survives_the_ascii_header(text: String) {
            let value = ClientProperties::new().app_id(&text).value().unwrap();
            let read: serde_json::Value = serde_json::from_str(value.to_str().unwrap()).unwrap();
            prop_assert_eq!(read["appId"].as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn version_device_and_system_are_written() {
        let used = ClientProperties::new().app_version("4.2").device_family("MOBILE").os("ANDROID");
        let value = used.value().unwrap();
        let read: serde_json::Value = serde_json::from_str(value.to_str().unwrap()).unwrap();
        assert_eq!(
            (&read["appVersion"], &read["deviceFamily"], &read["os"]),
            (&"4.2".into(), &"MOBILE".into(), &"ANDROID".into())
        );
    }

    #[test]
    fn every_property_is_restored_from_a_store() {
        let all = ClientProperties::new().feature("MULTI_DIALOG").app_id("loft").app_version("4.2");
        let all = all.device_family("MOBILE").os("ANDROID");
        let stored = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<ClientProperties>(&stored).unwrap(), all, "{stored}");
        assert_eq!(stored.as_bytes(), all.value().unwrap().as_bytes());
    }
}
