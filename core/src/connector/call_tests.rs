//! A call harness by hand, step by step.

use super::*;
use crate::api::{IdentifyConsumer, ListDomains, SendText};
use crate::connector::call_harness::{CallHarness, message};
use crate::connector::{Attempt, Failure, FailureKind};
use crate::id::ExtConsumerId;

fn send() -> CallHarness<SendText> {
    CallHarness::new(message())
}

/// Up to the message itself.
fn to_the_message(harness: &mut CallHarness<SendText>) -> Attempt {
    harness.attempt_of(Stage::Operation)
}

#[test]
fn an_attempt_is_lost_at_its_deadline() {
    let mut harness = CallHarness::new(ListDomains::new());
    let attempt = harness.attempt();
    for at in [0, 1, 14_999] {
        harness.now = Duration::from_millis(at);
        assert!(matches!(harness.poll(), Step::Wait(until) if until == attempt.deadline()));
    }
    harness.now = Duration::from_secs(15);
    let events = harness.events();
    let Some(EventKind::NoResponse { failure: FailureKind::Timeout, may_have_left: true }) =
        events.first()
    else {
        panic!("{events:?}")
    };
    assert!(matches!(events[1..], [EventKind::Retry { attempt: 2, .. }]), "{events:?}");
}

#[test]
fn a_late_outcome_of_an_earlier_attempt_changes_nothing() {
    let mut harness = CallHarness::new(ListDomains::new());
    let first = harness.attempt();
    harness.now = Duration::from_secs(15);
    let second = harness.attempt();
    harness.events();
    harness.answer(&first, 404, "{}");
    assert!(harness.events().is_empty());
    assert!(matches!(harness.poll(), Step::Wait(until) if until == second.deadline()));
    harness.answer(&second, 404, "{}");
    assert_eq!(harness.error().attempts(), 2);
}

#[test]
fn events_come_in_order() {
    let mut harness = CallHarness::new(ListDomains::new());
    let attempt = harness.attempt();
    harness.answer(&attempt, 503, "");
    let events = harness.events();
    assert!(
        matches!(events[..], [EventKind::Answered { status: 503, .. }, EventKind::Retry { .. }]),
        "{events:?}"
    );
}

#[test]
fn an_abandoned_call_says_whether_its_request_may_have_left() {
    let mut harness = send();
    assert_eq!(send().into_result().unwrap_err().delivery(), Delivery::NotSent);
    let attempt = harness.attempt();
    assert_eq!(attempt.stage(), Stage::Domain);
    assert_eq!(harness.into_result().unwrap_err().delivery(), Delivery::NotSent);
    let mut harness = send();
    to_the_message(&mut harness);
    assert_eq!(harness.into_result().unwrap_err().delivery(), Delivery::Unknown);
}

#[test]
fn an_error_names_the_request_that_was_sent() {
    let mut harness = send();
    let attempt = to_the_message(&mut harness);
    harness.answer(&attempt, 404, "{}");
    let id = Seed::from_bytes([1; 16]).uuid(0);
    assert_eq!(harness.error().request_id(), Some(id.as_str()));
    let mut harness = send();
    let attempt = harness.attempt();
    harness.answer(&attempt, 404, "{}");
    assert_eq!(harness.error().request_id(), None);
}

#[test]
fn no_response_has_a_kind_for_each_cause() {
    use FailureKind::{Connect, ProxyAuthentication, ProxySetting, Tls, TooLarge};
    for (failure, kind, sent) in [
        (Failure::never_sent(Tls), ErrorKind::Tls, Delivery::NotSent),
        (Failure::never_sent(ProxyAuthentication), ErrorKind::Proxy, Delivery::NotSent),
        (Failure::never_sent(ProxySetting), ErrorKind::Configuration, Delivery::NotSent),
        (Failure::answer_lost(TooLarge), ErrorKind::BadAnswer, Delivery::Unknown),
        // After that nothing is repeated; what a broken handshake after the request is, nobody knows.
        (Failure::answer_lost(Tls), ErrorKind::Unconfirmed, Delivery::Unknown),
        (Failure::answer_lost(Connect), ErrorKind::Unconfirmed, Delivery::Unknown),
    ] {
        let mut harness = send();
        let attempt = to_the_message(&mut harness);
        harness.handle(&attempt, Outcome::Failed(failure.clone()));
        let error = harness.error();
        assert_eq!((error.kind(), error.delivery()), (kind, sent), "{failure:?}");
        assert_eq!(error.attempts(), 1);
    }
}

#[test]
fn a_rejection_has_a_kind_for_each_service() {
    // The Domain API knows no credentials; Sentinel has no other reason to reject.
    for (stage, status, kind) in [
        (Stage::Domain, 401, ErrorKind::Rejected),
        (Stage::AppJwt, 400, ErrorKind::Unauthorized),
        (Stage::AppJwt, 401, ErrorKind::Unauthorized),
        (Stage::AppJwt, 403, ErrorKind::Unauthorized),
        (Stage::AppJwt, 404, ErrorKind::Rejected),
        (Stage::ConsumerJws, 403, ErrorKind::Rejected),
    ] {
        let mut harness =
            CallHarness::new(IdentifyConsumer::new(ExtConsumerId::new("ada").unwrap()));
        let attempt = harness.attempt_of(stage);
        harness.answer(&attempt, status, r#"{"message":"no"}"#);
        let error = harness.error();
        assert_eq!((error.kind(), error.stage()), (kind, stage), "{status}");
        assert_eq!(error.response_body(), Some(&br#"{"message":"no"}"#[..]));
    }
    for (status, body, said) in [
        (412, "{}", "it was changed by somebody else meanwhile"),
        (
            400,
            r#"{"code":"BAD_REQUEST","body":"Conversation is close"}"#,
            "the conversation is closed",
        ),
        (451, "{}", "was rejected with status 451"),
    ] {
        let mut harness = send();
        let attempt = to_the_message(&mut harness);
        harness.answer(&attempt, status, body);
        let error = harness.error();
        assert!(error.to_string().contains(said), "{error}");
    }
}
