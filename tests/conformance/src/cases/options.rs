//! Options of one call.

use std::time::{Duration, Instant};

use lp_connector_core::error::{Delivery, ErrorKind};
use lp_connector_core::policy::RetryPolicy;

use crate::Adapter;
use crate::fixtures::{Probe, assert_fails, at, quick};
use crate::raw_server::{Act, RawServer, ok};

/// The configured time-out is two minutes.
pub fn a_call_has_a_timeout_of_its_own<A: Adapter>() {
    let server = RawServer::start(vec![vec![Act::Stall]]);
    let client = A::new(at(&server.url())).unwrap();
    let start = Instant::now();
    let error = client.call_with(Probe, Some(Duration::from_millis(100)), None).unwrap_err();
    assert_fails(&error, ErrorKind::Unconfirmed, Delivery::Unknown);
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// The configured policy retries a 503.
pub fn a_call_has_a_retry_policy_of_its_own<A: Adapter>() {
    let failing = || Act::Respond(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".to_vec());
    let server = RawServer::start(vec![vec![failing(), Act::Respond(ok("one")), failing()]]);
    let client = A::new(at(&server.url()).retry(quick().at_least_once(true))).unwrap();
    let done = client.call(Probe).unwrap();
    assert_eq!((&*done.output, done.attempts), ("one", 2));
    let error = client.call_with(Probe, None, Some(RetryPolicy::none())).unwrap_err();
    assert_eq!(error.attempts(), 1);
    assert_eq!(server.requests().len(), 3);
}
