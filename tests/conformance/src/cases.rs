//! The cases: what an adapter owes the core, over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use lp_connector_core::api::{
    AuthorizeApp, ChatState, CloseConversation, IdentifyConsumer, SendText, SetChatState,
};
use lp_connector_core::connector::{EventKind, Proxy, ProxyUrl};
use lp_connector_core::error::{Delivery, Error, ErrorKind};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_sandbox::{Endpoint, Server, ServerConfig};

mod idle;

pub use idle::*;

use crate::Adapter;
use crate::fixtures::{Probe, ada, at, cloud, config, open, quick};
use crate::raw_proxy::RawProxy;
use crate::raw_server::{Act, RawServer, ok};

/// A whole conversation over one connection, with one request of each kind.
pub fn a_conversation_takes_one_connection<A: Adapter>() {
    let server = cloud(&[]);
    let client = A::new(config(&server)).unwrap();
    let conversation = open(&client);
    client.call(SetChatState::new(&conversation, ChatState::Composing)).unwrap();
    for sequence in 0..20 {
        let sent = client.call(SendText::new(&conversation, "🐦")).unwrap();
        assert_eq!(sent.output.sequence, Some(sequence));
    }
    client.call(CloseConversation::new(&conversation)).unwrap();
    assert_eq!(server.connections(), 1);
    assert_eq!(server.requests(Endpoint::Domain), 3);
    assert_eq!(server.requests(Endpoint::Token), 1);
    assert_eq!(server.requests(Endpoint::Consumer), 1);
}

/// Single flight, however many need the token.
pub fn a_hundred_concurrent_calls_take_one_token<A: Adapter>() {
    let server = cloud(&["token:1=delay:100ms"]);
    let client = A::new(config(&server)).unwrap();
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| client.call(AuthorizeApp::new()).unwrap());
        }
    });
    assert_eq!(server.requests(Endpoint::Token), 1);
}

/// Async clients make no more connections than they may, however many calls there are.
pub fn connections_are_bounded<A: Adapter>() {
    let server = cloud(&[]);
    let client = A::new(config(&server).max_connections(3)).unwrap();
    let conversation = open(&client);
    thread::scope(|scope| {
        for _ in 0..30 {
            let text = SendText::new(&conversation, "one");
            scope.spawn(|| client.call(text).unwrap());
        }
    });
    assert!(!A::BOUNDED || server.connections() <= 3, "{}", server.connections());
    assert_eq!(server.with(|cloud| cloud.messages().len()), 30);
}

/// No message is lost and one token is fetched when the old one dies under load.
pub fn a_token_that_dies_in_the_middle_of_traffic_is_renewed_once<A: Adapter>() {
    let server = cloud(&[]);
    let client = A::new(config(&server)).unwrap();
    let conversation = open(&client);
    thread::scope(|scope| {
        for n in 0..10 {
            let (client, conversation, server) = (&client, &conversation, &server);
            scope.spawn(move || {
                for m in 0..20 {
                    if (n, m) == (0, 10) {
                        server.with(|cloud| cloud.revoke_app_tokens());
                    }
                    let text = SendText::new(conversation, "one");
                    client.call(text).unwrap();
                }
            });
        }
    });
    assert_eq!(server.requests(Endpoint::Token), 2);
    assert_eq!(server.with(|cloud| cloud.messages().len()), 200);
}

/// 5xx: repeated, and one message.
pub fn a_5xx_is_repeated_and_arrives_once<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send:1-2=503"], quick());
    assert_eq!(result.unwrap(), (3, false));
    assert_eq!(server.with(|cloud| cloud.messages().len()), 1);
}

/// 429: not before `Retry-After`.
pub fn a_429_waits_as_long_as_it_is_told<A: Adapter>() {
    // The pause itself is the core's and tested there in virtual time: here, that it is obeyed at all.
    let policy = quick().rate_limit_floor(Duration::from_millis(1));
    let (server, result) = send_under::<A>(&["send:1=429,retry-after:0"], policy);
    assert_eq!(result.unwrap(), (2, false));
    assert_eq!(server.requests(Endpoint::Send), 2);
}

/// 4xx: once.
pub fn a_4xx_is_not_repeated<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send=400"], quick());
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Rejected, Delivery::Rejected));
    assert!(error.response_body().is_some_and(|body| !body.is_empty()), "the body is kept");
    assert_eq!(server.requests(Endpoint::Send), 1);
}

/// 451: once.
pub fn a_451_is_not_repeated<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send=451"], quick());
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Blocked);
    assert_eq!(server.requests(Endpoint::Send), 1);
}

/// 40102 for ever: one renewal.
pub fn a_refused_app_jwt_is_renewed_once<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send=revoke-app"], quick());
    assert_eq!(result.unwrap_err().error_code(), Some(40102));
    assert_eq!((server.requests(Endpoint::Token), server.requests(Endpoint::Send)), (2, 2));
}

/// 40103 for ever: one renewal.
pub fn a_refused_consumer_jws_is_renewed_once<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send=revoke-consumer"], quick());
    assert_eq!(result.unwrap_err().error_code(), Some(40103));
    assert_eq!((server.requests(Endpoint::Consumer), server.requests(Endpoint::Send)), (2, 2));
}

/// A lost answer: unconfirmed.
pub fn a_lost_answer_is_not_repeated<A: Adapter>() {
    for fault in ["send:1=drop", "send:1=drop-after"] {
        let (server, result) = send_under::<A>(&[fault], quick());
        let error = result.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Unconfirmed, Delivery::Unknown),
            "{error}"
        );
        assert_eq!(server.requests(Endpoint::Send), 1);
    }
}

/// At-least-once: repeated, and said to be.
pub fn a_lost_answer_is_repeated_where_that_was_chosen<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send:1=drop-after"], quick().at_least_once(true));
    assert_eq!(result.unwrap(), (2, true));
    assert_eq!(server.with(|cloud| cloud.messages().len()), 2);
}

/// The circuit of the token service opens after one exhausted call.
pub fn a_failing_service_is_left_alone<A: Adapter>() {
    let server = cloud(&["token=500"]);
    let client = A::new(config(&server)).unwrap();
    assert_eq!(client.call(AuthorizeApp::new()).unwrap_err().kind(), ErrorKind::Unavailable);
    let error = client.call(AuthorizeApp::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
    assert!(error.retry_after().is_some());
    assert_eq!(server.requests(Endpoint::Token), 4);
}

/// A redirect could carry the token away.
pub fn a_redirect_is_not_followed<A: Adapter>() {
    let (server, result) = send_under::<A>(&["send=307,location:/_sandbox/state"], quick());
    assert_eq!(result.unwrap_err().status(), Some(307));
    assert_eq!(server.requests(Endpoint::Send), 1);
}

/// Answers in chunks, and a byte every few milliseconds.
pub fn chunked_and_slow_answers_are_read<A: Adapter>() {
    for fault in ["send:1=chunked", "send:1=slow"] {
        let (_, result) = send_under::<A>(&[fault], quick());
        assert_eq!(result.unwrap(), (1, false), "{fault}");
    }
}

/// A body that ends with the connection.
pub fn an_answer_until_close_is_read<A: Adapter>() {
    let answer = b"HTTP/1.1 200 OK\r\n\r\nuntil close".to_vec();
    assert_eq!(probe::<A>(answer).unwrap(), "until close");
}

/// 1xx before the answer.
pub fn interim_answers_are_passed_over<A: Adapter>() {
    let mut answer = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".to_vec();
    answer.extend(ok("the real one"));
    assert_eq!(probe::<A>(answer).unwrap(), "the real one");
}

/// A head over any limit.
pub fn a_huge_head_is_an_error<A: Adapter>() {
    let mut answer = b"HTTP/1.1 200 OK\r\n".to_vec();
    for n in 0..20_000 {
        answer.extend_from_slice(format!("x-{n}: {n:0100}\r\n").as_bytes());
    }
    answer.extend_from_slice(b"content-length: 0\r\n\r\n");
    let error = probe::<A>(answer).unwrap_err();
    assert_eq!(error.delivery(), Delivery::Unknown, "{error}");
}

/// A body that breaks off.
pub fn a_truncated_answer_may_have_taken_effect<A: Adapter>() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-le",
    ] {
        let error = probe::<A>(answer.to_vec()).unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Unconfirmed, Delivery::Unknown),
            "{error}"
        );
    }
}

/// What comes is not HTTP.
pub fn garbage_may_have_taken_effect<A: Adapter>() {
    let error = probe::<A>(b"\x00\x01 not HTTP\r\n\r\n".to_vec()).unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unconfirmed, Delivery::Unknown),
        "{error}"
    );
}

/// A body over the limit is not read.
pub fn an_answer_over_the_limit_is_an_error<A: Adapter>() {
    let raw = RawServer::start(vec![vec![Act::Answer(ok(&"x".repeat(101)))]]);
    let client = A::new(at(&raw.url()).max_body(100)).unwrap();
    let error = client.call(Probe).unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::BadAnswer, Delivery::Unknown),
        "{error}"
    );
}

/// Nobody listens.
pub fn a_refused_connection_was_never_sent<A: Adapter>() {
    let url = cloud(&[]).base_url();
    let error = A::new(at(&url)).unwrap().call(Probe).unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::NotSent),
        "{error}"
    );
    assert_eq!(error.attempts(), 4);
}

/// The server closes after it has read the request.
pub fn a_reset_after_the_request_may_have_taken_effect<A: Adapter>() {
    let raw = RawServer::start(vec![vec![Act::ReadAndReset]]);
    let error = A::new(at(&raw.url())).unwrap().call(Probe).unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unconfirmed, Delivery::Unknown),
        "{error}"
    );
    assert_eq!(raw.requests().len(), 1);
}

/// The server closes as soon as it is connected to. Whether the request left is then a matter of
/// microseconds: what is said of it must be true, and it must not be sent again if it may have.
pub fn a_close_before_the_request_is_told_truly<A: Adapter>() {
    let raw = RawServer::start(vec![Vec::new()]);
    let error = A::new(at(&raw.url()).retry(RetryPolicy::none())).unwrap().call(Probe).unwrap_err();
    let told = (error.kind(), error.delivery());
    let maybe = (ErrorKind::Unconfirmed, Delivery::Unknown);
    assert!(told == maybe || told == (ErrorKind::Unavailable, Delivery::NotSent), "{error}");
    assert_eq!(raw.requests().len(), 0);
}

/// The answer never comes.
pub fn a_stalled_server_ends_at_the_time<A: Adapter>() {
    let raw = RawServer::start(vec![vec![Act::Stall]]);
    let config = at(&raw.url()).attempt_timeout(Duration::from_millis(100));
    let error = A::new(config).unwrap().call(Probe).unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unconfirmed, Delivery::Unknown),
        "{error}"
    );
}

/// No limit is a limit too.
pub fn the_longest_times_do_not_overflow<A: Adapter>() {
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

/// The TLS handshake never ends: then nothing was sent.
pub fn a_server_that_never_shakes_hands_was_never_sent_to<A: Adapter>() {
    let raw = RawServer::start(vec![vec![Act::Stall]]);
    let config = at(&raw.url().replace("http:", "https:"))
        .connect_timeout(Duration::from_millis(100))
        .retry(RetryPolicy::none());
    let error = A::new(config).unwrap().call(Probe).unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::NotSent),
        "{error}"
    );
}

/// The same, where the attempt's own time ends first.
pub fn an_attempt_that_ends_while_connecting_was_never_sent<A: Adapter>() {
    let raw = RawServer::start(vec![vec![Act::Stall]]);
    let config = at(&raw.url().replace("http:", "https:"))
        .connect_timeout(Duration::from_secs(60))
        .attempt_timeout(Duration::from_millis(100))
        .retry(RetryPolicy::none());
    let error = A::new(config).unwrap().call(Probe).unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::NotSent),
        "{error}"
    );
}

/// TLS with the sandbox's CA.
pub fn tls_holds_with_the_given_ca<A: Adapter>() {
    let server = Server::start(ServerConfig::new().tls(true)).unwrap();
    let client = A::new(config(&server).extra_ca_pem(server.ca_pem().unwrap())).unwrap();
    let conversation = open(&client);
    client.call(SendText::new(&conversation, "🐦")).unwrap();
    assert_eq!(server.connections(), 1);
}

/// TLS without it: refused at once, and nothing sent.
pub fn an_unknown_ca_is_refused<A: Adapter>() {
    let server = Server::start(ServerConfig::new().tls(true)).unwrap();
    let error = A::new(config(&server)).unwrap().call(AuthorizeApp::new()).unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Tls, Delivery::NotSent), "{error}");
    assert_eq!(error.attempts(), 1);
}

/// A certificate for other names.
pub fn a_wrong_host_name_is_refused<A: Adapter>() {
    let server = Server::start(ServerConfig::new().tls(true)).unwrap();
    let url = server.base_url().replace("127.0.0.1", "127.0.0.2");
    let config = at(&url).extra_ca_pem(server.ca_pem().unwrap()).retry(RetryPolicy::none());
    let error = A::new(config).unwrap().call(Probe).unwrap_err();
    // Where 127.0.0.2 is no address of this machine, nothing listens there.
    assert!(matches!(error.kind(), ErrorKind::Tls | ErrorKind::Unavailable), "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent);
}

/// Everything goes through the proxy, TLS included.
pub fn a_proxy_sees_every_byte<A: Adapter>() {
    let server = Server::start(ServerConfig::new().tls(true)).unwrap();
    let proxy = RawProxy::start(false);
    let config = config(&server)
        .extra_ca_pem(server.ca_pem().unwrap())
        .proxy(Proxy::Url(ProxyUrl::new(proxy.url())));
    let client = A::new(config).unwrap();
    let conversation = open(&client);
    client.call(SendText::new(&conversation, "🐦")).unwrap();
    let tunnels = proxy.tunnels();
    assert!(!tunnels.is_empty() && tunnels.iter().all(|to| *to == server.authority()));
    assert_eq!(server.connections(), tunnels.len() as u64);
}

/// The proxy says no.
pub fn a_proxy_that_refuses_was_never_sent_through<A: Adapter>() {
    let server = Server::start(ServerConfig::new().tls(true)).unwrap();
    let proxy = RawProxy::start(true);
    let config = config(&server)
        .extra_ca_pem(server.ca_pem().unwrap())
        .retry(RetryPolicy::none())
        .proxy(Proxy::Url(ProxyUrl::new(proxy.url())));
    let client = A::new(config).unwrap();
    let error = client.call(AuthorizeApp::new()).unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::NotSent),
        "{error}"
    );
    assert!(!format!("{error:?} {client:?}").contains("s3cr3t"));
}

/// A panic while the lease is held.
pub fn a_caller_that_panics_strands_nobody<A: Adapter>() {
    let server = cloud(&["token:1=503"]);
    let first = Arc::new(AtomicBool::new(true));
    let config = config(&server).observer(move |event| {
        if matches!(event.kind, EventKind::Retry { .. }) {
            assert!(!first.swap(false, Ordering::Relaxed), "a panic on purpose");
        }
    });
    let client = A::new(config).unwrap();
    let panicking = client.clone();
    assert!(thread::spawn(move || panicking.call(AuthorizeApp::new()).is_ok()).join().is_err());
    client.call(AuthorizeApp::new()).unwrap();
}

/// A future dropped while it fetches the token that another waits for.
pub fn a_dropped_call_strands_nobody<A: Adapter>() {
    let server = cloud(&["token:1=delay:60s"]);
    // The lease would end by itself long after the second call is given up.
    let patient = config(&server).attempt_timeout(Duration::from_secs(60));
    let client = A::new(patient.call_timeout(Duration::from_secs(60))).unwrap();
    if client.drop_after(AuthorizeApp::new(), Duration::from_millis(100)) {
        let given_up = client.drop_after(AuthorizeApp::new(), Duration::from_secs(10));
        assert!(!given_up, "it waited for a lease that nobody holds");
        assert_eq!(server.requests(Endpoint::Token), 2);
    }
}

/// A future dropped at any of its polls, from the first to the last.
pub fn a_call_dropped_at_any_poll_strands_nobody<A: Adapter>() {
    for polls in 0..200 {
        let server = cloud(&[]);
        let client = A::new(config(&server)).unwrap();
        let dropped = client.drop_at_poll(IdentifyConsumer::new(ada()), polls);
        client.call(IdentifyConsumer::new(ada())).unwrap();
        assert!(server.requests(Endpoint::Token) <= 2);
        if !dropped {
            return;
        }
    }
    panic!("a call that takes 200 polls");
}

/// A future dropped while its answer is on the way: that answer is nobody's.
pub fn a_dropped_call_leaves_no_half_read_connection<A: Adapter>() {
    let server = cloud(&[]);
    let client = A::new(config(&server)).unwrap();
    let conversation = open(&client);
    for millis in [0, 1, 2, 5, 10, 20, 50] {
        server.with(|cloud| cloud.clear_faults());
        server.with(|cloud| cloud.fault("send:1=slow".parse().unwrap()));
        let text = SendText::new(&conversation, "dropped");
        client.drop_after(text, Duration::from_millis(millis));
        server.with(|cloud| cloud.clear_faults());
        let before = server.with(|cloud| {
            let last = cloud.messages().iter().rev().find_map(|message| message.sequence);
            last.map_or(0, |last| last + 1)
        });
        let sent = client.call(SendText::new(&conversation, "kept")).unwrap();
        assert!(sent.output.sequence >= Some(before), "an answer to another request");
    }
}

/// Sends one text under faults. Gives attempts and whether it may have happened twice.
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

/// One `POST` that is answered so, before the server closes.
fn probe<A: Adapter>(answer: Vec<u8>) -> Result<String, Error> {
    let raw = RawServer::start(vec![vec![Act::Answer(answer)]]);
    let result = A::new(at(&raw.url())).unwrap().call(Probe);
    assert_eq!(raw.requests().len(), 1, "sent again");
    result.map(|done| done.output)
}
