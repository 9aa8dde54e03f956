//! Builds a connector's manifest.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Capabilities, Engagement, EventType, Header, Manifest, OneOrMany, Retry, Severity, Violations,
    Webhook, Webhooks, check,
};

/// Builds a connector's manifest. [`build`](Self::build) returns a manifest without errors, or every
/// error.
#[derive(Clone, Debug)]
pub struct ManifestBuilder {
    manifest: Manifest,
    endpoints: BTreeMap<&'static str, String>,
    headers: Vec<Header>,
    max_retries: Option<u64>,
    retention: Option<Duration>,
}

impl Manifest {
    /// Begins a connector's manifest: `client_credentials`, scope `msg.consumer`, and the
    /// engagement settings of [protocol.md 3.4](crate::protocol#3.4).
    #[must_use]
    pub fn connector(name: impl Into<String>) -> ManifestBuilder {
        let strings =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let engagement = Engagement {
            entry_point: strings(&["section"]),
            visitor_behavior: strings(&["flow"]),
            target_audience: strings(&["ip"]),
            goal: strings(&["url"]),
            consumer_identity: strings(&["auth"]),
            ..Engagement::default()
        };
        let manifest = Self {
            client_name: name.into(),
            grant_types: Some(OneOrMany::Many(strings(&["client_credentials"]))),
            scope: Some("msg.consumer".to_owned()),
            capabilities: Some(Capabilities {
                engagement: Some(engagement),
                ..Capabilities::default()
            }),
            ..Self::default()
        };
        ManifestBuilder {
            manifest,
            endpoints: BTreeMap::new(),
            headers: Vec::new(),
            max_retries: None,
            retention: None,
        }
    }
}

impl ManifestBuilder {
    /// Sets the description.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.manifest.description = Some(text.into());
        self
    }

    /// Sets the display name.
    #[must_use]
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.manifest.display_name = Some(name.into());
        self
    }

    /// Sends all event types to this `https://` URL.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        let url = url.into();
        for event in EventType::ALL {
            self.endpoints.insert(event.name(), url.clone());
        }
        self
    }

    /// Sends one event type to this `https://` URL.
    #[must_use]
    pub fn endpoint_for(mut self, event: EventType, url: impl Into<String>) -> Self {
        self.endpoints.insert(event.name(), url.into());
        self
    }

    /// Adds a header to notifications of every type.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Header {
            header_name: name.into(),
            header_value: value.into(),
            more: serde_json::Map::new(),
        });
        self
    }

    /// Sets time-based retry: how long a failed notification is kept, in whole seconds
    /// ([protocol.md 9.3](crate::protocol#9.3)).
    #[must_use]
    pub fn retention(mut self, time: Duration) -> Self {
        self.retention = Some(time);
        self
    }

    /// Sets count-based retry: how often a failed notification is sent again, from 0 to 5.
    #[must_use]
    pub fn max_retries(mut self, times: u64) -> Self {
        self.max_retries = Some(times);
        self
    }

    /// Replaces the engagement settings.
    #[must_use]
    pub fn engagement(mut self, engagement: Engagement) -> Self {
        let capabilities = self.manifest.capabilities.get_or_insert_default();
        capabilities.engagement = Some(engagement);
        self
    }

    /// Builds the manifest.
    ///
    /// # Errors
    /// Every error in it. Warnings do not count.
    pub fn build(self) -> Result<Manifest, Violations> {
        let mut manifest = self.manifest;
        if !self.endpoints.is_empty() || self.retention.is_some() {
            let webhook = |url: String| Webhook {
                endpoint: url,
                max_retries: self.max_retries,
                headers: self.headers.clone(),
                more: serde_json::Map::new(),
            };
            let endpoints = self.endpoints.into_iter();
            let retry = self
                .retention
                .map(|time| Retry { retention_time: time.as_secs(), more: serde_json::Map::new() });
            manifest.capabilities.get_or_insert_default().webhooks = Some(Webhooks {
                retry,
                endpoints: endpoints.map(|(name, url)| (name.to_owned(), webhook(url))).collect(),
            });
        }
        let mut violations = manifest.check();
        violations.retain(|violation| violation.severity() == Severity::Error);
        if violations.is_empty() { Ok(manifest) } else { Err(Violations(violations)) }
    }
}

impl Manifest {
    /// Reports every fault: see [`check`].
    #[must_use]
    pub fn check(&self) -> Vec<super::Violation> {
        check(&serde_json::to_value(self).unwrap_or_default())
    }
}
