//! A call driven by hand, step by step.

use super::*;
use crate::api::{IdentifyConsumer, ListDomains, SendText};
use crate::connector::driven::{Driven, message};
use crate::connector::{Attempt, Failure, FailureKind};
use crate::id::ExtConsumerId;

fn send() -> Driven<SendText> {
    Driven::new(message())
}

/// Up to the message itself.
fn to_the_message(driven: &mut Driven<SendText>) -> Attempt {
    driven.attempt_of(Stage::Operation)
}

#[test]
fn polled_in_flight_it_waits_for_the_answer_and_takes_it_for_lost_at_the_attempts_end() {
    let mut driven = Driven::new(ListDomains::new());
    let attempt = driven.attempt();
    for at in [0, 1, 14_999] {
        driven.now = Duration::from_millis(at);
        assert!(matches!(driven.poll(), Step::Wait(until) if until == attempt.deadline()));
    }
    driven.now = Duration::from_secs(15);
    let told = driven.told();
    let Some(EventKind::Lost { failure: FailureKind::Timeout, may_have_left: true }) = told.first()
    else {
        panic!("{told:?}")
    };
    assert!(matches!(told[1..], [EventKind::Retry { attempt: 2, .. }]), "{told:?}");
}

#[test]
fn all_that_happened_is_told_in_its_order() {
    let mut driven = Driven::new(ListDomains::new());
    let attempt = driven.attempt();
    driven.answer(&attempt, 503, "");
    let told = driven.told();
    assert!(
        matches!(told[..], [EventKind::Answered { status: 503, .. }, EventKind::Retry { .. }]),
        "{told:?}"
    );
}

#[test]
fn a_call_that_is_dropped_says_whether_its_own_request_may_have_left() {
    let mut driven = send();
    assert_eq!(send().call.into_result().unwrap_err().sent(), Sent::No);
    let attempt = driven.attempt();
    assert_eq!(attempt.stage(), Stage::Domain);
    assert_eq!(driven.call.into_result().unwrap_err().sent(), Sent::No);
    let mut driven = send();
    to_the_message(&mut driven);
    assert_eq!(driven.call.into_result().unwrap_err().sent(), Sent::Maybe);
}

#[test]
fn an_error_names_the_request_that_was_sent_and_none_that_was_not() {
    let mut driven = send();
    let attempt = to_the_message(&mut driven);
    driven.answer(&attempt, 404, "{}");
    let id = Seed::from_bytes([1; 16]).uuid(0);
    assert_eq!(driven.error().request_id(), Some(id.as_str()));
    let mut driven = send();
    let attempt = driven.attempt();
    driven.answer(&attempt, 404, "{}");
    assert_eq!(driven.error().request_id(), None);
}

#[test]
fn what_got_no_answer_is_told_apart_by_why() {
    use FailureKind::{Connect, Tls, TooLarge};
    for (failure, kind, sent) in [
        (Failure::never_sent(Tls), ErrorKind::Tls, Sent::No),
        (Failure::answer_lost(TooLarge), ErrorKind::BadAnswer, Sent::Maybe),
        // After that nothing is repeated; what a broken handshake after the request is, nobody knows.
        (Failure::answer_lost(Tls), ErrorKind::Unconfirmed, Sent::Maybe),
        (Failure::answer_lost(Connect), ErrorKind::Unconfirmed, Sent::Maybe),
    ] {
        let mut driven = send();
        let attempt = to_the_message(&mut driven);
        driven.handle(&attempt, Outcome::Failed(failure.clone()));
        let error = driven.error();
        assert_eq!((error.kind(), error.sent()), (kind, sent), "{failure:?}");
        assert_eq!(error.attempts(), 1);
    }
}

#[test]
fn what_was_refused_is_told_apart_by_whom() {
    // The Domain API knows no credentials; Sentinel has no other reason to refuse.
    for (stage, status, kind) in [
        (Stage::Domain, 401, ErrorKind::Refused),
        (Stage::AppJwt, 400, ErrorKind::Unauthorized),
        (Stage::AppJwt, 401, ErrorKind::Unauthorized),
        (Stage::AppJwt, 403, ErrorKind::Unauthorized),
        (Stage::AppJwt, 404, ErrorKind::Refused),
        (Stage::ConsumerJws, 403, ErrorKind::Refused),
    ] {
        let mut driven = Driven::new(IdentifyConsumer::new(ExtConsumerId::new("ada").unwrap()));
        let attempt = driven.attempt_of(stage);
        driven.answer(&attempt, status, r#"{"message":"no"}"#);
        let error = driven.error();
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
        (451, "{}", "was refused with status 451"),
    ] {
        let mut driven = send();
        let attempt = to_the_message(&mut driven);
        driven.answer(&attempt, status, body);
        let error = driven.error();
        assert!(error.to_string().contains(said), "{error}");
    }
}
