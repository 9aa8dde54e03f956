//! TLS.

use std::time::Duration;

use lp_connector_core::api::{AuthorizeApp, SendText};
use lp_connector_core::error::{Delivery, ErrorKind};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_sandbox::{Server, ServerConfig};

use crate::Adapter;
use crate::fixtures::{Probe, assert_connecting_times_out, assert_fails, at, config, open};
use crate::raw_server::{Act, RawServer, ok};

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

/// The certificate is for the address, and the URL has a name that leads to the same server.
pub fn a_wrong_host_name_is_rejected<A: Adapter>() {
    for (host, right) in [("127.0.0.1", true), ("localhost", false)] {
        let server = RawServer::start_tls(vec![vec![Act::Respond(ok("one"))]]);
        let url = server.url().replace("127.0.0.1", host);
        let config = at(&url).extra_ca_pem(server.ca_pem()).retry(RetryPolicy::none());
        match A::new(config).unwrap().call(Probe) {
            Ok(_) => assert!(right, "{host}"),
            Err(error) => {
                assert!(!right, "{host}: {error}");
                assert_fails(&error, ErrorKind::Tls, Delivery::NotSent);
                assert_eq!((server.connections(), server.requests().len()), (1, 0));
            }
        }
    }
}

/// The handshake ends with the connect time-out: before the server ends it after 10 s, and the attempt after 60 s.
pub fn an_endless_tls_handshake_sends_nothing<A: Adapter>() {
    let server = RawServer::start(vec![vec![Act::Stall]]);
    let config = at(&server.url().replace("http:", "https:"))
        .connect_timeout(Duration::from_millis(100))
        .attempt_timeout(Duration::from_secs(60));
    assert_connecting_times_out::<A>(config);
}

/// The same, where the attempt's own time ends first.
pub fn an_attempt_that_ends_while_connecting_sends_nothing<A: Adapter>() {
    let server = RawServer::start(vec![vec![Act::Stall]]);
    let config = at(&server.url().replace("http:", "https:"))
        .connect_timeout(Duration::from_secs(60))
        .attempt_timeout(Duration::from_millis(100));
    assert_connecting_times_out::<A>(config);
}
