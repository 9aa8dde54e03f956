//! Responses of every shape.

use lp_connector_core::api::SendText;
use lp_connector_core::error::{Delivery, Error, ErrorKind};

use crate::Adapter;
use crate::fixtures::{Probe, assert_fails, at, cloud, config, open};
use crate::raw_server::{Act, RawServer, ok};

/// Responses in chunks, and a byte every few milliseconds.
pub fn chunked_and_slow_responses_are_read<A: Adapter>() {
    for fault in ["send:1=chunked", "send:1=slow"] {
        let server = cloud(&[fault]);
        let client = A::new(config(&server)).unwrap();
        let conversation = open(&client);
        let sent = client.call(SendText::new(&conversation, "one")).unwrap();
        assert_eq!((sent.attempts, sent.maybe_duplicated), (1, false), "{fault}");
    }
}

/// A body that ends with the connection.
pub fn a_response_until_close_is_read<A: Adapter>() {
    let response = b"HTTP/1.1 200 OK\r\n\r\nuntil close".to_vec();
    assert_eq!(probe::<A>(response).unwrap(), "until close");
}

/// 1xx before the response.
pub fn interim_responses_are_skipped<A: Adapter>() {
    let mut response = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".to_vec();
    response.extend(ok("the real one"));
    assert_eq!(probe::<A>(response).unwrap(), "the real one");
}

/// A head over any limit.
pub fn a_huge_head_is_an_error<A: Adapter>() {
    let mut response = b"HTTP/1.1 200 OK\r\n".to_vec();
    for n in 0..20_000 {
        response.extend_from_slice(format!("x-{n}: {n:0100}\r\n").as_bytes());
    }
    response.extend_from_slice(b"content-length: 0\r\n\r\n");
    let error = probe::<A>(response).unwrap_err();
    assert_eq!(error.delivery(), Delivery::Unknown, "{error}");
}

/// A head or a body that breaks off.
pub fn a_truncated_response_may_have_taken_effect<A: Adapter>() {
    for response in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-le",
    ] {
        let error = probe::<A>(response.to_vec()).unwrap_err();
        assert_fails(&error, ErrorKind::Unconfirmed, Delivery::Unknown);
    }
}

/// The response is not HTTP.
pub fn garbage_may_have_taken_effect<A: Adapter>() {
    let error = probe::<A>(b"\x00\x01 not HTTP\r\n\r\n".to_vec()).unwrap_err();
    assert_fails(&error, ErrorKind::Unconfirmed, Delivery::Unknown);
}

/// A body over `max_body` is not read.
pub fn a_response_over_the_limit_is_an_error<A: Adapter>() {
    let server = RawServer::start(vec![vec![Act::Respond(ok(&"x".repeat(101)))]]);
    let client = A::new(at(&server.url()).max_body(100)).unwrap();
    let error = client.call(Probe).unwrap_err();
    assert_fails(&error, ErrorKind::BadAnswer, Delivery::Unknown);
}

/// Sends one `POST`, to a server that responds so and closes.
fn probe<A: Adapter>(response: Vec<u8>) -> Result<String, Error> {
    let server = RawServer::start(vec![vec![Act::Respond(response)]]);
    let result = A::new(at(&server.url())).unwrap().call(Probe);
    assert_eq!(server.requests().len(), 1, "sent again");
    result.map(|done| done.output)
}
