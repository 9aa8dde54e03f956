//! What each status means for a call: whether it is repeated, and what its error says.

use std::time::Duration;

use bytes::Bytes;
use http::Response;

use super::call_harness::{CallHarness, conversation, message};
use super::{Callable, Config, EventKind, Failure, FailureKind, Outcome, Step};
use crate::api::{
    ApiRejection, AuthorizeApp, CloseConversation, Context, Endpoint, FindEngagement, Idempotency,
    InvalidInput, Operation, Principal, RelativeRequest, ResponseView, Service,
};
use crate::error::{Delivery, Error, ErrorKind, Stage};
use crate::http1::{DecodeError, Limit};
use crate::id::ClientId;
use crate::policy::{CircuitPolicy, RetryPolicy};
use crate::time::Mono;

/// The error of a call each of whose attempts of this stage has this outcome.
fn error_of<C: Callable>(operation: C, stage: Stage, outcome: impl Fn() -> Outcome) -> Error {
    let mut harness = CallHarness::new(operation);
    loop {
        match harness.poll() {
            Step::Send(attempt) if attempt.stage() == stage => harness.handle(&attempt, outcome()),
            Step::Send(attempt) => harness.answer_normally(&attempt, "{}"),
            Step::Wait(until) => harness.now = until.since(Mono::ZERO),
            Step::Done(_) => return harness.error(),
        }
    }
}

fn status(status: u16) -> Outcome {
    Outcome::Response(Response::builder().status(status).body(Bytes::from_static(b"{}")).unwrap())
}

#[test]
fn a_redirect_of_a_message_may_have_had_its_effect() {
    for code in 300..400 {
        let error = error_of(message(), Stage::Operation, || status(code));
        // 307 and 308 want the same request elsewhere: it was not done.
        let expected = match code {
            307 | 308 => (ErrorKind::Rejected, Delivery::Rejected),
            _ => (ErrorKind::Unconfirmed, Delivery::Unknown),
        };
        assert_eq!((error.kind(), error.delivery()), expected, "{code}");
        assert_eq!((error.status(), error.attempts()), (Some(code), 1));
        assert!(!error.is_transient());
    }
}

#[test]
fn a_redirect_of_an_idempotent_request_is_not_followed() {
    let close = || CloseConversation::new(&conversation());
    for (code, delivery) in
        [(302, Delivery::Unknown), (303, Delivery::Unknown), (307, Delivery::Rejected)]
    {
        let error = error_of(close(), Stage::Operation, || status(code));
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Rejected, delivery), "{code}");
        assert!(error.advice().unwrap().contains("redirects are not followed"));
        assert_eq!(error.attempts(), 1);
    }
    let error = error_of(AuthorizeApp::new(), Stage::AppJwt, || status(303));
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Rejected, 1));
}

#[test]
fn what_was_not_processed_is_repeated_and_then_temporary() {
    for code in [408, 421, 425] {
        for stage in [Stage::Operation, Stage::AppJwt, Stage::ConsumerJws, Stage::Domain] {
            let error = error_of(message(), stage, || status(code));
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unavailable, 4), "{code}");
            assert_ne!(error.delivery(), Delivery::Unknown, "{code} {stage:?}");
            assert!(error.is_transient() && error.status() == Some(code));
            assert_eq!(error.advice().as_deref(), Some("try again later"));
        }
    }
}

/// The service is up, so its circuit stays closed; one that is probed closes.
#[test]
fn what_was_not_processed_opens_no_circuit() {
    for code in [408, 421, 425] {
        for (stage, policy) in [
            (Stage::Operation, RetryPolicy::none()),
            (Stage::AppJwt, RetryPolicy::none()),
            (Stage::AppJwt, RetryPolicy::documented().pauses([Duration::from_secs(1)])),
        ] {
            let mut harness = CallHarness::with(message(), |config| {
                let circuit = CircuitPolicy::documented().threshold_for_messages(1);
                config.circuit(circuit).retry(policy.clone())
            });
            for _ in 0..=policy.retries() {
                let attempt = harness.attempt_of(stage);
                harness.handle(&attempt, status(code));
            }
            let events = harness.events();
            let opened = |kind: &EventKind| matches!(kind, EventKind::CircuitOpened { .. });
            assert!(!events.iter().any(opened), "{code} {stage:?}: {events:?}");
            assert_eq!(harness.error().status(), Some(code));
        }
    }
}

#[test]
fn what_was_not_processed_waits_for_its_retry_after() {
    let mut harness = CallHarness::new(message());
    let attempt = harness.attempt_of(Stage::Operation);
    let answered = harness.now;
    let response = Response::builder().status(425).header("retry-after", "1");
    let response = response.header("retry-after", "40").body(Bytes::new()).unwrap();
    harness.handle(&attempt, Outcome::Response(response));
    harness.attempt_of(Stage::Operation);
    assert!(harness.now - answered >= Duration::from_secs(40));
}

/// A rejection that is temporary by its own word is not retried, and does not say that it is for good.
#[test]
fn a_rejection_with_a_retry_after_is_not_for_good() {
    for (code, asked) in [(413, true), (409, true), (423, true), (303, false), (307, true)] {
        let answer = || {
            let response = Response::builder().status(code).header("retry-after", "40");
            Outcome::Response(response.body(Bytes::new()).unwrap())
        };
        let error = error_of(message(), Stage::Operation, answer);
        assert_eq!((error.status(), error.attempts()), (Some(code), 1));
        assert_eq!(error.retry_after(), asked.then_some(Duration::from_secs(40)), "{code}");
        let advice = error.advice().unwrap();
        assert_eq!(advice == "try again later", asked && code >= 400, "{code}: {advice}");
    }
}

/// In the body of a 200 it is the service's own word, after it has received all of the request.
#[test]
fn a_408_in_a_body_may_have_had_its_effect() {
    let body = br#"{"code":"REQUEST_TIMEOUT","body":{}}"#;
    let answer = || Outcome::Response(Response::new(Bytes::from_static(body)));
    let error = error_of(message(), Stage::Operation, answer);
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Unavailable, Delivery::Unknown));
    assert!(!error.is_transient());
}

#[test]
fn a_status_that_is_not_https_counts_as_a_5xx() {
    for code in [600, 799, 999] {
        let error = error_of(message(), Stage::Operation, || status(code));
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unavailable, 4), "{code}");
        assert_eq!(error.delivery(), Delivery::Unknown);
    }
}

#[test]
fn a_demand_for_a_client_certificate_is_one_try() {
    use FailureKind::ClientCertificate;
    for (failure, delivery) in [
        (Failure::never_sent(ClientCertificate), Delivery::NotSent),
        (Failure::answer_lost(ClientCertificate), Delivery::Unknown),
    ] {
        let outcome = || Outcome::Failed(failure.clone());
        for error in [
            error_of(message(), Stage::Operation, outcome),
            error_of(CloseConversation::new(&conversation()), Stage::Operation, outcome),
        ] {
            assert_eq!((error.kind(), error.delivery()), (ErrorKind::Tls, delivery));
            assert_eq!(error.attempts(), 1);
            assert!(error.to_string().contains("the server demands a client certificate"));
        }
        let error = error_of(AuthorizeApp::new(), Stage::AppJwt, outcome);
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Tls, 1));
    }
}

/// The error of a call whose own request has this answer, and is not sent again.
fn error_once<C: Callable>(operation: C, code: u16, body: &str) -> Error {
    let once = |config: Config| config.circuit(CircuitPolicy::never()).retry(RetryPolicy::none());
    let mut harness = CallHarness::with(operation, once);
    let attempt = harness.attempt_of(Stage::Operation);
    harness.answer(&attempt, code, body);
    harness.error()
}

/// While the account is loading, the next request takes the visitor's id from the body.
#[test]
fn of_a_success_the_body_is_kept_while_loading_alone() {
    let find = FindEngagement::new(ClientId::new("0a1b").unwrap());
    let loading = r#"{"message":"Loading account: 91827364, vid: Vxyz"}"#;
    let error = error_once(find, 202, loading);
    assert_eq!(error.response_body(), Some(loading.as_bytes()));
    let gone = r#"{"code":404,"body":"gone"}"#;
    let error = error_once(message(), 200, gone);
    assert_eq!((error.status(), error.response_body()), (Some(404), None));
    let error = error_once(message(), 404, gone);
    assert_eq!(error.response_body(), Some(gone.as_bytes()));
}

#[test]
fn an_error_names_its_request_and_its_status() {
    for (stage, code, said) in [
        (Stage::Operation, 429, "the request was rejected with status 429, too many requests"),
        (Stage::Operation, 503, "the request failed with status 503"),
        (Stage::ConsumerJws, 500, "the ConsumerJWS request failed with status 500"),
        (Stage::Operation, 404, "the request was rejected with status 404"),
    ] {
        let error = error_of(message(), stage, || status(code));
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// An operation of another crate, which has no use for any answer.
struct Refuse;

impl Operation for Refuse {
    type Output = ();

    const NAME: &'static str = "refuse";

    fn endpoint(&self) -> Endpoint {
        Endpoint::Service(Service::MESSAGING)
    }

    fn principal(&self) -> Principal {
        Principal::Anonymous
    }

    fn idempotency(&self) -> Idempotency {
        Idempotency::NonIdempotent
    }

    fn request(&self, _: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        Ok(RelativeRequest::get(["refuse"], []))
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        Err(response.rejection())
    }
}

#[test]
fn a_success_that_is_refused_is_a_bad_answer() {
    let error = error_once(Refuse, 206, "half a pigeon");
    assert_eq!((error.kind(), error.status()), (ErrorKind::BadAnswer, Some(206)));
    let said = "the request got an unusable answer, with status 206";
    assert!(error.to_string().contains(said), "{error}");
}

/// What is wrong with a proxy's setting is the text of the error; any other cause is its source.
#[test]
fn a_cause_is_told_once() {
    let why = "HTTPS_PROXY is no URL";
    for (kind, said, source) in [
        (FailureKind::ProxySetting, "send_text: HTTPS_PROXY is no URL", None),
        (
            FailureKind::Connect,
            "send_text: the request got no answer: no connection could be made",
            Some(why.to_owned()),
        ),
    ] {
        let failure = Failure::never_sent(kind).with_source(std::io::Error::other(why));
        let error = error_of(message(), Stage::Operation, || Outcome::Failed(failure.clone()));
        assert!(error.to_string().starts_with(said), "{error}");
        let found = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(found, source, "{kind:?}");
    }
}

#[test]
fn bytes_that_are_no_response_have_a_kind() {
    for (error, kind) in [
        (DecodeError::TooLarge(Limit::Body), FailureKind::TooLarge),
        (DecodeError::Truncated, FailureKind::Broken),
        (DecodeError::ClosedBeforeResponse, FailureKind::Broken),
        (DecodeError::Malformed("invalid head"), FailureKind::Protocol),
        (DecodeError::Unsupported("another protocol"), FailureKind::Protocol),
    ] {
        assert_eq!(FailureKind::from(error), kind, "{error}");
    }
}

#[test]
fn a_call_names_its_conversation_for_logs() {
    let message = message();
    let named = Callable::conversation(&message);
    assert_eq!(named.map(|conversation| conversation.as_str()), Some("c"));
}
