//! Warns of settings that let notifications get lost, or that leave gaps in their order.

use serde_json::{Map, Value};

use super::EventType;
use super::check::{Severity, Violation};

const WEBHOOKS: &str = "capabilities.webhooks";

/// The warnings for the member `webhooks`. None without an endpoint, which is a warning of its own.
pub(super) fn weaknesses(webhooks: &Map<String, Value>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut warn = |path: String, problem: String, remedy: &str| {
        found.push(Violation::new(Severity::Warning, &path, problem, remedy));
    };
    let endpoint = |event: &EventType| webhooks.get(event.name()).filter(|one| one.is_object());
    let subscribed: Vec<_> =
        EventType::ALL.into_iter().filter(|one| endpoint(one).is_some()).collect();
    if subscribed.is_empty() {
        return found;
    }
    if matches!(webhooks.get("retry"), None | Some(Value::Null)) {
        let retries = |event: &EventType| {
            let times = endpoint(event).and_then(|endpoint| endpoint.get("max_retries"));
            times.and_then(Value::as_u64).unwrap_or(0)
        };
        let fewest = subscribed.iter().map(retries).min().unwrap_or(0);
        let problem = match fewest {
            0 => "it is missing: a notification is lost at its first failure, such as a single 503 or \
                  a restart of the endpoint"
                .to_owned(),
            // The first try and the retries.
            times => format!(
                "it is missing: a notification is lost after {} failures, each 30 s after the one \
                 before, and the order is not kept",
                times.saturating_add(1)
            ),
        };
        let remedy = "set it, for example to 3600: failed notifications are kept for an hour, and sent \
                      again in order";
        warn(format!("{WEBHOOKS}.retry.retention_time"), problem, remedy);
        for event in &subscribed {
            let times = endpoint(event).and_then(|endpoint| endpoint.get("max_retries"));
            if times.and_then(Value::as_u64) == Some(0) {
                let path = format!("{WEBHOOKS}.{}.max_retries", event.name());
                let problem = "with 0 a notification is lost at its first failure".to_owned();
                warn(path, problem, "remove it, and set retry.retention_time");
            }
        }
    }
    for event in EventType::ALL.into_iter().filter(|event| !subscribed.contains(event)) {
        if let Some(problem) = missing(event) {
            warn(
                format!("{WEBHOOKS}.{}", event.name()),
                format!("it has no endpoint: {problem}"),
                "add it, with the endpoint of the others",
            );
        }
    }
    found
}

/// What is weaker without notifications of this type. Chat states have no sequence and follow from
/// nothing ([protocol.md 9.8](crate::protocol#9.8)).
fn missing(event: EventType) -> Option<&'static str> {
    Some(match event {
        EventType::Content => {
            "texts and files do not arrive, and each leaves a gap in the sequences of its dialog: what \
             follows waits for it and comes as after a gap"
        }
        EventType::RichContent => {
            "structured content and the questions of surveys do not arrive, and each leaves a gap in \
             the sequences of its dialog: what follows waits for it and comes as after a gap, and it \
             cannot be told whether a message whose response was lost has arrived"
        }
        EventType::AcceptStatus => {
            "receipts take sequences too, so each leaves a gap in those of its dialog: what follows \
             waits for it and comes as after a gap, and it cannot be told whether a message whose \
             response was lost has arrived"
        }
        EventType::ConversationChange => {
            "no close, agent or survey is seen, and the id of a conversation whose opening was not \
             confirmed is not learned"
        }
        EventType::ChatState => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Manifest, ManifestBuilder, check};
    use serde_json::json;
    use std::time::Duration;

    fn paths(manifest: &Value) -> Vec<String> {
        check(manifest)
            .into_iter()
            .inspect(|one| assert_eq!(one.severity(), Severity::Warning, "{one}"))
            .map(|one| one.path().trim_start_matches("capabilities.webhooks.").to_owned())
            .collect()
    }

    fn with(events: &[EventType], set: fn(ManifestBuilder) -> ManifestBuilder) -> Value {
        let mut builder = set(Manifest::connector("loft"));
        for event in events {
            builder = builder.endpoint_for(*event, "https://x.example");
        }
        serde_json::to_value(builder.build().unwrap()).unwrap()
    }

    const RETENTION: &str = "retry.retention_time";

    #[test]
    fn a_missing_retention_time_is_a_warning() {
        let kept = |builder: ManifestBuilder| builder.retention(Duration::from_secs(60));
        assert_eq!(paths(&with(&EventType::ALL, kept)), Vec::<String>::new());
        let manifest = with(&EventType::ALL, |builder| builder);
        assert_eq!(paths(&manifest), [RETENTION]);
        assert!(check(&manifest)[0].problem().contains("a single 503"));
        let counted = with(&EventType::ALL, |builder| builder.max_retries(2));
        assert_eq!(paths(&counted), [RETENTION]);
        assert!(check(&counted)[0].problem().contains("after 3 failures"));
        let once = with(&EventType::ALL, |builder| builder.max_retries(1));
        assert!(check(&once)[0].problem().contains("after 2 failures"));
        let mut none = manifest;
        none["capabilities"]["webhooks"]["retry"] = Value::Null;
        assert_eq!(paths(&none), [RETENTION]);
    }

    #[test]
    fn no_retries_at_all_are_a_warning_at_each_endpoint() {
        let none =
            with(&[EventType::Content, EventType::ChatState], |builder| builder.max_retries(0));
        let found = paths(&none);
        let retries = |event: EventType| format!("{}.max_retries", event.name());
        assert_eq!(
            found[..3],
            [RETENTION.to_owned(), retries(EventType::Content), retries(EventType::ChatState),]
        );
    }

    #[test]
    fn each_missing_event_type_is_a_warning_with_its_reason() {
        for missing in EventType::ALL {
            let rest: Vec<_> = EventType::ALL.into_iter().filter(|one| *one != missing).collect();
            let manifest = with(&rest, |builder| builder.retention(Duration::from_secs(60)));
            let expected = match missing {
                EventType::ChatState => vec![],
                _ => vec![missing.name().to_owned()],
            };
            assert_eq!(paths(&manifest), expected);
        }
        let texts =
            with(&[EventType::Content], |builder| builder.retention(Duration::from_secs(60)));
        let problems: Vec<_> = check(&texts).iter().map(|one| one.problem().to_owned()).collect();
        assert!(problems.iter().any(|one| one.contains("questions of surveys")), "{problems:?}");
        assert!(problems.iter().any(|one| one.contains("receipts take sequences")), "{problems:?}");
    }

    #[test]
    fn without_an_endpoint_there_is_one_warning() {
        let manifest = json!({"client_name": "x", "scope": "msg.consumer",
            "grant_types": ["client_credentials"], "capabilities": {"webhooks": {}}});
        assert_eq!(paths(&manifest), ["capabilities.webhooks"]);
    }
}
