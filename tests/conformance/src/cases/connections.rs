//! Connections that fail, and time that runs out.

use std::time::Duration;

use lp_connector_core::api::SendText;
use lp_connector_core::connector::FailureKind;
use lp_connector_core::error::{Delivery, ErrorKind};
use lp_connector_core::policy::RetryPolicy;

use crate::Adapter;
use crate::fixtures::{Huge, Probe, assert_fails, at, cloud, config, observed, open};
use crate::raw_server::{Act, RawServer, ok};

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

/// The response never comes. The server itself would end it after 10 s, which is no time-out.
pub fn a_stalled_response_ends_at_the_attempt_timeout<A: Adapter>() {
    let server = RawServer::start(vec![vec![Act::Stall]]);
    let config = at(&server.url()).attempt_timeout(Duration::from_millis(100));
    let (config, failures) = observed(config);
    let error = A::new(config).unwrap().call(Probe).unwrap_err();
    assert_fails(&error, ErrorKind::Unconfirmed, Delivery::Unknown);
    assert_eq!(*failures.lock().unwrap(), [(FailureKind::Timeout, true)]);
}

/// The server takes the head of a request that no socket's buffers hold, and no more: what has left may have had its effect. The server itself
/// would end it after 10 s.
pub fn a_request_that_stalls_halfway_may_have_taken_effect<A: Adapter>() {
    for tls in [false, true] {
        let scripts = vec![vec![Act::StallAtHead]];
        let server = if tls { RawServer::start_tls(scripts) } else { RawServer::start(scripts) };
        let config = at(&server.url()).extra_ca_pem(server.ca_pem());
        // Time enough for the handshake on a busy machine.
        let (config, failures) = observed(config.attempt_timeout(Duration::from_secs(2)));
        let error = A::new(config).unwrap().call(Huge).unwrap_err();
        assert_fails(&error, ErrorKind::Unconfirmed, Delivery::Unknown);
        assert_eq!(*failures.lock().unwrap(), [(FailureKind::Timeout, true)], "TLS: {tls}");
    }
}

/// Without any idle time each request has a connection of its own.
pub fn a_connection_is_used_again_within_the_idle_time_only<A: Adapter>() {
    for (idle, connections) in [(Duration::MAX, 1), (Duration::ZERO, 2)] {
        let server = RawServer::start(vec![
            vec![Act::Respond(ok("one")), Act::Respond(ok("one")), Act::Stall],
            vec![Act::Respond(ok("one"))],
        ]);
        let client = A::new(at(&server.url()).idle_timeout(idle)).unwrap();
        client.call(Probe).unwrap();
        client.call(Probe).unwrap();
        assert_eq!(server.connections(), connections, "{idle:?}");
    }
}

/// The server announces its close, and closes later: until then too, no request goes there.
pub fn a_connection_that_will_close_is_not_used_again<A: Adapter>() {
    for tls in [false, true] {
        let last = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\none";
        let scripts = vec![
            vec![Act::Respond(last.to_vec()), Act::Respond(ok("wrong")), Act::Stall],
            vec![Act::Respond(ok("two"))],
        ];
        let server = if tls { RawServer::start_tls(scripts) } else { RawServer::start(scripts) };
        let client = A::new(at(&server.url()).extra_ca_pem(server.ca_pem())).unwrap();
        assert_eq!(client.call(Probe).unwrap().output, "one");
        assert_eq!(client.call(Probe).unwrap().output, "two", "TLS: {tls}");
    }
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
