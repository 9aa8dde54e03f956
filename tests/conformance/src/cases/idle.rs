//! What becomes of a connection between two requests.

use crate::Adapter;
use crate::fixtures::{Probe, at};
use crate::raw_server::{Act, RawServer, ok};

/// What a server says before it closes a connection that was idle for too long for its taste.
const TIMED_OUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The server closes a connection after its answer: the next request takes another.
pub fn a_closed_idle_connection_costs_no_message<A: Adapter>() {
    for tls in [false, true] {
        let server = start(tls, vec![vec![Act::Answer(ok("one"))]; 10]);
        let client = client::<A>(&server);
        for n in 0..10 {
            let done = client.call(Probe).unwrap();
            assert_eq!((&*done.output, done.attempts), ("one", 1), "request {n}, TLS: {tls}");
            server.wait();
        }
        assert_eq!(server.requests().len(), 10);
    }
}

/// The server says something unasked with its answer: that is no answer to the next request.
pub fn an_unasked_200_behind_an_answer_is_no_answer<A: Adapter>() {
    for tls in [false, true] {
        let two = [ok("one"), ok("not asked for")].concat();
        let server = start(
            tls,
            vec![
                vec![Act::Answer(two), Act::Answer(ok("wrong")), Act::Stall],
                vec![Act::Answer(ok("two"))],
            ],
        );
        one_and_two(&client::<A>(&server));
    }
}

/// The same, while the connection is idle.
pub fn an_unasked_200_on_an_idle_connection_is_no_answer<A: Adapter>() {
    unasked_while_idle::<A>(&ok("not asked for"));
}

/// A server says so before it closes.
pub fn an_unasked_408_on_an_idle_connection_is_no_answer<A: Adapter>() {
    unasked_while_idle::<A>(TIMED_OUT);
}

fn unasked_while_idle<A: Adapter>(unasked: &[u8]) {
    for (tls, then) in
        [(false, Act::Stall), (false, Act::Close), (true, Act::Stall), (true, Act::Close)]
    {
        let closes = matches!(then, Act::Close);
        let server = start(
            tls,
            vec![
                vec![Act::Answer(ok("one")), Act::Send(unasked.to_vec()), then],
                vec![Act::Answer(ok("two"))],
            ],
        );
        let client = client::<A>(&server);
        assert_eq!(client.call(Probe).unwrap().output, "one");
        server.proceed();
        if closes {
            server.proceed();
        }
        let done = client.call(Probe).unwrap();
        assert_eq!((&*done.output, done.attempts), ("two", 1), "TLS: {tls}, closes: {closes}");
        assert_eq!(server.requests().len(), 2);
    }
}

/// The first bytes of an unasked answer come with an answer, the rest when there is another request.
pub fn half_an_unasked_record_is_no_answer<A: Adapter>() {
    // The longer answer fills what is read at once.
    for length in [1, 4000, 5000, 50_000] {
        let long = "1".repeat(length);
        let server = RawServer::start_tls(vec![
            vec![Act::AnswerAndBegin(ok(&long), ok("not asked for")), Act::Answer(ok("wrong"))],
            vec![Act::Answer(ok("two"))],
        ]);
        let client = client::<A>(&server);
        assert_eq!(client.call(Probe).unwrap().output, long);
        assert_eq!(client.call(Probe).unwrap().output, "two", "after {length} bytes");
    }
}

/// TLS speaks for itself: that is nobody's answer, and costs no message. Async clients keep the
/// connection.
pub fn a_tls_message_on_an_idle_connection_costs_nothing<A: Adapter>() {
    let server = RawServer::start_tls(vec![
        vec![Act::Answer(ok("one")), Act::SpeakTls, Act::Answer(ok("two"))],
        vec![Act::Answer(ok("two, on another"))],
    ]);
    let client = client::<A>(&server);
    assert_eq!(client.call(Probe).unwrap().output, "one");
    server.proceed();
    let two = client.call(Probe).unwrap().output;
    assert!(two == "two" || (!A::KEEPS_TLS && two == "two, on another"), "{two}");
}

fn start(tls: bool, scripts: Vec<Vec<Act>>) -> RawServer {
    if tls { RawServer::start_tls(scripts) } else { RawServer::start(scripts) }
}

fn client<A: Adapter>(server: &RawServer) -> A {
    A::new(at(&server.url()).extra_ca_pem(server.ca_pem())).unwrap()
}

fn one_and_two<A: Adapter>(client: &A) {
    assert_eq!(client.call(Probe).unwrap().output, "one");
    let done = client.call(Probe).unwrap();
    assert_eq!((&*done.output, done.attempts), ("two", 1));
}
