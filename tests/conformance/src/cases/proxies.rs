//! Proxies.

use std::net::SocketAddr;
use std::time::Duration;

use lp_connector_core::api::{AuthorizeApp, SendText};
use lp_connector_core::connector::{Config, Proxy, ProxyUrl, Trust};
use lp_connector_core::error::{Delivery, ErrorKind};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_sandbox::{Server, ServerConfig};

use crate::Adapter;
use crate::fixtures::{
    PROXIED, Probe, assert_connecting_times_out, assert_fails, at, config, open, quick,
};
use crate::raw_proxy::{Policy, RawProxy};

/// A sandbox that only a proxy leads to: it names hosts that do not resolve.
fn remote_cloud() -> (Server, SocketAddr) {
    let all = |config: lp_connector_sandbox::Config| {
        ["asyncMessagingEnt", "sentinel", "idp"]
            .into_iter()
            .fold(config, |config, service| config.service_at(service, PROXIED))
    };
    let server = Server::start(ServerConfig::new().tls(true).sandbox(all)).unwrap();
    let address = server.authority().parse().unwrap();
    (server, address)
}

fn behind(proxy: &RawProxy, credentials: &str, server: &Server) -> Config {
    config(server)
        .trust(Trust::new(&format!("https://{PROXIED}"), [PROXIED]).unwrap())
        .extra_ca_pem(server.ca_pem().unwrap())
        .proxy(Proxy::Url(ProxyUrl::new(proxy.url(credentials))))
}

/// Every connection is a tunnel, with TLS inside.
pub fn all_traffic_goes_through_the_proxy<A: Adapter>() {
    let (server, address) = remote_cloud();
    let proxy = RawProxy::start(Policy::LeadTo(address));
    let client = A::new(behind(&proxy, "", &server)).unwrap();
    let conversation = open(&client);
    client.call(SendText::new(&conversation, "🐦")).unwrap();
    let tunnels = proxy.asked();
    let to = format!("{PROXIED}:443");
    assert!(!tunnels.is_empty() && tunnels.iter().all(|tunnel| tunnel.to == to));
    assert_eq!(server.connections(), tunnels.len() as u64);
}

/// The proxy refuses the tunnel.
pub fn a_proxy_that_refuses_passes_nothing_on<A: Adapter>() {
    let (server, _) = remote_cloud();
    let proxy = RawProxy::start(Policy::Refuse(403));
    let config = behind(&proxy, "user:s3cr3t@", &server).retry(RetryPolicy::none());
    let client = A::new(config).unwrap();
    let error = client.call(AuthorizeApp::new()).unwrap_err();
    assert_fails(&error, ErrorKind::Unavailable, Delivery::NotSent);
    assert!(!format!("{error:?} {error:#?} {client:?}").contains("s3cr3t"));
    assert_eq!(server.connections(), 0);
}

/// The tunnel ends with the connect time-out, though there is a byte of it now and then: before the proxy ends it after
/// 10 s, and the attempt after 60 s.
pub fn an_endless_tunnel_sends_nothing<A: Adapter>() {
    let proxy = RawProxy::start(Policy::Dribble);
    let config = at("https://cloud.sandbox.test")
        .proxy(Proxy::Url(ProxyUrl::new(proxy.url(""))))
        .connect_timeout(Duration::from_millis(300))
        .attempt_timeout(Duration::from_secs(60));
    assert_connecting_times_out::<A>(config);
}

/// A rejected password stays so: one try, and the error says what to look at.
pub fn a_407_of_the_proxy_is_one_try<A: Adapter>() {
    let (server, _) = remote_cloud();
    let proxy = RawProxy::start(Policy::Refuse(407));
    let client = A::new(behind(&proxy, "user:s3cr3t@", &server).retry(quick())).unwrap();
    let error = client.call(AuthorizeApp::new()).unwrap_err();
    assert_fails(&error, ErrorKind::Proxy, Delivery::NotSent);
    assert_eq!((error.attempts(), proxy.asked().len()), (1, 1));
    let shown = format!("{error:#}");
    assert!(shown.contains("407") && shown.contains("was not sent"), "{shown}");
    assert!(shown.contains("user and password in the proxy's URL"), "{shown}");
    assert!(!format!("{error:?} {error:#?} {client:?} {shown}").contains("s3cr3t"));
    assert_eq!(server.connections(), 0);
}

/// User and password reach the proxy as they were meant, whatever the client is.
pub fn the_proxy_receives_user_and_password_exactly<A: Adapter>() {
    for (credentials, received) in [
        ("", None),
        ("ada:pw@", Some("Basic YWRhOnB3")), // ada:pw
        ("ada:@", Some("Basic YWRhOg==")),   // ada:
        ("ada@", Some("Basic YWRhOg==")),    // ada:
        (":pw@", Some("Basic OnB3")),        // :pw
        ("u%40x:p%25%3Aw+%20@", Some("Basic dUB4OnAlOncrIA==")), // u@x:p%:w+ and a blank
        ("ada:%FF%C3%B1@", Some("Basic YWRhOv/DsQ==")), // bytes that are no UTF-8
    ] {
        let (server, _) = remote_cloud();
        let proxy = RawProxy::start(Policy::Refuse(407));
        let client = A::new(behind(&proxy, credentials, &server)).unwrap();
        client.call(AuthorizeApp::new()).unwrap_err();
        let asked = proxy.asked().pop().unwrap();
        assert_eq!(asked.authorization.as_deref(), received, "{credentials}");
    }
}

/// Loopback has no proxy, even if the configuration names one: over HTTP and over TLS.
pub fn loopback_has_no_proxy<A: Adapter>() {
    let proxy = RawProxy::start(Policy::Refuse(403));
    for tls in [false, true] {
        let server = Server::start(ServerConfig::new().tls(tls)).unwrap();
        let config = config(&server)
            .extra_ca_pem(server.ca_pem().unwrap_or_default())
            .proxy(Proxy::Url(ProxyUrl::new(proxy.url("user:s3cr3t@"))));
        let client = A::new(config).unwrap();
        let conversation = open(&client);
        client.call(SendText::new(&conversation, "🐦")).unwrap();
        let by_name = server.base_url().replace("127.0.0.1", "localhost");
        let by_name = at(&by_name)
            .extra_ca_pem(server.ca_pem().unwrap_or_default())
            .proxy(Proxy::Url(ProxyUrl::new(proxy.url("user:s3cr3t@"))));
        // The sandbox knows no such path.
        let error = A::new(by_name).unwrap().call(Probe).unwrap_err();
        assert_eq!(error.status(), Some(404), "{error}");
    }
    assert_eq!(proxy.asked(), []);
}
