//! A manifest that is built of the parts of another one.

use std::time::Duration;

use super::{EventType, Manifest, NO_EVENT, Severity, Violation, errors};
use crate::manifest::{Header, ManifestBuilder, Violations, Webhook};

/// What no fault and no `Debug` shows.
const PASSWORD: &str = "fuzz-canary-password";

const WEBHOOKS: &str = "capabilities.webhooks.";

/// The parts of a manifest that a builder takes.
struct Parts<'a> {
    manifest: &'a Manifest,
    /// The first of the known event types that has an endpoint: all others begin as it.
    first: Option<(EventType, &'a Webhook)>,
}

/// A builder that is given the parts of a manifest finds their errors and no others. Without errors, what it makes has
/// these parts.
pub(super) fn builds(manifest: &Manifest, found: &[Violation]) {
    let parts = Parts { manifest, first: None };
    let first = EventType::ALL.into_iter().find_map(|event| Some((event, parts.webhook(event)?)));
    let parts = Parts { first, ..parts };
    let builder = parts.builder();
    // Its name may be like the path of a part.
    let of_parts = found.iter().filter(|one| one.problem() != NO_EVENT).cloned();
    let mut expected = parts.errors(&errors(&of_parts.collect::<Vec<_>>()));
    let built = builder.clone().build();
    refused(&built, &expected);
    if let Ok(built) = &built {
        parts.are_in(built);
    }
    let Some((_, webhook)) = first else { return };
    let good = builder.clone().header("x-token", PASSWORD);
    let made = good.clone().build();
    refused(&made, &expected);
    let shown = format!("{good:?} {made:?}");
    assert!(shown.contains("x-token") && !shown.contains(PASSWORD), "{shown}");
    let made = builder.header("x-token", format!("{PASSWORD}\n")).build();
    let at = format!("headers[{}].header_value", webhook.headers.len());
    expected.extend(EventType::ALL.map(|event| format!("{WEBHOOKS}{}.{at}", event.name())));
    refused(&made, &expected);
}

/// It has these errors, each in a line, and the password in none.
fn refused(built: &Result<Manifest, Violations>, expected: &[String]) {
    let Err(violations) = built else { return assert_eq!(expected, [] as [String; 0]) };
    let all = violations.all();
    assert!(all.iter().all(|one| one.severity() == Severity::Error));
    let (mut found, mut expected) = (errors(all), expected.to_vec());
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{violations}");
    let lines: Vec<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!(violations.to_string(), lines.join("\n"));
    assert!(!format!("{violations} {violations:?}").contains(PASSWORD));
}

impl<'a> Parts<'a> {
    fn webhook(&self, event: EventType) -> Option<&'a Webhook> {
        let webhooks = self.manifest.capabilities.as_ref()?.webhooks.as_ref()?;
        webhooks.endpoints.get(event.name())
    }

    fn retention(&self) -> Option<u64> {
        let webhooks = self.manifest.capabilities.as_ref()?.webhooks.as_ref()?;
        Some(webhooks.retry.as_ref()?.retention_time)
    }

    fn builder(&self) -> ManifestBuilder {
        let Manifest { client_name, description, display_name, capabilities, .. } = self.manifest;
        let mut builder = Manifest::connector(client_name);
        if let Some(text) = description {
            builder = builder.description(text);
        }
        if let Some(name) = display_name {
            builder = builder.display_name(name);
        }
        if let Some((_, webhook)) = self.first {
            builder = builder.endpoint(&webhook.endpoint);
            if let Some(times) = webhook.max_retries {
                builder = builder.max_retries(times);
            }
            for header in &webhook.headers {
                builder = builder.header(&header.header_name, &header.header_value);
            }
        }
        for event in EventType::ALL {
            if let Some(webhook) = self.webhook(event) {
                builder = builder.endpoint_for(event, &webhook.endpoint);
            }
        }
        if let Some(seconds) = self.retention() {
            builder = builder.retention(Duration::from_secs(seconds));
        }
        match capabilities.as_ref().and_then(|capabilities| capabilities.engagement.as_ref()) {
            Some(engagement) => builder.engagement(engagement.clone()),
            None => builder,
        }
    }

    /// Those of the errors that the builder was given too, and again for each event type that begins as the first one.
    fn errors(&self, all: &[String]) -> Vec<String> {
        const TAKEN: [&str; 4] = [
            "client_name",
            "description",
            "display_name",
            "capabilities.webhooks.retry.retention_time",
        ];
        let is_taken = |path: &&String| {
            TAKEN.contains(&path.as_str()) || path.starts_with("capabilities.engagement.")
        };
        let mut expected: Vec<_> = all.iter().filter(is_taken).cloned().collect();
        let of = |event: EventType| {
            let prefix = format!("{WEBHOOKS}{}.", event.name());
            all.iter().filter_map(move |path| path.strip_prefix(&prefix).map(ToOwned::to_owned))
        };
        let Some((first, _)) = self.first else { return expected };
        for event in EventType::ALL {
            let own = if self.webhook(event).is_some() { event } else { first };
            let endpoint = of(own).filter(|rest| rest == "endpoint");
            let others = of(first).filter(|rest| rest != "endpoint");
            let name = event.name();
            expected.extend(endpoint.chain(others).map(|rest| format!("{WEBHOOKS}{name}.{rest}")));
        }
        expected
    }

    fn are_in(&self, built: &Manifest) {
        assert_eq!(built.client_name, self.manifest.client_name);
        assert_eq!(built.description, self.manifest.description);
        assert_eq!(built.display_name, self.manifest.display_name);
        let made = Parts { manifest: built, first: None };
        assert_eq!(made.retention(), self.retention());
        let header = |one: &Header| (one.header_name.clone(), one.header_value.clone());
        for event in EventType::ALL {
            let made = made.webhook(event);
            assert_eq!(made.is_some(), self.first.is_some());
            if let (Some(made), Some((_, first))) = (made, self.first) {
                let own = self.webhook(event).unwrap_or(first);
                assert_eq!((&made.endpoint, made.max_retries), (&own.endpoint, first.max_retries));
                assert!(made.headers.iter().map(header).eq(first.headers.iter().map(header)));
            }
        }
        let engagement = |manifest: &Manifest| manifest.capabilities.as_ref()?.engagement.clone();
        if let Some(given) = engagement(self.manifest) {
            assert_eq!(engagement(built), Some(given));
        }
        assert!(errors(&built.check()).is_empty());
    }
}
