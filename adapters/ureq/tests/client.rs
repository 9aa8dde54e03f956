//! The client over real sockets, against the sandbox.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod fixtures;

use std::error::Error as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use fixtures::{ada, config, faulty, open, server};
use lp_connector_core::bridge::share::ShareSettings;
use lp_connector_core::bridge::store::{Answer, Reply, Request, Store, StoreError};
use lp_connector_sandbox::{Endpoint, Server, ServerConfig};
use lp_connector_ureq::api::{AuthorizeApp, ChatState, OpenConversation};
use lp_connector_ureq::connector::{Proxy, ProxyUrl, Trust};
use lp_connector_ureq::policy::RetryPolicy;
use lp_connector_ureq::{Client, Delivery, ErrorKind, EventKind};

/// How many texts the cloud has.
fn texts(server: &Server) -> usize {
    server.with(|cloud| cloud.messages().iter().filter(|one| one.sequence.is_some()).count())
}

#[test]
fn a_thousand_sends_take_one_connection_and_one_of_each_token() {
    let server = server();
    let client = Client::new(config(&server)).unwrap();
    let conversation = open(&client);
    for n in 0..1000 {
        client.send_text(&conversation, format!("message {n}")).unwrap();
    }
    client.set_chat_state(&conversation, ChatState::Active).unwrap();
    client.close_conversation(&conversation).unwrap();
    assert_eq!(server.connections(), 1);
    assert_eq!(server.requests(Endpoint::Domain), 3);
    assert_eq!(server.requests(Endpoint::Token), 1);
    assert_eq!(server.requests(Endpoint::Consumer), 1);
    assert_eq!(texts(&server), 1000);
}

#[test]
fn a_hundred_threads_that_need_a_token_cause_one_request() {
    let server = faulty(&["token:1=delay:100ms"]);
    let client = Client::new(config(&server)).unwrap();
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| client.call(AuthorizeApp::new()).unwrap());
        }
    });
    assert_eq!(server.requests(Endpoint::Token), 1);
}

#[test]
fn a_503_is_repeated_and_the_message_arrives_once() {
    let server = faulty(&["send:1-2=503"]);
    let client = Client::new(config(&server)).unwrap();
    let conversation = open(&client);
    let sent = client.send_text(&conversation, "one").unwrap();
    assert_eq!((sent.attempts, sent.maybe_duplicated), (3, false));
    assert_eq!(texts(&server), 1);
}

#[test]
fn a_lost_answer_is_reported_and_not_repeated() {
    for fault in ["send:1=drop-after", "send:1=drop", "send:1=garbage", "send:1=truncated"] {
        let server = faulty(&[fault]);
        let client = Client::new(config(&server)).unwrap();
        let conversation = open(&client);
        let error = client.send_text(&conversation, "one").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unconfirmed, "{fault}: {error}");
        assert_eq!(error.delivery(), Delivery::Unknown);
        assert_eq!(server.requests(Endpoint::Send), 1);
    }
}

#[test]
fn at_least_once_repeats_a_lost_send_and_reports_it() {
    let server = faulty(&["send:1=drop-after"]);
    let often = RetryPolicy::documented().pauses([Duration::from_millis(1)]).at_least_once(true);
    let client = Client::new(config(&server).retry(often)).unwrap();
    let conversation = open(&client);
    let sent = client.send_text(&conversation, "one").unwrap();
    assert_eq!((sent.attempts, sent.maybe_duplicated), (2, true));
    assert_eq!(texts(&server), 2);
}

#[test]
fn what_was_never_sent_is_known_to_be_so() {
    let server = server();
    let config = config(&server);
    let client = Client::new(config).unwrap();
    let conversation = open(&client);
    drop(server);
    let error = client.send_text(&conversation, "one").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!((error.delivery(), error.attempts()), (Delivery::NotSent, 4));
}

#[test]
fn a_stalled_server_ends_the_attempt_at_its_time() {
    let server = faulty(&["send:1=delay:60s"]);
    let config = config(&server).attempt_timeout(Duration::from_millis(200));
    let client = Client::new(config).unwrap();
    let conversation = open(&client);
    let error = client.send_text(&conversation, "one").unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Unconfirmed, Delivery::Unknown));
}

#[test]
fn slow_and_chunked_answers_are_read_whole() {
    let server = faulty(&["send:1=slow", "send:2=chunked"]);
    let client = Client::new(config(&server)).unwrap();
    let conversation = open(&client);
    for sequence in 0..2 {
        let sent = client.send_text(&conversation, "🐦").unwrap();
        assert_eq!(sent.output.sequence, Some(sequence));
    }
}

#[test]
fn an_answer_over_the_limit_is_not_read_and_not_repeated() {
    let server = server();
    let client = Client::new(config(&server).max_body(40)).unwrap();
    let error = client.call(AuthorizeApp::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadAnswer, "{error}");
}

#[test]
fn a_redirect_is_not_followed() {
    let server = faulty(&["send:1=307,location:http://127.0.0.1:1/"]);
    let client = Client::new(config(&server)).unwrap();
    let conversation = open(&client);
    let error = client.send_text(&conversation, "one").unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Rejected, Some(307)));
    assert!(format!("{error:#}").contains("redirects are not followed"), "{error:#}");
}

#[test]
fn tls_holds_with_the_right_ca_and_not_without() {
    let server = Server::start(ServerConfig::new().tls(true)).unwrap();
    let pem = server.ca_pem().unwrap().to_owned();
    let client = Client::new(config(&server).extra_ca_pem(pem)).unwrap();
    client.open_conversation(OpenConversation::new(ada())).unwrap();

    let stranger = Client::new(config(&server)).unwrap();
    let error = stranger.call(AuthorizeApp::new()).unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Tls, Delivery::NotSent), "{error}");
    assert_eq!(error.attempts(), 1, "a bad certificate is not retried");
}

#[test]
fn an_extra_ca_that_is_none_is_refused_when_the_client_is_made() {
    let server = server();
    let error = Client::new(config(&server).extra_ca_pem("not a certificate")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[test]
fn a_host_outside_the_trusted_suffixes_gets_nothing() {
    let server = server();
    server.with(|cloud| cloud.move_service("sentinel", "sentinel.evil.example"));
    let client = Client::new(config(&server)).unwrap();
    let error = client.call(AuthorizeApp::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UntrustedHost, "{error}");
    assert!(error.to_string().contains("sentinel.evil.example"));
}

#[test]
fn a_service_that_has_moved_is_found_again() {
    let old = server();
    let new = server();
    let gone = Server::start(ServerConfig::new()).unwrap().authority();
    old.with(|cloud| cloud.move_service("sentinel", gone));
    // The second look-up already gives the new host.
    let moved = Arc::new(AtomicU32::new(0));
    let seen = moved.clone();
    let address = new.authority();
    let shared = Arc::new(old);
    let cloud = shared.clone();
    let patient = RetryPolicy::documented().pauses([Duration::from_millis(1100)]);
    let config = config(&shared).retry(patient).observer(move |event| {
        if matches!(event.kind, EventKind::NoResponse { .. }) {
            seen.fetch_add(1, Ordering::Relaxed);
            cloud.with(|cloud| cloud.move_service("sentinel", address.clone()));
        }
    });
    let client = Client::new(config).unwrap();
    client.call(AuthorizeApp::new()).unwrap();
    assert_eq!(moved.load(Ordering::Relaxed), 1);
    assert_eq!(new.requests(Endpoint::Token), 1);
}

#[test]
fn a_caller_that_panics_strands_nobody() {
    let server = faulty(&["token:1=503"]);
    let config = config(&server).observer(|event| {
        assert!(!matches!(event.kind, EventKind::Retry { .. }), "a panic in the observer");
    });
    let client = Client::new(config).unwrap();
    let panicking = client.clone();
    assert!(thread::spawn(move || panicking.call(AuthorizeApp::new())).join().is_err());
    client.call(AuthorizeApp::new()).unwrap();
}

#[test]
fn an_invalid_proxy_is_an_error_and_a_dead_one_is_named() {
    let server = server();
    let unusable = config(&server).proxy(Proxy::Url(ProxyUrl::new("::::")));
    assert_eq!(Client::new(unusable).unwrap_err().kind(), ErrorKind::Configuration);

    let down = config(&server)
        .retry(RetryPolicy::none())
        .trust(Trust::new("https://cloud.sandbox.test", ["sandbox.test"]).unwrap())
        .proxy(Proxy::Url(ProxyUrl::new("http://user:s3cr3t@127.0.0.1:1")));
    let error = Client::new(down).unwrap().call(AuthorizeApp::new()).unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
    assert_eq!(error.source().unwrap().to_string(), "the connection to the proxy 127.0.0.1:1");
    assert!(!format!("{error:?} {error:#?}").contains("s3cr3t"));
}

#[test]
fn an_unusable_domain_api_is_no_client() {
    assert!(Trust::new("http://api.liveperson.net", ["liveperson.net"]).is_err());
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
fn a_store_that_never_answers_holds_no_token_up() {
    let server = server();
    let client = Client::new(config(&server)).unwrap();
    let store = Arc::new(Stuck(Mutex::default()));
    let patience = ShareSettings::new().patience(Duration::from_millis(100));
    assert!(client.share_tokens(store.clone(), patience));
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || drop(sender.send(client.call(AuthorizeApp::new()).map_err(Box::new))));
    // That long is for ever.
    let done = ended.recv_timeout(Duration::from_secs(20)).expect("it waits for ever");
    assert!(done.is_ok(), "{done:?}");
    assert!(!store.0.lock().unwrap().is_empty(), "the store was asked");
}
