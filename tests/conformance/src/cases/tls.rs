//! TLS.

use std::time::Duration;

use lp_connector_core::api::{AuthorizeApp, SendText};
use lp_connector_core::connector::FailureKind;
use lp_connector_core::error::{Delivery, ErrorKind};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_sandbox::{Server, ServerConfig};

use crate::Adapter;
use crate::fixtures::{Probe, assert_fails, at, config, observed, open};
use crate::raw_server::{Act, RawServer};

/// TLS with the CA of the sandbox.
pub fn tls_works_with_the_configured_ca<A: Adapter>() {
    let server = Server::start(ServerConfig::new().tls(true)).unwrap();
    let client = A::new(config(&server).extra_ca_pem(server.ca_pem().unwrap())).unwrap();
    let conversation = open(&client);
    client.call(SendText::new(&conversation, "🐦")).unwrap();
    assert_eq!(server.connections(), 1);
}

/// TLS without that CA: an error at once, and nothing is sent.
pub fn an_unknown_ca_is_rejected<A: Adapter>() {
    let server = Server::start(ServerConfig::new().tls(true)).unwrap();
    let error = A::new(config(&server)).unwrap().call(AuthorizeApp::new()).unwrap_err();
    assert_fails(&error, ErrorKind::Tls, Delivery::NotSent);
    assert_eq!(error.attempts(), 1);
}

/// A certificate for other names.
pub fn a_wrong_host_name_is_rejected<A: Adapter>() {
    let server = Server::start(ServerConfig::new().tls(true)).unwrap();
    let url = server.base_url().replace("127.0.0.1", "127.0.0.2");
    let config = at(&url).extra_ca_pem(server.ca_pem().unwrap()).retry(RetryPolicy::none());
    let error = A::new(config).unwrap().call(Probe).unwrap_err();
    // Where 127.0.0.2 is no address of this machine, nothing listens there.
    assert!(matches!(error.kind(), ErrorKind::Tls | ErrorKind::Unavailable), "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent);
}

/// The handshake ends with the connect time-out: before the server ends it after 10 s, and the attempt after 60 s.
pub fn an_endless_tls_handshake_sends_nothing<A: Adapter>() {
    let server = RawServer::start(vec![vec![Act::Stall]]);
    let config = at(&server.url().replace("http:", "https:"))
        .connect_timeout(Duration::from_millis(100))
        .attempt_timeout(Duration::from_secs(60))
        .retry(RetryPolicy::none());
    let (config, failures) = observed(config);
    let error = A::new(config).unwrap().call(Probe).unwrap_err();
    assert_fails(&error, ErrorKind::Unavailable, Delivery::NotSent);
    assert_eq!(*failures.lock().unwrap(), [(FailureKind::Timeout, false)]);
}

/// The same, where the attempt's own time ends first.
pub fn an_attempt_that_ends_while_connecting_sends_nothing<A: Adapter>() {
    let server = RawServer::start(vec![vec![Act::Stall]]);
    let config = at(&server.url().replace("http:", "https:"))
        .connect_timeout(Duration::from_secs(60))
        .attempt_timeout(Duration::from_millis(100))
        .retry(RetryPolicy::none());
    let (config, failures) = observed(config);
    let error = A::new(config).unwrap().call(Probe).unwrap_err();
    assert_fails(&error, ErrorKind::Unavailable, Delivery::NotSent);
    assert_eq!(*failures.lock().unwrap(), [(FailureKind::Timeout, false)]);
}
