use std::io;

use http::Method;
use lp_connector_core::http1::Limits;

use super::*;
use crate::exchange::Exchange;
use crate::wire_tests::Wire;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nCoo";

fn begin() -> Exchange {
    Exchange::begin(&Method::POST, Limits::new())
}

fn no_limit() -> NextTimeout {
    NextTimeout::default()
}

#[test]
fn time_is_rounded_up_to_the_grain_and_none_stays_none() {
    let left = |after| steady(NextTimeout { after, ..NextTimeout::default() }).after;
    let exact = |millis: f64| time::Duration::Exact(Duration::from_secs_f64(millis / 1e3));
    for (before, after) in [(14_999.9, 15_000.0), (0.1, 10.0), (10.0, 10.0), (0.0, 0.0)] {
        assert_eq!(left(exact(before)), exact(after));
    }
    assert_eq!(left(time::Duration::NotHappening), time::Duration::NotHappening);
    let year = time::Duration::Exact(crate::send::LONGEST);
    assert_eq!(left(year), year);
}

#[test]
fn a_request_has_left_with_its_first_byte() {
    let exchange = begin();
    let mut codec = CodecTransport::new(Wire::that_brings([]));
    codec.transmit_output(0, no_limit()).unwrap();
    assert!(!exchange.request_left());
    codec.output()[..4].copy_from_slice(b"POST");
    codec.transmit_output(4, no_limit()).unwrap();
    assert!(exchange.request_left());
    assert_eq!(codec.transport.written, b"POST");
}

#[test]
fn a_connection_is_new_until_a_response_has_come() {
    let mut codec = CodecTransport::new(Wire::that_brings([OK, OK]));
    for is_new in [true, false] {
        let exchange = begin();
        codec.transmit_output(4, no_limit()).unwrap();
        assert_eq!(exchange.on_new_connection(), is_new);
        codec.await_input(no_limit()).unwrap();
        assert!(exchange.take_response().is_some());
    }
}

#[test]
fn a_response_is_read_though_the_peer_takes_no_more() {
    let exchange = begin();
    let wire = Wire { write_fails: Some(io::ErrorKind::BrokenPipe), ..Wire::that_brings([OK]) };
    let mut codec = CodecTransport::new(wire);
    codec.transmit_output(4, no_limit()).unwrap();
    assert!(!codec.is_open(), "the peer has closed it");
    codec.await_input(no_limit()).unwrap();
    assert_eq!(exchange.take_response().unwrap().body(), "Coo");
    let seen = String::from_utf8_lossy(codec.input()).into_owned();
    assert!(seen.contains("connection: close"), "{seen}");
}

#[test]
fn a_write_that_fails_otherwise_is_an_error() {
    let kind = io::ErrorKind::HostUnreachable;
    let wire = Wire { write_fails: Some(kind), ..Wire::that_brings([OK]) };
    let error = CodecTransport::new(wire).transmit_output(4, no_limit()).unwrap_err();
    assert!(matches!(&error, ureq::Error::Io(error) if error.kind() == kind), "{error}");
}

#[test]
fn a_connection_with_anything_on_it_is_not_used_again() {
    let _exchange = begin();
    let mut codec = CodecTransport::new(Wire::that_brings([OK]));
    assert!(codec.is_open());
    codec.await_input(no_limit()).unwrap();
    assert!(!codec.is_open(), "its response was not taken");
    // It is there already: the connection would bring no other.
    assert!(codec.maybe_await_input(no_limit()).unwrap());
    let length = codec.input().len();
    codec.input_consume(length);
    assert!(codec.is_open());
    codec.input_append_buf()[..3].copy_from_slice(b"Coo");
    codec.input_appended(3);
    assert_eq!(codec.transport.buffers().input(), b"Coo");
    assert!(!codec.is_open(), "something came that nobody asked for");
    codec.transport.buffers().input_consume(3);
    assert!(codec.is_open());
    codec.transport.is_open = false;
    assert!(!codec.is_open());
}

#[test]
fn it_is_tls_if_what_is_under_it_is() {
    for is_tls in [false, true] {
        let codec = CodecTransport::new(Wire { is_tls, ..Wire::that_brings([]) });
        assert_eq!(codec.is_tls(), is_tls);
    }
}
