//! The codec against hyper, on the same bytes: what both read, they read alike.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use http::{Method, Request};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use lp_connector_core::http1::{Decoder, Limits, Progress};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

type Read = Option<(u16, Vec<u8>)>;

fn ours(bytes: &[u8]) -> Read {
    let mut decoder = Decoder::new(&Method::GET, Limits::new());
    let decoded = match decoder.feed(bytes).ok()? {
        Progress::Done(decoded) => decoded,
        Progress::More => decoder.finish().ok()?,
    };
    let status = decoded.response.status().as_u16();
    Some((status, decoded.response.into_body().into()))
}

fn hypers(bytes: &[u8]) -> Read {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (client, mut server) = tokio::io::duplex(1 << 20);
        let io = TokioIo::new(client);
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder.allow_obsolete_multiline_headers_in_responses(true).max_headers(10_000);
        let (mut sender, connection) = builder.handshake(io).await.ok()?;
        let driving = tokio::spawn(connection);
        let request = Request::get("/").header("host", "h").body(Empty::<Bytes>::new()).unwrap();
        let answer = tokio::spawn(sender.send_request(request));
        let mut byte = [0; 1];
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            server.read_exact(&mut byte).await.ok()?;
            asked.extend_from_slice(&byte);
        }
        server.write_all(bytes).await.ok()?;
        // The other end closes: what ends with the connection ends here.
        server.shutdown().await.ok()?;
        let answer = answer.await.ok()?.ok()?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.ok()?.to_bytes().to_vec();
        driving.abort();
        Some((status, body))
    })
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "content-length: 5", "content-length: 0", "content-length: 5, 5", "content-length: 6",
            "transfer-encoding: chunked", "Transfer-Encoding:chunked", "connection: close", "a: b",
            "connection: keep-alive", "x:", "y: \t z ", "z: a\r\n b", "content-length:\r\n 5",
            "transfer-encoding:\r\n\t chunked", " folded", "transfer-encoding: ,chunked",
        ]).prop_map(str::to_owned),
        1 => "[a-z]{1,5}: [ -~]{0,10}",
    ]
}

fn response() -> impl Strategy<Value = Vec<u8>> {
    let status = prop::sample::select(vec![
        "200 OK",
        "201 Created",
        "204 No Content",
        "304 Not Modified",
        "400",
        "503 \u{7f}x",
    ]);
    let interim = prop::sample::select(vec![
        "",
        "",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nserver: x\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n b\r\n\r\n",
    ]);
    let version = prop::sample::select(vec!["1.1", "1.1", "1.1", "1.0"]);
    let body = prop_oneof![
        Just("hello".to_owned()),
        Just("5\r\nhello\r\n0\r\n\r\n".to_owned()),
        Just("2;x=y\r\nhe\r\n03 \r\nllo\r\n0\r\nt: u\r\n\r\nmore".to_owned()),
        Just("0000000000000000002 ; x\r\nhe\r\n3 x\r\nllo\r\n000\r\n\r\n".to_owned()),
        Just("00000000000000000005\r\nhello\r\n0;z\r\nt: u\r\n v\r\n\r\n".to_owned()),
        Just("5\r\nhello\r\n0\r\n".to_owned()),
        "[ -~\r\n]{0,20}",
    ];
    (interim, version, status, prop::collection::vec(line(), 0..4), body).prop_map(
        |(interim, version, status, lines, body)| {
            let head = format!("{interim}HTTP/{version} {status}\r\n");
            let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            format!("{head}{lines}\r\n{body}").into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn what_both_read_they_read_alike(bytes in response()) {
        if let (Some(ours), Some(hypers)) = (ours(&bytes), hypers(&bytes)) {
            prop_assert_eq!(ours, hypers);
        }
    }

    #[test]
    fn a_changed_byte_makes_no_difference_between_the_two(
        bytes in response(), at: prop::sample::Index, to: u8,
    ) {
        let mut bytes = bytes;
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let (Some(ours), Some(hypers)) = (ours(&bytes), hypers(&bytes)) {
            prop_assert_eq!(ours, hypers);
        }
    }

    #[test]
    fn ordinary_responses_are_read_by_both(
        status in prop::sample::select(vec![200u16, 201, 400, 401, 429, 503]),
        body in prop::collection::vec(any::<u8>(), 0..300),
        chunk in 1usize..100,
        chunked: bool,
    ) {
        let mut bytes = format!("HTTP/1.1 {status} x\r\ncontent-type: a/b\r\n").into_bytes();
        if chunked {
            bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
            for piece in body.chunks(chunk) {
                bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                bytes.extend_from_slice(piece);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        } else {
            bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(&body);
        }
        let expected = Some((status, body));
        prop_assert_eq!(&ours(&bytes), &expected);
        prop_assert_eq!(&hypers(&bytes), &expected);
    }
}

/// Where one reads and the other does not, and why ours is right to.
#[test]
fn the_known_differences_are_decided_by_the_rfc() {
    let ok = "HTTP/1.1 200 OK\r\n";
    for (text, we_read, why) in [
        (
            format!("{ok}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            false,
            "a coding that this client cannot undo (RFC 9112, 6.1)",
        ),
        (
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            false,
            "a transfer coding in HTTP/1.0 is faulty framing (RFC 9112, 6.1)",
        ),
        (
            format!("{ok}content-length: 1\r\ncontent-length: 1\r\n\r\na"),
            true,
            "repeated lengths that agree are one (RFC 9112, 6.3, item 5)",
        ),
    ] {
        assert_eq!(ours(text.as_bytes()).is_some(), we_read, "{why}");
    }
}

/// Each of these was refused once, by one client or another.
#[test]
fn what_is_unusual_is_read_by_both() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let chunked = format!("{ok}transfer-encoding: chunked\r\n\r\n");
    let many: String = (0..1000).map(|n| format!("x-{n}: {n}\r\n")).collect();
    for text in [
        format!("{ok}a: b\r\n c\r\ncontent-length: 5\r\n\r\nhello"),
        format!("{ok}content-length:\r\n 5\r\n\r\nhello"),
        format!("{ok}{many}content-length: 5\r\n\r\nhello"),
        format!("{chunked}5;x=\"y\"\r\nhello\r\n0\r\n\r\n"),
        format!("{chunked}5 ; x\r\nhello\r\n0\r\n\r\n"),
        format!("{chunked}05\r\nhello\r\n000\r\n\r\n"),
        format!("{chunked}5\r\nhello\r\n0\r\na: b\r\n\r\n"),
        format!("HTTP/1.1 100 Continue\r\na: b\r\n\r\n{ok}content-length: 5\r\n\r\nhello"),
        "HTTP/1.1 103 x\r\nlink: a\r\n\r\n".repeat(9) + ok + "content-length: 5\r\n\r\nhello",
        "HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\ncontent-length: 5\n\nhello".to_owned(),
        "HTTP/1.1 200 caf\u{e9}\r\nx: \u{e9}\r\ncontent-length: 5\r\n\r\nhello".to_owned(),
        "HTTP/1.0 200 OK\r\n\r\nhello".to_owned(),
        format!("{ok}Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let expected = Some((200, b"hello".to_vec()));
        assert_eq!(ours(text.as_bytes()), expected, "{text:?}");
        assert_eq!(hypers(text.as_bytes()), expected, "{text:?}");
    }
}
