//! The defaults, as the documentation of each setting says: a table of its own, as the code is not asked.

use crate::bridge::BridgeConfig;
use crate::connector::Config;
use crate::id::AccountId;
use crate::policy::{CircuitPolicy, RetryPolicy};
use crate::webhook::{Inbox, Receiver};

/// Asserts that the `Debug` output has each of these fields, in this order.
fn has(value: impl std::fmt::Debug, fields: &[&str]) {
    let shown = format!("{value:?}");
    let mut rest = shown.as_str();
    for field in fields {
        let at = rest.find(field).unwrap_or_else(|| panic!("no `{field}` in {shown}"));
        rest = &rest[at + field.len()..];
    }
}

#[test]
fn a_connectors_defaults_are_those_of_its_documentation() {
    has(
        Config::new(AccountId::new("91827364").unwrap()),
        &[
            "credentials: None,",
            "credentials_in: Body,",
            "domain_api: Origin(https://api.liveperson.net),",
            r#"suffixes: ["liveperson.net", "lprnd.net"] }"#,
            "domain_lookup: PerService,",
            "domain_ttl: 3600s,",
            "refresh_margin: 300s,",
            "app_jwt_interval: 15s,",
            "consumer_cache: 10000,",
            "mode: Documented,",
            "rates: {},",
            "attempt_timeout: 15s,",
            "call_timeout: 120s,",
            r#"user_agent: Some("lp-connector/"#,
            "connect_timeout: 5s,",
            "max_body: 8388608,",
            "idle_timeout: 15s,",
            "max_connections: 64,",
            "proxy: FromEnvironment }",
        ],
    );
}

#[test]
fn the_policies_defaults_are_those_of_their_documentation() {
    let shared = &[
        "pauses: [5s, 10s, 15s],",
        "rate_limit_floor: 1s,",
        "token_rate_limit_floor: 5s,",
        "jitter_percent: 10,",
        "at_least_once: false }",
    ];
    has(RetryPolicy::documented(), shared);
    has(RetryPolicy::cautious(), shared);
    let circuit = "CircuitPolicy { tokens: 1, messages: 5, first: 120s, cap: 1920s }";
    has(CircuitPolicy::documented(), &[circuit]);
}

#[test]
fn a_bridges_defaults_are_those_of_its_documentation() {
    has(
        BridgeConfig::new(),
        &[
            "unsettled: Report,",
            "settle_for: 60s,",
            "survey: AnswersOnly,",
            "retention: 604800s,",
            "dead_letter_retention: 1209600s,",
            "attempt_timeout: 10s,",
            "term: 15s,",
            "max_lanes: 256,",
            "max_effects: 64,",
            "max_effects_of_account: None,",
            "max_entries: 64,",
            "poll_least: 25ms,",
            "poll_most: 250ms,",
            "token_patience: 3s,",
            "rate: None,",
            "host: None }",
        ],
    );
}

#[test]
fn the_webhooks_defaults_are_those_of_their_documentation() {
    has(Receiver::new(), &["require_sha256: false,", "max_body: 1048576 }"]);
    let window = "window: ReorderWindow { count: 64, time: 2s },";
    has(Inbox::default(), &[window, "max_conversations: 10000,", "max_changes: 10000,"]);
}
