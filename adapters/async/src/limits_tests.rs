//! The limits of time, each to the nanosecond, on a clock that moves when everything waits.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lp_connector_core::api::AuthorizeApp;
use lp_connector_core::bridge::share::{ShareSettings, TokenSharing};
use lp_connector_core::bridge::store::{Answer, Reply, Request, Store, StoreError};
use lp_connector_core::connector::{Call, EventKind, FailureKind, Proxy, ProxyUrl};
use lp_connector_core::error::{Delivery, ErrorKind};
use lp_connector_core::policy::RetryPolicy;

use crate::sharing::Sharing;
use crate::world_tests::{Peer, Probe, SECOND, Task, World, call, config, driver};

const PLAIN: &str = "http://127.0.0.1:1";
const TLS: &str = "https://cloud.sandbox.test";

/// For ever.
const NEVER: Duration = Duration::MAX;

fn dribbling(answer: &str) -> Peer {
    let bytes = answer.bytes().map(|byte| (SECOND, vec![byte])).collect();
    Peer { answers: bytes, ..Peer::silent() }
}

#[test]
fn connecting_ends_with_its_time_whatever_it_waits_for() {
    let (connect, attempt) = (SECOND * 5, SECOND * 15);
    let slow = Peer { accepts_after: SECOND * 4, ..Peer::silent() };
    let deaf = Peer { accepts_after: NEVER, ..Peer::silent() };
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(100));
    let proxied = |url| Proxy::Url(ProxyUrl::new(url));
    for (what, url, proxy, resolves_after, peer) in [
        ("the name", PLAIN, Proxy::None, NEVER, Peer::silent()),
        ("TCP", PLAIN, Proxy::None, Duration::ZERO, deaf.clone()),
        ("TLS", TLS, Proxy::None, Duration::ZERO, Peer::silent()),
        ("TCP, then TLS", TLS, Proxy::None, Duration::ZERO, slow.clone()),
        ("the name, then TLS", TLS, Proxy::None, SECOND * 4, Peer::silent()),
        ("the proxy", TLS, proxied("http://192.0.2.9:1"), Duration::ZERO, deaf),
        ("the tunnel", TLS, proxied("http://192.0.2.9:1"), Duration::ZERO, Peer::silent()),
        ("each byte", TLS, proxied("http://192.0.2.9:1"), Duration::ZERO, dribbling(&long)),
        ("TCP, then the tunnel", TLS, proxied("http://192.0.2.9:1"), Duration::ZERO, slow),
    ] {
        // Whichever of the two is shorter.
        let limits = [(connect, attempt, connect), (NEVER, attempt, attempt)];
        let both = |limits| [(limits, false), (limits, true)];
        for ((connect, attempt, ends), global) in limits.into_iter().flat_map(both) {
            let world = World::new([peer.clone()]).resolves_after(resolves_after);
            let world = world.global_timers(global);
            let config = config(url).proxy(proxy.clone());
            let config = config.connect_timeout(connect).attempt_timeout(attempt);
            let driver = driver(&world, config);
            let error = world.run(call(&driver, Probe)).unwrap_err();
            let reported = (error.kind(), error.delivery());
            assert_eq!(reported, (ErrorKind::Unavailable, Delivery::NotSent), "{what}: {error}");
            assert_eq!(world.elapsed(), ends, "{what}");
        }
    }
}

#[test]
fn an_attempt_ends_with_its_time_whatever_it_waits_for() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(100));
    for (what, peer) in [
        ("the response", Peer::silent()),
        ("each byte", dribbling(&long)),
        ("room for the request", Peer { takes: 20, ..Peer::silent() }),
        ("TCP, then the response", Peer { accepts_after: SECOND * 4, ..Peer::silent() }),
    ] {
        for global in [false, true] {
            let world = World::new([peer.clone()]).global_timers(global);
            let driver = driver(&world, config(PLAIN));
            let error = world.run(call(&driver, Probe)).unwrap_err();
            let reported = (error.kind(), error.delivery());
            assert_eq!(reported, (ErrorKind::Unconfirmed, Delivery::Unknown), "{what}: {error}");
            assert_eq!(world.elapsed(), SECOND * 15, "{what}");
        }
    }
}

#[test]
fn each_attempt_has_all_its_time_and_no_more() {
    let pauses = Arc::new(Mutex::new(Duration::ZERO));
    let seen = pauses.clone();
    let policy = RetryPolicy::documented().pauses([SECOND, SECOND * 3]).at_least_once(true);
    let config = config(PLAIN).retry(policy).observer(move |event| {
        if let EventKind::Retry { pause, .. } = event.kind {
            *seen.lock().unwrap() += pause;
        }
    });
    for (of_the_call, ends) in [(SECOND * 120, None), (SECOND * 20, Some(SECOND * 20))] {
        for global in [false, true] {
            *pauses.lock().unwrap() = Duration::ZERO;
            let world = World::new([(); 3].map(|()| Peer::silent())).global_timers(global);
            let driver = driver(&world, config.clone().call_timeout(of_the_call));
            world.run(call(&driver, Probe)).unwrap_err();
            let whole = SECOND * 45 + *pauses.lock().unwrap();
            assert_eq!(world.elapsed(), ends.unwrap_or(whole));
        }
    }
}

#[test]
fn waiting_for_a_connection_is_no_failure_of_the_server() {
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let seen = kinds.clone();
    let config = config(PLAIN).max_connections(1).observer(move |event| {
        if let EventKind::NoResponse { failure, may_have_left, .. } = event.kind {
            seen.lock().unwrap().push((failure, may_have_left));
        }
    });
    let world = World::new([Peer::silent()]);
    let driver = driver(&world, config);
    let mut holds = Task::new(call(&driver, Probe));
    assert!(holds.poll().is_none());
    let seed = lp_connector_tls::seed().unwrap();
    let waits = Call::new(Probe, driver.config(), seed, world.now()).timeout(SECOND, world.now());
    let error = world.run(driver.drive(waits, || world.now())).unwrap_err();
    assert_eq!((world.elapsed(), error.delivery()), (SECOND, Delivery::NotSent), "{error}");
    assert_eq!(*kinds.lock().unwrap(), [(FailureKind::NoFreeConnection, false)]);
}

/// From the end of an exchange on, not from its begin.
#[test]
fn a_connection_is_used_again_for_less_than_the_idle_time() {
    let (idle, instant) = (SECOND * 15, Duration::from_nanos(1));
    for (pause, connections) in [(idle - instant, 1), (idle, 2)] {
        let slow = || Peer::answering_after(SECOND * 10, "one");
        let world = World::new([slow(), slow()]);
        let driver = driver(&world, config(PLAIN));
        world.run(call(&driver, Probe)).unwrap();
        world.advance(pause);
        world.run(call(&driver, Probe)).unwrap();
        assert_eq!(world.connections(), connections, "{pause:?}");
    }
}

#[test]
fn each_idle_connection_is_looked_at_before_it_is_used() {
    let noisy = || Peer { speaks_unasked: true, ..Peer::answering_after(SECOND, "stale") };
    let quiet = Peer::answering_after(SECOND, "kept");
    // The first is looked at last: behind two that are stale.
    for (first, output, connections) in [(noisy(), "fresh", 4), (quiet, "kept", 3)] {
        let world = World::new([first, noisy(), noisy(), Peer::answering("fresh")]);
        let driver = driver(&world, config(PLAIN));
        // All at once, so that each has a connection of its own.
        let mut calls = [(); 3].map(|()| Task::new(call(&driver, Probe)));
        assert!(calls.iter_mut().all(|call| call.poll().is_none()));
        world.advance(SECOND);
        assert!(calls.iter_mut().all(|call| call.poll().is_some_and(|result| result.is_ok())));
        let done = world.run(call(&driver, Probe)).unwrap();
        assert_eq!((&*done.output, world.connections()), (output, connections));
    }
}

#[test]
fn a_request_has_left_once_its_first_byte_has() {
    let failing = |takes| {
        let then = Some(io::ErrorKind::ConnectionReset);
        Peer { takes, then, ..Peer::silent() }
    };
    for (takes, delivery) in [(0, Delivery::NotSent), (1, Delivery::Unknown)] {
        let world = World::new([failing(takes)]);
        let driver = driver(&world, config(PLAIN).attempt_timeout(SECOND));
        let error = world.run(call(&driver, Probe)).unwrap_err();
        assert_eq!(error.delivery(), delivery, "{takes} bytes: {error}");
    }
}

#[test]
fn a_connection_that_took_half_a_request_is_not_used_again() {
    let then = Some(io::ErrorKind::BrokenPipe);
    let world =
        World::new([Peer { takes: 20, then, ..Peer::answering("one") }, Peer::answering("two")]);
    let driver = driver(&world, config(PLAIN));
    assert_eq!(world.run(call(&driver, Probe)).unwrap().output, "one");
    assert_eq!(world.run(call(&driver, Probe)).unwrap().output, "two");
}

/// The server verifies the certificate before it reads anything, but only on a new connection.
#[test]
fn a_demand_for_a_certificate_is_harmless_on_a_new_connection() {
    for (answered, delivery) in [(0, Delivery::NotSent), (1, Delivery::Unknown)] {
        let demands_after = Some(answered);
        let world = World::new([Peer { demands_after, ..Peer::answering("one") }]);
        let driver = driver(&world, config(PLAIN));
        for _ in 0..answered {
            world.run(call(&driver, Probe)).unwrap();
        }
        let error = world.run(call(&driver, Probe)).unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Tls, delivery), "{error}");
        assert_eq!(world.connections(), 1);
    }
}

/// What else is read there is no answer to a request that has not left.
#[test]
fn a_demand_for_a_certificate_is_read_after_a_failed_write() {
    // The world's demand is an answer without a byte.
    for (said, kind) in [("", ErrorKind::Tls), ("SSH-2.0-coo\r\n\r\n", ErrorKind::Unavailable)] {
        let then = Some(io::ErrorKind::BrokenPipe);
        let answers = vec![(Duration::ZERO, said.into())];
        let world = World::new([Peer { takes: 0, then, greets: true, answers, ..Peer::silent() }]);
        let driver = driver(&world, config(PLAIN));
        let error = world.run(call(&driver, Probe)).unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (kind, Delivery::NotSent), "{error}");
    }
}

#[test]
fn a_url_without_a_port_has_that_of_its_scheme() {
    for (url, host, port) in [
        ("http://127.0.0.1", "127.0.0.1", 80),
        ("http://[::1]", "::1", 80),
        ("http://[::1]:8080", "::1", 8080),
        ("https://cloud.sandbox.test", "cloud.sandbox.test", 443),
        ("https://cloud.sandbox.test:80", "cloud.sandbox.test", 80),
    ] {
        let world = World::new([]);
        let driver = driver(&world, config(url));
        world.run(call(&driver, Probe)).unwrap_err();
        assert_eq!(world.resolved(), [(host.to_owned(), port)], "{url}");
    }
}

/// Takes requests and answers none.
struct Stuck(Mutex<Vec<Reply>>);

impl Store for Stuck {
    fn perform(&self, _: Request) -> Result<Answer, StoreError> {
        panic!("nobody blocks")
    }

    fn submit(&self, _: Request, reply: Reply) {
        self.0.lock().unwrap().push(reply);
    }

    fn is_sealed(&self) -> bool {
        true
    }
}

#[test]
fn a_store_that_never_answers_costs_the_patience_alone() {
    let patience = SECOND * 3;
    let lookup = r#"{"service":"sentinel","account":"91827364","baseURI":"127.0.0.1:1"}"#;
    let token = r#"{"access_token":"x.y.z","token_type":"bearer","expires_in":3600}"#;
    let world = World::new([
        Peer { answers: close(lookup), ..Peer::silent() },
        Peer { answers: close(token), ..Peer::silent() },
    ]);
    let driver = driver(&world, config(PLAIN));
    let settings = ShareSettings::new().patience(patience);
    let seed = lp_connector_tls::seed().unwrap();
    let tokens = TokenSharing::new(driver.config(), seed, settings).unwrap();
    driver.share(Some(Sharing::new(Arc::new(Stuck(Mutex::default())), tokens)));
    world.run(call(&driver, AuthorizeApp::new())).unwrap();
    assert!(world.elapsed() <= patience, "{:?}", world.elapsed());
    assert!(!world.elapsed().is_zero(), "it was asked");
}

/// A response with this body, at once, on a connection that is closed then.
fn close(body: &str) -> Vec<(Duration, Vec<u8>)> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    vec![(Duration::ZERO, (head + body).into_bytes())]
}

#[test]
fn a_proxy_that_nobody_listens_at_is_named() {
    use std::error::Error as _;
    let world = World::new([]);
    let proxy = Proxy::Url(ProxyUrl::new("http://user:s3cr3t@192.0.2.9:1"));
    let driver = driver(&world, config(TLS).proxy(proxy).retry(RetryPolicy::none()));
    let error = world.run(call(&driver, Probe)).unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "the connection to the proxy 192.0.2.9:1");
    assert!(!format!("{error:?}").contains("s3cr3t"));
}

#[test]
fn a_proxy_that_breaks_the_tunnel_is_named() {
    use std::error::Error as _;
    let then = Some(io::ErrorKind::ConnectionReset);
    let world = World::new([Peer { takes: 0, then, ..Peer::silent() }]);
    let proxy = Proxy::Url(ProxyUrl::new("http://user:s3cr3t@192.0.2.9:1"));
    let driver = driver(&world, config(TLS).proxy(proxy).retry(RetryPolicy::none()));
    let error = world.run(call(&driver, Probe)).unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert_eq!(error.source().unwrap().to_string(), "the connection to the proxy 192.0.2.9:1");
    assert!(!format!("{error:?}").contains("s3cr3t"));
}

#[test]
fn what_comes_before_a_request_is_no_response_to_it() {
    let then = Some(io::ErrorKind::BrokenPipe);
    let world = World::new([Peer { takes: 0, then, greets: true, ..Peer::answering("unasked") }]);
    let driver = driver(&world, config(PLAIN));
    let error = world.run(call(&driver, Probe)).unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
}
