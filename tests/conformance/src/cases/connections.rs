//! Connections that fail, and time that runs out.

use std::time::Duration;

use lp_connector_core::api::SendText;
use lp_connector_core::error::{Delivery, ErrorKind};
use lp_connector_core::policy::RetryPolicy;

use crate::Adapter;
use crate::fixtures::{Probe, assert_fails, at, cloud, config, open};
use crate::raw_server::{Act, RawServer};

/// Nobody listens.
pub fn a_refused_connection_sends_nothing<A: Adapter>() {
    let url = cloud(&[]).base_url();
    let error = A::new(at(&url)).unwrap().call(Probe).unwrap_err();
    assert_fails(&error, ErrorKind::Unavailable, Delivery::NotSent);
    assert_eq!(error.attempts(), 4);
}

/// The server closes after it has read the request.
pub fn a_reset_after_the_request_may_have_taken_effect<A: Adapter>() {
    let server = RawServer::start(vec![vec![Act::ReadAndReset]]);
    let error = A::new(at(&server.url())).unwrap().call(Probe).unwrap_err();
    assert_fails(&error, ErrorKind::Unconfirmed, Delivery::Unknown);
    assert_eq!(server.requests().len(), 1);
}

/// The server closes as soon as it has accepted. Whether the request left is then a matter of
/// microseconds: what is reported must be true, and the request must not be retried if it may have left.
pub fn a_close_before_the_request_is_reported_truly<A: Adapter>() {
    let server = RawServer::start(vec![Vec::new()]);
    let error =
        A::new(at(&server.url()).retry(RetryPolicy::none())).unwrap().call(Probe).unwrap_err();
    let reported = (error.kind(), error.delivery());
    let unknown = (ErrorKind::Unconfirmed, Delivery::Unknown);
    assert!(
        reported == unknown || reported == (ErrorKind::Unavailable, Delivery::NotSent),
        "{error}"
    );
    assert_eq!(server.requests().len(), 0);
}

/// The response never comes.
pub fn a_stalled_response_ends_at_the_attempt_timeout<A: Adapter>() {
    let server = RawServer::start(vec![vec![Act::Stall]]);
    let config = at(&server.url()).attempt_timeout(Duration::from_millis(100));
    let error = A::new(config).unwrap().call(Probe).unwrap_err();
    assert_fails(&error, ErrorKind::Unconfirmed, Delivery::Unknown);
}

/// `Duration::MAX` means no limit.
pub fn the_longest_timeouts_do_not_overflow<A: Adapter>() {
    let server = cloud(&["send:1=503"]);
    let config = config(&server)
        .call_timeout(Duration::MAX)
        .attempt_timeout(Duration::MAX)
        .connect_timeout(Duration::MAX)
        .idle_timeout(Duration::MAX)
        .domain_ttl(Duration::MAX)
        .refresh_margin(Duration::MAX);
    let client = A::new(config).unwrap();
    let conversation = open(&client);
    client.call(SendText::new(&conversation, "one")).unwrap();
}
