//! What happens on a connection between two requests.

use crate::Adapter;
use crate::fixtures::{Probe, at};
use crate::raw_server::{Act, RawServer, ok};

/// What some servers send before they close an idle connection.
const TIMED_OUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The server closes the connection after its response: the next request takes another.
pub fn a_closed_idle_connection_costs_no_message<A: Adapter>() {
    for tls in [false, true] {
        let server = start(tls, vec![vec![Act::Respond(ok("one"))]; 10]);
        let client = client::<A>(&server);
        for n in 0..10 {
            let done = client.call(Probe).unwrap();
            assert_eq!((&*done.output, done.attempts), ("one", 1), "request {n}, TLS: {tls}");
            server.wait();
        }
        assert_eq!(server.requests().len(), 10);
    }
}

/// The server sends one response too many: it is not the response to the next request.
pub fn an_unsolicited_200_behind_a_response_is_no_response<A: Adapter>() {
    for tls in [false, true] {
        let two = [ok("one"), ok("unsolicited")].concat();
        let server = start(
            tls,
            vec![
                vec![Act::Respond(two), Act::Respond(ok("wrong")), Act::Stall],
                vec![Act::Respond(ok("two"))],
            ],
        );
        one_and_two(&client::<A>(&server));
    }
}

/// The same, while the connection is idle.
pub fn an_unsolicited_200_on_an_idle_connection_is_no_response<A: Adapter>() {
    unsolicited_while_idle::<A>(&ok("unsolicited"));
}

/// The same, as servers send it before they close.
pub fn an_unsolicited_408_on_an_idle_connection_is_no_response<A: Adapter>() {
    unsolicited_while_idle::<A>(TIMED_OUT);
}

fn unsolicited_while_idle<A: Adapter>(response: &[u8]) {
    for (tls, then) in
        [(false, Act::Stall), (false, Act::Close), (true, Act::Stall), (true, Act::Close)]
    {
        let closes = matches!(then, Act::Close);
        let server = start(
            tls,
            vec![
                vec![Act::Respond(ok("one")), Act::Send(response.to_vec()), then],
                vec![Act::Respond(ok("two"))],
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

/// The beginning of an unsolicited response comes with a response, the rest with the next request.
pub fn half_an_unsolicited_record_is_no_response<A: Adapter>() {
    // The longer responses fill what is read at once.
    for length in [1, 4000, 5000, 50_000] {
        let long = "1".repeat(length);
        let server = RawServer::start_tls(vec![
            vec![Act::RespondAndBegin(ok(&long), ok("unsolicited")), Act::Respond(ok("wrong"))],
            vec![Act::Respond(ok("two"))],
        ]);
        let client = client::<A>(&server);
        assert_eq!(client.call(Probe).unwrap().output, long);
        assert_eq!(client.call(Probe).unwrap().output, "two", "after {length} bytes");
    }
}

/// TLS sends a message of its own: it is no response, and costs no message. Async clients keep the
/// connection.
pub fn a_tls_message_on_an_idle_connection_costs_nothing<A: Adapter>() {
    let server = RawServer::start_tls(vec![
        vec![Act::Respond(ok("one")), Act::SpeakTls, Act::Respond(ok("two"))],
        vec![Act::Respond(ok("two, on another"))],
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
