//! What is written of a call, with its level and its fields.

#![expect(clippy::disallowed_types, reason = "a subscriber is shared, and not the core's")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Dispatch, Event, Metadata, Subscriber};

use super::*;
use crate::api::{Endpoint, ResolveDomain, Service};
use crate::connector::{Call, Cause, Config, ConnectorState, FailureKind, Step, TokenKind};
use crate::error::Stage;
use crate::id::AccountId;
use crate::seed::Seed;
use crate::time::{Mono, Now};

/// The fields of a line, by their names: their order is no promise.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// Keeps a line for each span and event: the level, the message or the span's name, and the fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn add(&self, metadata: &Metadata<'_>, Fields(mut fields): Fields) {
        let what = fields.remove("message").unwrap_or_else(|| metadata.name().to_owned());
        let fields: String =
            fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        self.0.lock().unwrap().push(format!("{} {what}:{fields}", metadata.level()));
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        self.add(span.metadata(), fields);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.add(event.metadata(), fields);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What is written meanwhile.
fn written(work: impl FnOnce()) -> String {
    let lines = Lines::default();
    // With one subscriber alone, `tracing` asks the thread that comes to a place first whether anybody wants what is
    // written there. That can be another test's, which has no subscriber. With two, it asks them.
    let _second = Dispatch::new(lines.clone());
    with_default(lines.clone(), work);
    let all = lines.0.lock().unwrap();
    all.join("\n")
}

#[test]
fn a_call_is_a_span_with_its_conversation() {
    let id = ConversationId::new("5f0c").unwrap();
    assert_eq!(
        written(|| drop(call("send_text", Some(&id)))),
        r#"DEBUG call: conversation="5f0c" operation="send_text""#
    );
    assert_eq!(
        written(|| drop(call("authorize_app", None))),
        r#"DEBUG call: operation="authorize_app""#
    );
}

#[test]
fn an_attempt_is_written_without_its_query() {
    let config = Config::new(AccountId::new("91827364").unwrap());
    let mut state = ConnectorState::new(config, Seed::from_bytes([2; 16]));
    let now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
    let lookup = ResolveDomain::new(Service::IDP);
    let mut resolving = Call::new(lookup, state.config(), Seed::from_bytes([1; 16]), now);
    let Step::Send(sent) = resolving.poll(&mut state, now) else { panic!("it sends nothing") };
    assert_eq!(sent.request().uri().query(), Some("version=1.0"));
    assert_eq!(
        written(|| attempt(&sent)),
        "DEBUG sending: event=\"api_attempt\" host=\"api.liveperson.net\" method=GET number=1 \
         path=\"/api/account/91827364/service/idp/baseURI.json\" stage=\"domain\""
    );
}

#[test]
fn each_event_has_its_level_and_fields() {
    let unconnected = Cause::NoResponse(FailureKind::Connect);
    for (kind, expected) in [
        (
            EventKind::Answered { status: 503, elapsed: Duration::from_millis(1500) },
            r#"DEBUG answered: elapsed_ms=1500 event="api_answer" status=503"#,
        ),
        (
            EventKind::NoResponse { failure: FailureKind::Connect, may_have_left: false },
            "DEBUG no answer: event=\"api_no_answer\" failure=\"no connection could be made\" \
             may_have_left=false",
        ),
        (
            EventKind::Retry {
                attempt: 3,
                pause: Duration::from_millis(250),
                cause: Cause::Status(503),
            },
            r#"INFO will retry: attempt=3 cause=status 503 event="api_retry" pause_ms=250"#,
        ),
        (
            EventKind::RefreshingToken { token: TokenKind::ConsumerJws },
            "INFO refreshing a rejected token: event=\"api_token\" token=\"consumer_jws\"",
        ),
        (
            EventKind::RefreshDeferred { pause: Duration::from_secs(5), cause: unconnected },
            "WARN refresh ahead of expiry failed: cause=no connection could be made \
             event=\"api_token\" pause_ms=5000",
        ),
        (
            EventKind::TokenThrottled {
                pause: Duration::from_secs(30),
                rejected: Some(Cause::Status(401)),
            },
            "WARN token requests are limited: event=\"api_token\" pause_ms=30000 \
             rejected=\"status 401\"",
        ),
        (
            EventKind::TokenShared { token: TokenKind::AppJwt },
            r#"DEBUG another program has the token: event="api_token" token="app_jwt""#,
        ),
        (
            EventKind::CircuitOpened {
                endpoint: Endpoint::DomainApi,
                pause: Duration::from_secs(60),
            },
            "WARN circuit opened: endpoint=the Domain API event=\"api_circuit\" pause_ms=60000",
        ),
        (
            EventKind::CircuitClosed { endpoint: Endpoint::Service(Service::MESSAGING) },
            r#"INFO circuit closed: endpoint=asyncMessagingEnt event="api_circuit""#,
        ),
    ] {
        let call_event = CallEvent { operation: "send_text", stage: Stage::AppJwt, kind };
        let line = written(|| event(&call_event));
        let shared = [r#" operation="send_text""#, r#" stage="app_jwt""#];
        assert!(shared.iter().all(|field| line.contains(field)), "{line}");
        assert_eq!(shared.iter().fold(line, |line, field| line.replace(field, "")), expected);
    }
}
