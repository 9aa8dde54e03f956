//! Webhooks: endpoints, signatures and retries
//! ([protocol.md 9](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9)).

mod delivery_queue;
pub(crate) mod notification;
mod signature;
mod target;

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use delivery_queue::{AppState, NextPost, Post};
pub(crate) use delivery_queue::{CompletedPost, DeliveryQueue, QueuedNotification, Target};
pub use signature::Signature;
pub use target::webhook_target;

/// The keys under which endpoints are registered
/// ([protocol.md 3.2](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#3.2)).
pub(crate) const EVENT_KEYS: [&str; 5] = [
    "ms.MessagingEventNotification.ContentEvent",
    "ms.MessagingEventNotification.RichContentEvent",
    "ms.MessagingEventNotification.AcceptStatusEvent",
    "ms.MessagingEventNotification.ChatStateEvent",
    "cqm.ExConversationChangeNotification",
];

/// The key under which the endpoint of a notification is registered, from its body.
pub(crate) fn event_key(body: &Value) -> Option<String> {
    let kind = body.get("type").and_then(Value::as_str)?;
    let event = body.pointer("/body/changes/0/event/type").and_then(Value::as_str);
    let key = match event {
        Some(event) => format!("{kind}.{event}"),
        None => kind.to_owned(),
    };
    EVENT_KEYS.contains(&key.as_str()).then_some(key)
}

/// The endpoint of one kind of event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct WebhookEndpoint {
    pub(crate) url: String,
    /// `None` if the manifest does not say, which means 0. Only an explicit 0 keeps the endpoint's
    /// failures out of the time-based mode
    /// ([protocol.md 9.3](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.3)).
    pub(crate) max_retries: Option<u32>,
    pub(crate) headers: Vec<(String, String)>,
}

/// The webhooks of an app: its endpoints, retry mode and signature.
///
/// ```
/// use std::time::Duration;
/// use lp_connector_sandbox::{Config, Sandbox, Signature, Webhooks};
///
/// let webhooks = Webhooks::all_at("http://127.0.0.1:8080/webhooks")
///     .retention(Duration::from_secs(3600))
///     .signature(Signature::Sha256Base64);
/// let mut sandbox = Sandbox::new(Config::new("127.0.0.1:4711", 1), 1);
/// sandbox.set_webhooks(webhooks);
/// assert_eq!(sandbox.notifications_waiting(), 0);
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Webhooks {
    pub(crate) endpoints: BTreeMap<String, WebhookEndpoint>,
    pub(crate) retention: Option<Duration>,
    #[serde(with = "crate::saved::text")]
    pub(crate) signature: Signature,
}

impl Webhooks {
    /// All kinds of event to one URL, without retries.
    #[must_use]
    pub fn all_at(url: impl Into<String>) -> Self {
        let url = url.into();
        let endpoint = |key: &str| {
            let endpoint =
                WebhookEndpoint { url: url.clone(), max_retries: None, headers: Vec::new() };
            (key.to_owned(), endpoint)
        };
        Self { endpoints: EVENT_KEYS.into_iter().map(endpoint).collect(), ..Self::default() }
    }

    /// Reads `capabilities.webhooks` of an app install manifest
    /// ([protocol.md 3.2](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#3.2)).
    ///
    /// # Errors
    /// If the manifest is invalid: a message that says why.
    pub fn from_manifest(manifest: &Value) -> Result<Self, String> {
        let members = manifest.get("capabilities").and_then(|all| all.get("webhooks"));
        let Some(Value::Object(members)) = members else {
            return Err("the manifest has no capabilities.webhooks".to_owned());
        };
        let mut webhooks = Self::default();
        for (key, value) in members {
            if key == "retry" {
                let seconds = value.get("retention_time").and_then(Value::as_u64);
                let seconds = seconds.filter(|seconds| (2..=259_200).contains(seconds));
                let seconds = seconds.ok_or("retry.retention_time must be from 2 to 259200")?;
                webhooks.retention = Some(Duration::from_secs(seconds));
            } else if EVENT_KEYS.contains(&key.as_str()) {
                webhooks
                    .endpoints
                    .insert(key.clone(), endpoint(value).map_err(|why| format!("{key}: {why}"))?);
            } else {
                return Err(format!("there is no event {key}"));
            }
        }
        Ok(webhooks)
    }

    /// Removes the endpoint of one kind of event, by its key such as
    /// `ms.MessagingEventNotification.AcceptStatusEvent`.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.endpoints.remove(key);
        self
    }

    /// Sends every kind of event that has an endpoint to this URL instead. Retries and headers stay.
    ///
    /// ```
    /// use lp_connector_sandbox::Webhooks;
    ///
    /// let webhooks = Webhooks::all_at("https://hooks.example/lp").redirect("http://127.0.0.1:8080/lp");
    /// assert!(webhooks.endpoints().all(|(_, url)| url == "http://127.0.0.1:8080/lp"));
    /// ```
    #[must_use]
    pub fn redirect(mut self, url: impl Into<String>) -> Self {
        let url = url.into();
        for endpoint in self.endpoints.values_mut() {
            endpoint.url.clone_from(&url);
        }
        self
    }

    /// The kinds of event that have an endpoint, and its URL. Only what
    /// [`webhook_target`] takes gets anything.
    pub fn endpoints(&self) -> impl Iterator<Item = (&str, &str)> {
        self.endpoints.iter().map(|(event, endpoint)| (event.as_str(), endpoint.url.as_str()))
    }

    /// Sets the time-based retry mode: failed notifications are kept for this time
    /// ([protocol.md 9.3](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.3)).
    #[must_use]
    pub fn retention(mut self, time: Duration) -> Self {
        self.retention = Some(time);
        self
    }

    /// Sets the count-based retry mode: each notification is retried this many times, at most 5.
    #[must_use]
    pub fn max_retries(mut self, times: u32) -> Self {
        for endpoint in self.endpoints.values_mut() {
            endpoint.max_retries = Some(times.min(5));
        }
        self
    }

    /// Sets how notifications are signed. Default: SHA-1, Base64.
    #[must_use]
    pub fn signature(mut self, signature: Signature) -> Self {
        self.signature = signature;
        self
    }
}

fn endpoint(value: &Value) -> Result<WebhookEndpoint, String> {
    let url = value.get("endpoint").and_then(Value::as_str).ok_or("it has no endpoint")?;
    let max_retries = match value.get("max_retries") {
        None => None,
        Some(number) => {
            let number = number.as_u64().and_then(|number| u32::try_from(number).ok());
            Some(number.filter(|number| *number <= 5).ok_or("max_retries must be from 0 to 5")?)
        }
    };
    let mut headers = Vec::new();
    for header in value.get("headers").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| header.get(name).and_then(Value::as_str).map(str::to_owned);
        let both = text("header_name").zip(text("header_value"));
        let (name, value) = both.ok_or("a header has no header_name or header_value")?;
        // The value may be a secret: it is not said back.
        if HeaderName::try_from(&name).is_err() {
            return Err(format!("header_name {name:?} is no name of a header"));
        }
        if HeaderValue::try_from(&value).is_err() {
            return Err(format!("header_value of {name} has what no header may have"));
        }
        headers.push((name, value));
    }
    if !target::is_http_url(url) {
        return Err(format!("endpoint {url:?} is no http:// or https:// URL"));
    }
    Ok(WebhookEndpoint { url: url.to_owned(), max_retries, headers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_manifest_registers_endpoints_or_is_refused() {
        let webhook = |value: Value| json!({"capabilities": {"webhooks": value}});
        let read = Webhooks::from_manifest(&webhook(json!({
            "cqm.ExConversationChangeNotification": {"endpoint": "https://x/", "max_retries": 3,
                "headers": [{"header_name": "a", "header_value": "b"}]},
            "retry": {"retention_time": 60}})))
        .unwrap();
        assert_eq!(read.retention, Some(Duration::from_secs(60)));
        let endpoint = &read.endpoints["cqm.ExConversationChangeNotification"];
        assert_eq!((endpoint.max_retries, endpoint.headers.len()), (Some(3), 1));
        let with_header = |name: &str, value: &str| {
            json!({EVENT_KEYS[0]: {"endpoint": "http://127.0.0.1/",
                "headers": [{"header_name": name, "header_value": value}]}})
        };
        for (wrong, why) in [
            (json!({"retry": {"retention_time": 1}}), "259200"),
            (json!({"x": {"endpoint": "https://x/"}}), "no event x"),
            (json!({EVENT_KEYS[0]: {}}), "no endpoint"),
            (json!({EVENT_KEYS[0]: {"endpoint": "x", "max_retries": 6}}), "0 to 5"),
            (json!({EVENT_KEYS[0]: {"endpoint": "x", "headers": [{}]}}), "header_name"),
            (with_header("x y", "z"), "header_name \"x y\""),
            (with_header("", "z"), "header_name"),
            (with_header("x\r\ny", "z"), "header_name"),
            (with_header("x-own", "z\ny"), "header_value of x-own"),
            (with_header("x-own", "z\u{0}"), "header_value of x-own"),
            (json!({EVENT_KEYS[0]: {"endpoint": "x"}}), "is no http:// or https:// URL"),
            (json!({EVENT_KEYS[0]: {"endpoint": "/x"}}), "is no http://"),
            (json!({EVENT_KEYS[0]: {"endpoint": "http://"}}), "is no http://"),
            (json!({EVENT_KEYS[0]: {"endpoint": "http://127.0.0.1:8080/a b"}}), "is no http://"),
            (json!({EVENT_KEYS[0]: {"endpoint": "http://127.0.0.1:99999/"}}), "is no http://"),
            (json!({EVENT_KEYS[0]: {"endpoint": "ftp://127.0.0.1/"}}), "is no http://"),
        ] {
            let error = Webhooks::from_manifest(&webhook(wrong)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert!(Webhooks::from_manifest(&json!({})).is_err());
    }
}
