//! What is retried, and what is not.

use std::time::Duration;

use lp_connector_core::api::{AuthorizeApp, SendText};
use lp_connector_core::error::{Delivery, Error, ErrorKind};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_sandbox::{Endpoint, Server};

use crate::Adapter;
use crate::fixtures::{assert_fails, cloud, config, open, quick};

/// The retry gives one message.
pub fn a_5xx_is_retried_and_arrives_once<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send:1-2=503"], quick());
    assert_eq!(result.unwrap(), (3, false));
    assert_eq!(server.with(|cloud| cloud.messages().len()), 1);
}

/// The retry waits for `Retry-After`.
pub fn a_429_is_retried_after_its_retry_after<A: Adapter>() {
    // The pause itself is tested in the core, in virtual time: here, that the adapter waits for it.
    let policy = quick().rate_limit_floor(Duration::from_millis(1));
    let (server, result) = send_under::<A>(&["send:1=429,retry-after:0"], policy);
    assert_eq!(result.unwrap(), (2, false));
    assert_eq!(server.requests(Endpoint::Send), 2);
}

/// Rejected, with no effect.
pub fn a_4xx_is_not_retried<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send=400"], quick());
    let error = result.unwrap_err();
    assert_fails(&error, ErrorKind::Rejected, Delivery::Rejected);
    assert!(error.response_body().is_some_and(|body| !body.is_empty()), "the body is kept");
    assert_eq!(server.requests(Endpoint::Send), 1);
}

/// Blocked.
pub fn a_451_is_not_retried<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send=451"], quick());
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Blocked);
    assert_eq!(server.requests(Endpoint::Send), 1);
}

/// Error code 40102 on every request: one refresh.
pub fn a_rejected_app_jwt_is_refreshed_once<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send=revoke-app"], quick());
    assert_eq!(result.unwrap_err().error_code(), Some(40102));
    assert_eq!((server.requests(Endpoint::Token), server.requests(Endpoint::Send)), (2, 2));
}

/// Error code 40103 on every request: one refresh.
pub fn a_rejected_consumer_jws_is_refreshed_once<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send=revoke-consumer"], quick());
    assert_eq!(result.unwrap_err().error_code(), Some(40103));
    assert_eq!((server.requests(Endpoint::Consumer), server.requests(Endpoint::Send)), (2, 2));
}

/// The message may have arrived: unconfirmed.
pub fn a_lost_response_is_not_retried<A: Adapter>() {
    for fault in ["send:1=drop", "send:1=drop-after"] {
        let (server, result) = send_under::<A>(&[fault], quick());
        let error = result.unwrap_err();
        assert_fails(&error, ErrorKind::Unconfirmed, Delivery::Unknown);
        assert_eq!(server.requests(Endpoint::Send), 1);
    }
}

/// The retry is reported as a possible duplicate.
pub fn at_least_once_retries_a_lost_response<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send:1=drop-after"], quick().at_least_once(true));
    assert_eq!(result.unwrap(), (2, true));
    assert_eq!(server.with(|cloud| cloud.messages().len()), 2);
}

/// The circuit of the token service opens after one call that used up its retries.
pub fn a_failing_service_opens_its_circuit<A: Adapter>() {
    let server = cloud(&["token=500"]);
    let client = A::new(config(&server)).unwrap();
    assert_eq!(client.call(AuthorizeApp::new()).unwrap_err().kind(), ErrorKind::Unavailable);
    let error = client.call(AuthorizeApp::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
    assert!(error.retry_after().is_some());
    assert_eq!(server.requests(Endpoint::Token), 4);
}

/// A redirect could carry the token to another host.
pub fn a_redirect_is_not_followed<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send=307,location:/_sandbox/state"], quick());
    assert_eq!(result.unwrap_err().status(), Some(307));
    assert_eq!(server.requests(Endpoint::Send), 1);
}

/// Sends one text under faults. Gives the number of attempts, and whether it may have arrived twice.
fn send_under<A: Adapter>(
    faults: &[&str],
    policy: RetryPolicy,
) -> (Server, Result<(u32, bool), Error>) {
    let server = cloud(faults);
    let client = A::new(config(&server).retry(policy)).unwrap();
    let conversation = open(&client);
    let result = client.call(SendText::new(&conversation, "one"));
    (server, result.map(|sent| (sent.attempts, sent.maybe_duplicated)))
}
