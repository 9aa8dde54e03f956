//! HTTP/1.1 as RFC 9112 has it: what is unusual and is read, and what is refused since it leaves doubt.

use lp_connector_core::error::{Delivery, Error, ErrorKind};
use lp_connector_core::policy::RetryPolicy;
use rustls::version::{TLS12, TLS13};

use crate::Adapter;
use crate::fixtures::{Empty, Get, Large, Probe, assert_fails, at};
use crate::raw_server::{Act, RawServer, ok};

const OK: &str = "HTTP/1.1 200 OK\r\n";

/// A folded header, of any name, is one line (RFC 9112, 5.2).
pub fn folded_headers_are_read<A: Adapter>() {
    reads::<A>(&[
        format!("{OK}x-note: one\r\n two\r\ncontent-length: 3\r\n\r\nCoo"),
        format!("{OK}x-note: one \r\n\t two\r\n  three\r\ncontent-length: 3\r\n\r\nCoo"),
        format!("{OK}content-length:\r\n 3\r\n\r\nCoo"),
        format!("{OK}transfer-encoding:\r\n chunked\r\n\r\n3\r\nCoo\r\n0\r\n\r\n"),
        format!("{OK}x-note: one\r\n content-length: 99\r\ncontent-length: 3\r\n\r\nCoo"),
    ]);
}

/// Zeros before a chunk's size, extensions behind it, trailers at the end (RFC 9112, 7.1).
pub fn chunk_sizes_extensions_and_trailers_are_read<A: Adapter>() {
    let chunked = |body: &str| format!("{OK}transfer-encoding: chunked\r\n\r\n{body}");
    reads::<A>(&[
        chunked("00000000000000000003\r\nCoo\r\n000\r\n\r\n"),
        chunked("3;name=value\r\nCoo\r\n0;last\r\n\r\n"),
        chunked("3 ; name=\"a;b\"\r\nCoo\r\n0\r\n\r\n"),
        chunked("3  \r\nCoo\r\n0\r\n\r\n"),
        chunked(&format!("3;{}\r\nCoo\r\n0\r\n\r\n", "x".repeat(5000))),
        chunked("3\r\nCoo\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n 3\r\n\r\n"),
        // The last chunk has come; only the end of the trailers has not (RFC 9112, 8).
        chunked("3\r\nCoo\r\n0\r\n"),
    ]);
}

/// Neither is bounded by what a server sends.
pub fn invalid_chunks_and_endless_trailers_are_refused<A: Adapter>() {
    let chunked = |body: &str| format!("{OK}transfer-encoding: chunked\r\n\r\n{body}");
    let extension = "x".repeat(100_000);
    let trailers = "x-trailer: Coo\r\n".repeat(10_000);
    refuses::<A>(&[
        (ErrorKind::Unconfirmed, chunked("3 name\r\nCoo\r\n0\r\n\r\n")),
        (ErrorKind::Unconfirmed, chunked("+3\r\nCoo\r\n0\r\n\r\n")),
        (ErrorKind::Unconfirmed, chunked("0x3\r\nCoo\r\n0\r\n\r\n")),
        (ErrorKind::Unconfirmed, chunked("3\nCoo\r\n0\r\n\r\n")),
        (ErrorKind::Unconfirmed, chunked("3\r\nCoo0\r\n\r\n")),
        (ErrorKind::BadAnswer, chunked("fffffffffffffffffff\r\nCoo\r\n0\r\n\r\n")),
        (ErrorKind::BadAnswer, chunked(&format!("3;{extension}\r\nCoo\r\n0\r\n\r\n"))),
        (ErrorKind::BadAnswer, chunked(&format!("3\r\nCoo\r\n0\r\n{trailers}\r\n"))),
    ]);
}

/// 100, 102 and 103, with headers and without, several of them (RFC 9110, 15.2).
pub fn interim_responses_with_headers_are_skipped<A: Adapter>() {
    let response = format!("{OK}content-length: 3\r\n\r\nCoo");
    let go_on = "HTTP/1.1 100 Continue\r\nserver: x\r\ndate: y\r\n\r\n";
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: a\r\n b\r\nlink: c\r\n\r\n";
    reads::<A>(&[
        format!("HTTP/1.1 100 Continue\r\n\r\n{response}"),
        format!("{go_on}{response}"),
        format!("{}{response}", go_on.repeat(5)),
        format!("HTTP/1.1 102 Processing\r\n\r\n{hints}{go_on}{hints}{response}"),
        format!("HTTP/1.1 100\r\ncontent-length: 5\r\nconnection: close\r\n\r\n{response}"),
    ]);
}

/// Nor does a flood of them end a call well.
pub fn another_protocol_and_endless_interim_responses_are_refused<A: Adapter>() {
    let response = format!("{OK}content-length: 3\r\n\r\nCoo");
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n".repeat(1000);
    refuses::<A>(&[
        (ErrorKind::Unconfirmed, "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n".into()),
        (ErrorKind::Unconfirmed, format!("HTTP/1.1 101 x\r\n\r\n{response}")),
        (ErrorKind::BadAnswer, format!("{interim}{response}")),
        (ErrorKind::Unconfirmed, "HTTP/1.1 100 Continue\r\n\r\n".into()),
    ]);
}

/// As many as fit into 64 KiB.
pub fn hundreds_of_headers_are_read<A: Adapter>() {
    let answer = |count: usize| {
        let many: String = (0..count).map(|n| format!("x-{n}: {n}\r\n")).collect();
        format!("{OK}{many}content-length: 3\r\n\r\nCoo")
    };
    reads::<A>(&[99, 100, 101, 127, 128, 129, 500, 3000].map(answer));
}

/// Each is valid.
pub fn unusual_responses_are_read<A: Adapter>() {
    let end = "content-length: 3\r\n\r\nCoo";
    let long = "x".repeat(10_000);
    reads::<A>(&[
        format!("HTTP/1.1 200\r\n{end}"),
        format!("HTTP/1.1 200 \r\n{end}"),
        format!("HTTP/1.1 200 {long}\r\n{end}"),
        format!("HTTP/1.1 200 caf\u{e9} \u{1f426}\r\n{end}"),
        "HTTP/1.1 200 OK\nserver: x\ncontent-length: 3\n\nCoo".to_owned(),
        format!("{OK}x-empty:\r\nx-blank: \t\r\n{end}"),
        format!("{OK}x-note: caf\u{e9} \u{1f426}\r\n{end}"),
        format!("{OK}x!#$%&'*+-.^_`|~1: odd\r\n{end}"),
        format!("{OK}Transfer-Encoding: Chunked\r\n\r\n3\r\nCoo\r\n0\r\n\r\n"),
        format!("{OK}transfer-encoding: , chunked ,\r\n\r\n3\r\nCoo\r\n0\r\n\r\n"),
        format!("{OK}content-length: 3\r\nContent-Length: 3, 3\r\n\r\nCoo"),
        format!("{OK}connection: x-a, Close ,x-b\r\n{end}"),
        "HTTP/1.0 200 OK\r\n\r\nCoo".to_owned(),
        "HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nCoo".to_owned(),
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 3\r\n\r\nCoo".to_owned(),
        // Chunked wins over a length, and the connection is not used again (RFC 9112, 6.3).
        format!("{OK}content-length: 7\r\ntransfer-encoding: chunked\r\n\r\n3\r\nCoo\r\n0\r\n\r\n"),
    ]);
}

/// Where the response ends, or what a header is, is a matter of opinion.
pub fn doubtful_framing_is_refused<A: Adapter>() {
    let refused = |head: &str| (ErrorKind::Unconfirmed, format!("{head}\r\n\r\nCoo"));
    refuses::<A>(&[
        refused(&format!("{OK}content-length: 3\r\ncontent-length: 4")),
        refused(&format!("{OK}content-length: 3, 4")),
        refused(&format!("{OK}content-length: +3")),
        refused(&format!("{OK}content-length: 3x")),
        refused(&format!("{OK}content-length: 1\r\n 2")),
        refused(&format!("{OK}content-length:")),
        refused(&format!("{OK}content-length : 3")),
        refused(&format!("{OK}transfer-encoding: gzip, chunked")),
        refused(&format!("{OK}transfer-encoding: chunked, chunked")),
        refused(&format!("{OK}transfer-encoding: xchunked\r\ncontent-length: 3")),
        refused("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked"),
        refused(&format!("{OK}x-note: a\rcontent-length: 3")),
        refused(&format!("{OK}x-note: a\0b\r\ncontent-length: 3")),
        refused(&format!("{OK} content-length: 3\r\ncontent-length: 3")),
        refused(&format!("{OK}x note: a\r\ncontent-length: 3")),
        refused(&format!("{OK}no colon\r\ncontent-length: 3")),
        refused(&format!("{OK}: no name\r\ncontent-length: 3")),
        refused("HTTP/2.0 200 OK\r\ncontent-length: 3"),
        refused("HTTP/1.1 20 OK\r\ncontent-length: 3"),
        refused("HTTP/1.1 099 OK\r\ncontent-length: 3"),
    ]);
}

/// Whatever its headers say: bytes behind its head are no response to the next request.
pub fn a_204_or_304_has_no_body<A: Adapter>() {
    for status in [204, 304] {
        for headers in ["content-length: 3", "transfer-encoding: chunked", "content-length: x"] {
            for behind in ["", "Coo"] {
                let response = format!("HTTP/1.1 {status} x\r\n{headers}\r\n\r\n{behind}");
                let server = RawServer::start(vec![
                    vec![Act::Respond(response.into()), Act::Respond(ok("two")), Act::Stall],
                    vec![Act::Respond(ok("two"))],
                ]);
                let client = A::new(at(&server.url())).unwrap();
                let error = client.call(Probe).unwrap_err();
                assert_eq!((error.status(), error.delivery()), (Some(status), Delivery::Unknown));
                assert_eq!(client.call(Probe).unwrap().output, "two");
                // It is kept if there is no doubt.
                let kept = server.connections() == 1;
                assert_eq!(kept, behind.is_empty(), "{status} {headers} {behind:?}");
            }
        }
    }
}

/// A body that ends with the connection is whole only if the connection ends well: TLS says so itself, TCP
/// by anything but a reset (RFC 9112, 9.8).
pub fn a_body_that_is_cut_off_is_incomplete<A: Adapter>() {
    let until_close = || format!("{OK}\r\nCoo").into_bytes();
    for (tls, act, whole) in [
        (true, Act::Respond(until_close()), false),
        (true, Act::RespondAndEndTls(until_close()), true),
        (false, Act::Respond(until_close()), true),
        (false, Act::RespondAndReset(until_close()), false),
        // With a length it does not matter how.
        (true, Act::Respond(ok("Coo")), true),
        (false, Act::RespondAndReset(ok("Coo")), true),
    ] {
        let shown = format!("TLS: {tls}, {act:?}");
        let scripts = vec![vec![act]];
        let server = if tls { RawServer::start_tls(scripts) } else { RawServer::start(scripts) };
        let client = A::new(at(&server.url()).extra_ca_pem(server.ca_pem())).unwrap();
        match client.call(Probe) {
            Ok(done) => assert!(whole && done.output == "Coo", "{shown}"),
            Err(error) => {
                assert!(!whole, "{shown}: {error}");
                assert_fails(&error, ErrorKind::Unconfirmed, Delivery::Unknown);
            }
        }
        assert_eq!(server.requests().len(), 1);
    }
}

/// By a clean end of the connection too.
pub fn a_body_shorter_than_announced_is_incomplete<A: Adapter>() {
    let chunked = |body: &str| format!("{OK}transfer-encoding: chunked\r\n\r\n{body}").into_bytes();
    for tls in [false, true] {
        for response in [
            format!("{OK}content-length: 4\r\n\r\nCoo").into_bytes(),
            format!("{OK}content-length: 4\r\n\r\n").into_bytes(),
            chunked(""),
            chunked("3\r\nCoo"),
            chunked("3\r\nCoo\r\n"),
            chunked("3\r\nCoo\r\n0"),
            format!("{OK}content-length: 3\r\n").into_bytes(),
            b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(),
            Vec::new(),
        ] {
            let shown = String::from_utf8_lossy(&response).into_owned();
            let act = match tls {
                true => Act::RespondAndEndTls(response),
                false => Act::Respond(response),
            };
            let scripts = vec![vec![act]];
            let server =
                if tls { RawServer::start_tls(scripts) } else { RawServer::start(scripts) };
            let client = A::new(at(&server.url()).extra_ca_pem(server.ca_pem())).unwrap();
            let Err(error) = client.call(Probe) else { panic!("whole: {shown:?}") };
            assert_fails(&error, ErrorKind::Unconfirmed, Delivery::Unknown);
        }
    }
}

/// A GET has no body, and does not say how long it is; a POST does, once, also if it is empty.
pub fn a_post_alone_says_how_long_its_body_is<A: Adapter>() {
    let server = RawServer::start(vec![vec![
        Act::Respond(ok("one")),
        Act::Respond(ok("two")),
        Act::Respond(ok("three")),
        Act::Respond(ok("four")),
    ]]);
    let client = A::new(at(&server.url())).unwrap();
    client.call(Get).unwrap();
    client.call(Probe).unwrap();
    client.call(Get).unwrap();
    client.call(Empty).unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    // A probe asks "Coo?", in quotation marks.
    for (request, length) in requests.iter().zip([None, Some("6"), None, Some("0")]) {
        let lengths = request.lines().filter_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(Vec::from_iter(lengths), Vec::from_iter(length), "{request}");
        assert!(!request.contains("transfer-encoding:"), "{request}");
        assert_eq!(request.matches("\r\nhost:").count(), 1);
    }
}

/// In TLS 1.3 the client learns of it only after it has sent its request, which the server never reads.
pub fn a_demand_for_a_client_certificate_is_one_try<A: Adapter>() {
    for version in [&TLS12, &TLS13] {
        for idempotent in [false, true] {
            let server = RawServer::start_demanding(version, vec![vec![Act::Respond(ok("x"))]; 5]);
            let config = at(&server.url()).extra_ca_pem(server.ca_pem());
            let client = A::new(config).unwrap();
            let error = match idempotent {
                true => client.call(Get).unwrap_err(),
                false => client.call(Probe).unwrap_err(),
            };
            assert_fails(&error, ErrorKind::Tls, Delivery::NotSent);
            assert_eq!((error.attempts(), server.connections()), (1, 1), "{version:?}");
            assert!(error.to_string().contains("client certificate"), "{error}");
            assert_eq!(server.requests().len(), 0);
        }
    }
}

/// The service may have done what was asked, and say where its result is. 307 and 308 deny that.
pub fn a_redirect_may_have_taken_effect<A: Adapter>() {
    for status in [300, 301, 302, 303, 304, 305, 307, 308] {
        let response = format!(
            "HTTP/1.1 {status} x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
        );
        let error = probe::<A>(&response).unwrap_err();
        assert_eq!((error.status(), error.attempts()), (Some(status), 1));
        match status {
            307 | 308 => assert_fails(&error, ErrorKind::Rejected, Delivery::Rejected),
            _ => assert_fails(&error, ErrorKind::Unconfirmed, Delivery::Unknown),
        }
    }
}

/// In whatever order they come.
pub fn the_longest_retry_after_counts<A: Adapter>() {
    for headers in [
        "retry-after: 7\r\nretry-after: 30\r\n",
        "retry-after: 30\r\nretry-after: 7\r\n",
        "retry-after: soon\r\nretry-after: 7, 30\r\nretry-after: -99\r\n",
        "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: 7\r\n\
         retry-after: Sun, 06 Nov 1994 08:50:07 GMT\r\n",
        "retry-after: 7\r\nretry-after:\r\n 30\r\n",
    ] {
        let response =
            format!("HTTP/1.1 503 x\r\n{headers}connection: close\r\ncontent-length: 0\r\n\r\n");
        let server = RawServer::start(vec![vec![Act::Respond(response.into())]]);
        let client = A::new(at(&server.url()).retry(RetryPolicy::none())).unwrap();
        let error = client.call(Probe).unwrap_err();
        assert_eq!(error.retry_after().map(|asked| asked.as_secs()), Some(30), "{headers}");
    }
}

/// 408, 421 and 425: a repetition is safe, on a connection that the server did not give up.
pub fn what_was_not_processed_is_retried<A: Adapter>() {
    for (status, kept) in [(408, false), (421, false), (425, true)] {
        let response = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
        let server = RawServer::start(vec![
            vec![Act::Respond(response.into()), Act::Respond(ok("done")), Act::Stall],
            vec![Act::Respond(ok("done"))],
        ]);
        let client = A::new(at(&server.url())).unwrap();
        let done = client.call(Probe).unwrap();
        assert_eq!((&*done.output, done.attempts), ("done", 2), "{status}");
        assert!(!done.maybe_duplicated);
        assert_eq!(server.connections() == 1, kept, "{status}");
    }
}

/// A server that rejects a large request may not read all of it.
pub fn a_response_before_the_end_of_the_request_is_read<A: Adapter>() {
    let response =
        b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let server = RawServer::start(vec![vec![Act::RespondToHead(response.to_vec())]]);
    let error = A::new(at(&server.url())).unwrap().call(Large).unwrap_err();
    assert_eq!(error.status(), Some(413), "{error}");
    assert_fails(&error, ErrorKind::Rejected, Delivery::Rejected);
}

/// Each of these responses is read, with the body `Coo`.
#[track_caller]
fn reads<A: Adapter>(responses: &[String]) {
    for response in responses {
        let shown: String = response.chars().take(300).collect();
        match probe::<A>(response) {
            Ok(body) => assert_eq!(body, "Coo", "{shown:?}"),
            Err(error) => panic!("{shown:?}: {error}"),
        }
    }
}

/// None of these responses is taken for one, and the request may have had its effect.
#[track_caller]
fn refuses<A: Adapter>(responses: &[(ErrorKind, String)]) {
    for (kind, response) in responses {
        let shown: String = response.chars().take(300).collect();
        match probe::<A>(response) {
            Ok(body) => panic!("{shown:?} is read as {body:?}"),
            Err(error) => {
                assert_eq!(
                    (error.kind(), error.delivery()),
                    (*kind, Delivery::Unknown),
                    "{shown:?}: {error}"
                );
            }
        }
    }
}

/// Sends one `POST`, to a server that responds so and closes.
fn probe<A: Adapter>(response: &str) -> Result<String, Error> {
    let server = RawServer::start(vec![vec![Act::Respond(response.as_bytes().to_vec())]]);
    let result = A::new(at(&server.url())).unwrap().call(Probe);
    assert_eq!(server.requests().len(), 1, "sent again");
    result.map(|done| done.output)
}
