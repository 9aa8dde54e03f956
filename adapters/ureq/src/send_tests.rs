use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::SystemTime;

use http::Version;
use lp_connector_core::api::{ResolveDomain, Service};
use lp_connector_core::connector::{Call, Config, ConnectorState, Proxy, ProxyUrl, Step, Trust};
use lp_connector_core::id::AccountId;
use lp_connector_core::time::Now;

use super::*;

/// The host has moved: what was known of it leads to nobody.
#[test]
fn an_address_that_nobody_listens_at_is_forgotten() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = format!("localhost:{}", listener.local_addr().unwrap().port());
    // This end of a connection has its port as long as the test runs, and does not listen.
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let held = TcpStream::connect(busy.local_addr().unwrap()).unwrap();
    let gone = held.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        // Open until the client has read it.
        let _ = stream.read(&mut request);
    });
    let trust = Trust::new(&format!("http://{authority}"), ["sandbox.test"]).unwrap();
    let config = Config::new(AccountId::new("91827364").unwrap()).proxy(Proxy::None).trust(trust);
    let sender = Sender::new(config.transport()).unwrap();
    let seed = lp_connector_tls::seed().unwrap();
    let now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
    let send = || {
        let mut state = ConnectorState::new(config.clone(), seed);
        let operation = ResolveDomain::new(Service::IDP);
        let mut call = Call::new(operation, &state.config().clone(), seed, now);
        let step = call.poll(&mut state, now);
        let Step::Send(attempt) = step else { panic!("{step:?}") };
        sender.send(attempt, now.mono())
    };
    sender.resolver.remember(&authority, &[gone]);
    let Outcome::Failed(failure) = send() else { panic!("somebody listens there") };
    assert_eq!((failure.kind(), failure.may_have_left()), (FailureKind::Connect, false));
    assert!(matches!(send(), Outcome::Response(_)), "it tries the same address again");
}

#[test]
fn a_proxy_whose_name_does_not_resolve_is_named() {
    let proxy = Proxy::Url(ProxyUrl::new("http://user:s3cr3t@proxy.example:3128"));
    let config = Config::new(AccountId::new("91827364").unwrap()).proxy(proxy);
    let sender = Sender::new(config.transport()).unwrap();
    let uri = Uri::from_static("https://cloud.sandbox.test/");
    for error in [ureq::Error::HostNotFound, ureq::Error::ConnectionFailed] {
        let exchange = Exchange::begin(&Method::GET, Limits::new());
        let shown = format!("{:?}", sender.failure(error, &uri, &exchange));
        assert!(shown.contains("proxy.example:3128") && !shown.contains("s3cr3t"), "{shown}");
    }
}

#[test]
fn what_fails_before_it_is_sent_has_its_kind_and_no_proxy() {
    let proxy = Proxy::Url(ProxyUrl::new("http://proxy.example:3128"));
    let config = Config::new(AccountId::new("91827364").unwrap()).proxy(proxy);
    let sender = Sender::new(config.transport()).unwrap();
    // ureq says no before it writes anything, to a server that has no proxy.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = format!("http://{}/", listener.local_addr().unwrap());
    let unsupported = Request::get(here).version(Version::HTTP_2).body(()).unwrap();
    let unsupported = sender.run(unsupported, LONGEST).unwrap_err();
    // What rustls makes of a clock before 1970.
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(7);
    let clock = before.duration_since(SystemTime::UNIX_EPOCH).unwrap_err();
    let uri = Uri::from_static("https://cloud.sandbox.test/");
    for (error, kind) in [
        (unsupported, FailureKind::Protocol),
        (ureq::Error::Rustls(clock.into()), FailureKind::Tls),
        (ureq::Error::Tls("no such name"), FailureKind::Tls),
        (ureq::Error::TlsRequired, FailureKind::Tls),
        (ureq::Error::Timeout(Timeout::Connect), FailureKind::Timeout),
        (ureq::Error::TooManyRedirects, FailureKind::Other),
    ] {
        let shown = format!("{error:?}");
        let exchange = Exchange::begin(&Method::GET, Limits::new());
        let failure = sender.failure(error, &uri, &exchange);
        assert_eq!((failure.kind(), failure.may_have_left()), (kind, false), "{shown}");
        assert!(!format!("{failure:?}").contains("proxy.example"), "{failure:?}");
    }
}
