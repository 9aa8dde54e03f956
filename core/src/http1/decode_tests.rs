use super::*;
use proptest::prelude::*;

/// Status, body, reusable, leftover.
type Outcome = Result<(u16, Vec<u8>, bool, usize), DecodeError>;

fn decoded(decoded: Decoded) -> (u16, Vec<u8>, bool, usize) {
    let Decoded { response, reusable, leftover } = decoded;
    (response.status().as_u16(), response.into_body().into(), reusable, leftover)
}

fn in_pieces<'a>(method: &Method, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = Decoder::new(method, small());
    let mut pieces = pieces.into_iter();
    while let Some(piece) = pieces.next() {
        if let Progress::Done(mut done) = decoder.feed(piece)? {
            assert_eq!(decoder.feed(b"x").unwrap_err(), DecodeError::Finished);
            let after: usize = pieces.map(<[u8]>::len).sum();
            done.leftover += after;
            done.reusable &= after == 0;
            return Ok(decoded(done));
        }
    }
    decoder.finish().map(decoded)
}

fn small() -> Limits {
    Limits::new().head(1000).headers(8).body(500).chunk_line(40)
}

fn whole(text: &str) -> Outcome {
    in_pieces(&Method::GET, [text.as_bytes()])
}

fn ok(body: &str, reusable: bool, leftover: usize) -> Outcome {
    Ok((200, body.as_bytes().to_vec(), reusable, leftover))
}

const OK: &str = "HTTP/1.1 200 OK\r\n";

#[test]
fn bytes_after_the_body_make_the_connection_unusable() {
    assert_eq!(whole(&format!("{OK}content-length: 3\r\n\r\nabc")), ok("abc", true, 0));
    assert_eq!(whole(&format!("{OK}content-length: 3\r\n\r\nabcd")), ok("abc", false, 1));
    assert_eq!(whole(&format!("{OK}content-length: 0\r\n\r\n")), ok("", true, 0));
}

#[test]
fn repeated_lengths_must_agree() {
    assert_eq!(
        whole(&format!("{OK}content-length: 1, 1\r\nContent-Length: 1\r\n\r\na")),
        ok("a", true, 0)
    );
    for bad in ["1, 2", "-1", "+1", "1 1", "", "0x1", "1.0", "18446744073709551616", "1,"] {
        let text = format!("{OK}content-length: {bad}\r\n\r\na");
        assert!(matches!(whole(&text), Err(DecodeError::Malformed(_))), "{bad}");
    }
}

#[test]
fn extensions_and_trailers_are_not_part_of_the_body() {
    let text = format!(
        "{OK}transfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n00A \r\n0123456789\r\n0\r\nx: y\r\n\r\n"
    );
    assert_eq!(whole(&text), ok("abc0123456789", true, 0));
    let text =
        format!("{OK}Transfer-Encoding: Chunked\r\ncontent-length: 7\r\n\r\n1\r\na\r\n0\r\n\r\n");
    assert_eq!(whole(&text), ok("a", false, 0), "chunked wins, and the connection closes");
}

#[test]
fn invalid_chunks_are_refused() {
    for bad in [
        "g\r\n",
        "\r\n",
        "-1\r\n",
        "1\nA\r\n0\r\n\r\n",
        "1\r\naX\r\n",
        "1\r\na\n0\r\n\r\n",
        "1;\na\r\n",
        "1\rX",
        " 1\r\na\r\n",
        "0\r\nbad trailer\r\n\r\n",
        "0\r\n x: y\r\n\r\n",
        "1;\0\r\n",
        "1 a=b\r\na\r\n0\r\n\r\n",
        "1\ta\r\na\r\n0\r\n\r\n",
        "1 1\r\na\r\n0\r\n\r\n",
        "1\"a\r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
    ] {
        let text = format!("{OK}transfer-encoding: chunked\r\n\r\n{bad}");
        assert!(
            matches!(whole(&text), Err(DecodeError::Malformed(_))),
            "{bad:?}: {:?}",
            whole(&text)
        );
    }
}

/// Others read on after such an end, or refuse it.
#[test]
fn trailers_with_a_bare_lf_make_the_connection_unusable() {
    let text =
        |trailers: &str| format!("{OK}transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n{trailers}");
    for clear in ["\r\n", "x: y\r\n\r\n", "x: y\r\n z\r\n\r\n"] {
        assert_eq!(whole(&text(clear)), ok("a", true, 0), "{clear:?}");
    }
    for bare in ["\n", "x: y\n\r\n", "x: y\r\n\n", "x: y\n\n", "x: y\n z\r\n\r\n"] {
        assert_eq!(whole(&text(bare)), ok("a", false, 0), "{bare:?}");
    }
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    assert_eq!(whole(&format!("{OK}\r\nabc")), ok("abc", false, 0));
    assert_eq!(whole("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na"), ok("a", false, 0));
    assert_eq!(
        whole(&format!("{OK}connection: x, Close\r\ncontent-length: 1\r\n\r\na")),
        ok("a", false, 0)
    );
}

#[test]
fn interim_responses_are_skipped_and_bounded() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    assert_eq!(whole(&format!("{interim}{OK}content-length: 1\r\n\r\na")), ok("a", true, 0));
    assert_eq!(whole(&interim.repeat(20)), Err(DecodeError::TooLarge(Limit::Interim)));
    let switching = "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n";
    assert!(matches!(whole(switching), Err(DecodeError::Unsupported(_))));
}

#[test]
fn some_responses_never_have_a_body() {
    for status in [204, 304] {
        let text = format!("HTTP/1.1 {status} x\r\ncontent-length: 9\r\n\r\n");
        assert_eq!(whole(&text), Ok((status, Vec::new(), true, 0)));
    }
    let head = format!("{OK}content-length: 9\r\n\r\n");
    assert_eq!(in_pieces(&Method::HEAD, [head.as_bytes()]), ok("", true, 0));
    let tunnel = format!("{OK}\r\n\x16\x03");
    assert_eq!(in_pieces(&Method::CONNECT, [tunnel.as_bytes()]), ok("", false, 2));
}

#[test]
fn other_transfer_codings_are_refused() {
    for coding in ["gzip, chunked", "identity", "gzip", "chunked, chunked", "xchunked", ""] {
        let text = format!("{OK}transfer-encoding: {coding}\r\n\r\n");
        assert!(matches!(whole(&text), Err(DecodeError::Unsupported(_))), "{coding}");
    }
    let twice = format!("{OK}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n");
    assert!(matches!(whole(&twice), Err(DecodeError::Unsupported(_))));
    let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    assert!(matches!(whole(old), Err(DecodeError::Malformed(_))));
}

#[test]
fn invalid_heads_are_refused() {
    for bad in [
        "\r\n",
        "garbage\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 99 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\n b: c\r\n\r\n",
        "HTTP/1.1 200\r\n OK\r\na: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\na\r\n : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\r\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\0\r\n\r\n",
        "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n",
    ] {
        assert!(matches!(whole(bad), Err(DecodeError::Malformed(_))), "{bad:?}: {:?}", whole(bad));
    }
}

#[test]
fn each_exceeded_limit_is_an_error_of_its_own() {
    let long = "x".repeat(2000);
    let many = "a: b\r\n".repeat(9);
    let chunked = format!("{OK}transfer-encoding: chunked\r\n\r\n");
    for (text, limit) in [
        (format!("{OK}a: {long}"), Limit::Head),
        (format!("{OK}{many}\r\n"), Limit::Headers),
        (format!("{OK}content-length: 501\r\n\r\n"), Limit::Body),
        (format!("{OK}\r\n{}", "x".repeat(501)), Limit::Body),
        (format!("{chunked}1f5\r\n"), Limit::Body),
        (format!("{chunked}{}\r\n", "f".repeat(17)), Limit::Body),
        (format!("{chunked}{}\r\n", "0".repeat(41)), Limit::ChunkLine),
        (format!("{chunked}1{}", " ".repeat(40)), Limit::ChunkLine),
        (format!("{chunked}1;{}", "x".repeat(1001)), Limit::Head),
        (format!("{chunked}{}", format!("1;{}\r\na\r\n", "x".repeat(30)).repeat(40)), Limit::Head),
        (format!("{chunked}0\r\na: {long}"), Limit::Head),
        (format!("{chunked}0\r\n{many}\r\n"), Limit::Headers),
    ] {
        assert_eq!(whole(&text), Err(DecodeError::TooLarge(limit)));
    }
}

#[test]
fn a_close_before_any_byte_is_an_error_of_its_own() {
    assert_eq!(whole(""), Err(DecodeError::ClosedBeforeResponse));
    for text in ["H", OK, "HTTP/1.1 100 Continue\r\n\r\n"] {
        assert_eq!(whole(text), Err(DecodeError::Truncated), "{text:?}");
    }
    assert_eq!(whole(&format!("{OK}content-length: 2\r\n\r\na")), Err(DecodeError::Truncated));
    for body in ["1\r\na", "1\r\na\r\n", "1\r\na\r\n0", "1\r\na\r\n0\r", "1\r\na\r\n0\r\nx", ""] {
        let chunked = format!("{OK}transfer-encoding: chunked\r\n\r\n{body}");
        assert_eq!(whole(&chunked), Err(DecodeError::Truncated), "{body:?}");
    }
}

#[test]
fn an_error_repeats_and_shows_no_received_byte() {
    let mut decoder = Decoder::new(&Method::GET, small());
    let error = decoder.feed(b"s3cr3t\r\n\r\n").unwrap_err();
    assert_eq!(decoder.feed(b"HTTP/1.1 200 OK\r\n\r\n").unwrap_err(), error);
    assert_eq!(decoder.finish().unwrap_err(), error);
    let mut decoder = Decoder::new(&Method::GET, small());
    let _ = decoder.feed(b"HTTP/1.1 200 OK\r\na: s3cr3t\r\n\r\ns3cr3t").unwrap();
    assert!(!format!("{decoder:?} {error} {error:?}").contains("s3cr3t"));
}

/// Valid and broken responses, weighted towards the cases that matter.
fn response() -> impl Strategy<Value = Vec<u8>> {
    let status =
        prop::sample::select(vec!["200 OK", "204 x", "304 x", "100 x", "101 x", "503 y", "2 x"]);
    let header = prop_oneof![
        3 => prop::sample::select(vec![
            "content-length: 5", "content-length: 0", "content-length: 600", "content-length: 5, 5",
            "transfer-encoding: chunked", "connection: close", "a: b", " folded", "x", "a: \0", "a:b\rc",
        ]).prop_map(str::to_owned),
        1 => "[ -~]{0,20}",
    ];
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        Just(b"5\r\nhello\r\n0\r\n\r\n".to_vec()),
        Just(b"1;x\r\na\r\nA\r\n0123456789\r\n0\r\nt: u\r\n\r\nmore".to_vec()),
        Just(b"hello".to_vec()),
    ];
    let end = prop::sample::select(vec!["\r\n", "\n"]);
    let one = (status, prop::collection::vec(header, 0..4), body, end).prop_map(
        |(status, headers, body, end)| {
            let mut text = format!("HTTP/1.1 {status}{end}");
            for header in headers {
                text.push_str(&format!("{header}{end}"));
            }
            text.push_str(end);
            [text.into_bytes(), body].concat()
        },
    );
    prop::collection::vec(one, 1..3).prop_map(|all| all.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_result(bytes in response(), cuts in prop::collection::vec(0usize..200, 0..6)) {
        let whole = in_pieces(&Method::GET, [&bytes[..]]);
        let bytewise = in_pieces(&Method::GET, bytes.chunks(1));
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let cut = in_pieces(&Method::GET, cuts.windows(2).map(|two| &bytes[two[0]..two[1]]));
        prop_assert_eq!(&whole, &bytewise);
        prop_assert_eq!(&whole, &cut);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, method in prop::sample::select(vec![Method::GET, Method::HEAD, Method::CONNECT])) {
        let _ = in_pieces(&method, [&bytes[..]]);
    }
}

#[test]
fn the_limit_of_the_body_covers_all_chunks_together() {
    let chunks = |sizes: &[usize]| {
        let mut text = format!("{OK}transfer-encoding: chunked\r\n\r\n");
        for size in sizes {
            text.push_str(&format!("{size:x}\r\n{}\r\n", "x".repeat(*size)));
        }
        whole(&(text + "0\r\n\r\n"))
    };
    assert!(chunks(&[250, 250]).is_ok());
    assert_eq!(chunks(&[250, 251]).unwrap_err(), DecodeError::TooLarge(Limit::Body));
}

#[test]
fn only_cr_and_lf_end_the_data_of_a_chunk() {
    let ended =
        |end: &str| whole(&format!("{OK}transfer-encoding: chunked\r\n\r\n1\r\na{end}0\r\n\r\n"));
    assert_eq!(ended("\r\n"), ok("a", true, 0));
    for bad in ["X\n", "\rX", "\n", "", "\r\r\n"] {
        assert!(matches!(ended(bad), Err(DecodeError::Malformed(_))), "{bad:?}");
    }
}

#[test]
fn a_chunk_size_line_may_reach_its_limit() {
    let line = |length: usize| {
        // The line's end counts too. An extension has a limit of its own.
        let zeros = "0".repeat(length - 4);
        whole(&format!(
            "{OK}transfer-encoding: chunked\r\n\r\n{zeros}1;{}\r\na\r\n0\r\n\r\n",
            "e".repeat(900)
        ))
    };
    assert_eq!(line(40), ok("a", true, 0));
    assert_eq!(line(41).unwrap_err(), DecodeError::TooLarge(Limit::ChunkLine));
}

#[test]
fn each_limit_may_be_reached() {
    let good = |text: &str| whole(text).is_ok();
    let head = |length: usize| {
        let rest = format!("{OK}a: \r\ncontent-length: 0\r\n\r\n").len();
        format!("{OK}a: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(length - rest))
    };
    assert!(good(&head(1000)) && !good(&head(1001)));
    let until_close = |length: usize| format!("{OK}\r\n{}", "x".repeat(length));
    assert!(good(&until_close(500)) && !good(&until_close(501)));
    let interim = |times: usize| {
        format!("{}{OK}content-length: 0\r\n\r\n", "HTTP/1.1 103 Hints\r\n\r\n".repeat(times))
    };
    assert!(good(&interim(16)) && !good(&interim(17)));
    // 25 bytes of extensions in each of forty chunks are the 1000 that a head may have.
    let extended = |last: usize| {
        let chunk = |bytes: usize| format!("1;{}\r\na\r\n", "x".repeat(bytes));
        let chunks = chunk(25).repeat(39) + &chunk(last);
        format!("{OK}transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
    };
    assert!(good(&extended(25)) && !good(&extended(26)));
}

#[test]
fn a_head_without_its_end_may_reach_the_limit() {
    let begun = |length: usize| whole(&format!("{OK}{}", "x".repeat(length - OK.len())));
    assert_eq!(begun(1000), Err(DecodeError::Truncated));
    assert_eq!(begun(1001), Err(DecodeError::TooLarge(Limit::Head)));
}

#[test]
fn bytes_after_the_last_chunk_are_leftover() {
    let chunked = format!("{OK}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(whole(&chunked), ok("abc", true, 0));
    assert_eq!(whole(&format!("{chunked}HTTP")), ok("abc", false, 4));
}

#[test]
fn a_folded_header_is_one_line() {
    for (folded, value) in [
        ("b\r\n c", "b c"),
        ("b \t\r\n \t c", "b c"),
        ("b\n c", "b c"),
        ("\r\n b", "b"),
        ("b\r\n c\r\n\td", "b c d"),
        ("b\r\n \r\n c", "b c"),
        ("b\r\n ", "b"),
        ("\"x,\r\n  y: z\"", "\"x, y: z\""),
    ] {
        let text = format!("{OK}a: {folded}\r\nx: y\r\ncontent-length: 1\r\n\r\n1");
        let mut decoder = Decoder::new(&Method::GET, small());
        let Ok(Progress::Done(done)) = decoder.feed(text.as_bytes()) else {
            panic!("{folded:?} is not read")
        };
        let headers = done.response.headers();
        assert_eq!(headers["a"].to_str().unwrap().trim(), value, "{folded:?}");
        assert_eq!(headers["x"], "y");
        assert!(done.reusable);
    }
}

#[test]
fn a_folded_framing_header_frames_as_unfolded() {
    assert_eq!(whole(&format!("{OK}content-length:\r\n 3\r\n\r\nabc")), ok("abc", true, 0));
    let chunked = format!("{OK}transfer-encoding:\r\n\tchunked\r\n\r\n1\r\na\r\n0\r\n\r\n");
    assert_eq!(whole(&chunked), ok("a", true, 0));
    let closes = format!("{OK}connection: x,\r\n close\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(whole(&closes), ok("", false, 0));
    // No part of a number.
    let two = format!("{OK}content-length: 1\r\n 2\r\n\r\nabcdefghijkl");
    assert!(matches!(whole(&two), Err(DecodeError::Malformed(_))));
    // A continuation is no header, whatever it looks like.
    let hidden = format!("{OK}a: b\r\n transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n1");
    assert_eq!(whole(&hidden), ok("1", true, 0));
}

#[test]
fn a_folded_trailer_is_skipped() {
    let chunked = |trailers: &str| {
        whole(&format!("{OK}transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n{trailers}\r\n"))
    };
    assert_eq!(chunked("a: b\r\n c\r\nd: e\r\n"), ok("a", true, 0));
    assert!(chunked(" a: b\r\n").is_err());
}

#[test]
fn leading_zeros_of_a_chunk_size_are_no_overflow() {
    for zeros in [1, 15, 16, 17, 30] {
        let zeros = "0".repeat(zeros);
        let text = format!(
            "{OK}transfer-encoding: chunked\r\n\r\n{zeros}3\r\nabc\r\n{zeros}a\r\n0123456789\r\n{zeros}\r\n\r\n"
        );
        assert_eq!(whole(&text), ok("abc0123456789", true, 0), "{zeros}");
    }
    for large in ["10000000000000000", "ffffffffffffffffff", "00010000000000000000"] {
        let text = format!("{OK}transfer-encoding: chunked\r\n\r\n{large}\r\n");
        assert_eq!(whole(&text), Err(DecodeError::TooLarge(Limit::Body)), "{large}");
    }
}

#[test]
fn chunk_extensions_are_skipped() {
    for line in ["1;a", "1;a=b", "1 ; a = \"b;c\"", "1\t;\ta", "1;", "1;;", "1  ", "1\t"] {
        let text = format!("{OK}transfer-encoding: chunked\r\n\r\n{line}\r\na\r\n0;z\r\n\r\n");
        assert_eq!(whole(&text), ok("a", true, 0), "{line:?}");
    }
}

#[test]
fn a_close_after_the_last_chunk_ends_the_body() {
    // RFC 9112, 8: what is missing is the empty line after the trailers, of which there are none.
    let chunked = format!("{OK}transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n");
    assert_eq!(whole(&chunked), ok("a", false, 0));
}

#[test]
fn a_head_may_have_as_many_headers_as_it_has_bytes_for() {
    let answer = |count: usize| {
        let many: String = (0..count).map(|n| format!("x-{n}: {n}\r\n")).collect();
        let text = format!("{OK}{many}content-length: 1\r\n\r\na");
        let mut decoder = Decoder::new(&Method::GET, Limits::new());
        match decoder.feed(text.as_bytes())? {
            Progress::Done(done) => Ok(done.response.headers().len()),
            Progress::More => panic!("incomplete"),
        }
    };
    for count in [99, 100, 101, 128, 129, 1000, 4000] {
        assert_eq!(answer(count), Ok(count + 1));
    }
    assert_eq!(answer(20_000), Err(DecodeError::TooLarge(Limit::Head)));
    // More than a header map holds, in a head that may be as long.
    let many = "a:\n".repeat(100_000);
    let mut decoder = Decoder::new(&Method::GET, Limits::new().head(1 << 20));
    let error = decoder.feed(format!("{OK}{many}\r\n").as_bytes()).unwrap_err();
    assert_eq!(error, DecodeError::TooLarge(Limit::Headers));
}

#[test]
fn interim_responses_may_have_any_headers() {
    for interim in [
        "100 Continue\r\nserver: x\r\ndate: y\r\n",
        "100\r\ncontent-length: 5\r\n",
        "100 Continue\r\ncontent-length: x\r\ntransfer-encoding: gzip\r\n",
        "102 Processing\r\nconnection: close\r\n",
        "103 Early Hints\r\nlink: a\r\n b\r\nlink: c\r\n",
        "199 x\r\n",
    ] {
        let interim = format!("HTTP/1.1 {interim}\r\n");
        for times in [1, 3] {
            let text = format!("{}{OK}content-length: 1\r\n\r\na", interim.repeat(times));
            assert_eq!(whole(&text), ok("a", true, 0), "{interim:?}");
        }
    }
}

#[test]
fn what_never_has_a_body_may_say_any_length() {
    for headers in [
        "content-length: 5",
        "content-length: x",
        "content-length: 1\r\ncontent-length: 2",
        "transfer-encoding: gzip",
        "transfer-encoding: chunked",
    ] {
        for (method, status) in [(Method::GET, 204), (Method::GET, 304), (Method::HEAD, 200)] {
            let text = format!("HTTP/1.1 {status} x\r\n{headers}\r\n\r\n");
            let expected = Ok((status, Vec::new(), true, 0));
            assert_eq!(in_pieces(&method, [text.as_bytes()]), expected, "{headers}");
            // Bytes behind it belong to nothing.
            let text = text + "hello";
            let expected = Ok((status, Vec::new(), false, 5));
            assert_eq!(in_pieces(&method, [text.as_bytes()]), expected, "{headers}");
        }
    }
}

#[test]
fn empty_elements_of_a_list_do_not_count() {
    for coding in ["chunked", "CHUNKED", ",chunked", "chunked ,", " , , Chunked,\t,"] {
        let text = format!("{OK}transfer-encoding: {coding}\r\n\r\n1\r\na\r\n0\r\n\r\n");
        // Where readers disagree about the last coding, the connection is not used again.
        let is_plain = coding.eq_ignore_ascii_case("chunked");
        assert_eq!(whole(&text), ok("a", is_plain, 0), "{coding:?}");
    }
    for close in ["close", "Close", ",close", "keep-alive, close", "close,,x"] {
        let text = format!("{OK}connection: {close}\r\ncontent-length: 1\r\n\r\na");
        assert_eq!(whole(&text), ok("a", false, 0), "{close:?}");
    }
    for open in ["keep-alive", "x-close", "closed", ""] {
        let text = format!("{OK}connection: {open}\r\ncontent-length: 1\r\n\r\na");
        assert_eq!(whole(&text), ok("a", true, 0), "{open:?}");
    }
}

#[test]
fn a_close_counts_in_whichever_field_it_is() {
    for fields in [
        "connection: keep-alive\r\nconnection: close",
        "connection: close\r\nconnection: keep-alive",
        "Connection: x\r\nserver: y\r\nCONNECTION: a, Close",
    ] {
        let text = format!("{OK}{fields}\r\ncontent-length: 1\r\n\r\na");
        assert_eq!(whole(&text), ok("a", false, 0), "{fields:?}");
    }
}

#[test]
fn unusual_but_valid_heads_are_read() {
    let long = "x".repeat(900);
    for head in [
        "HTTP/1.1 200\r\n",
        "HTTP/1.1 200 \r\n",
        "HTTP/1.1 200 \t caf\u{e9} \u{1f426}\r\n",
        &format!("HTTP/1.1 200 {long}\r\n"),
        "HTTP/1.1 200 OK\nserver: x\n",
        "HTTP/1.1 200 OK\r\nx:\r\ny: \r\nz:\t\r\n",
        "HTTP/1.1 200 OK\r\nx: caf\u{e9}\r\n",
        "HTTP/1.1 200 OK\r\nX!#$%&'*+-.^_`|~1: y\r\n",
        "HTTP/1.1 200 OK\r\nx:y:z\r\n",
    ] {
        let text = format!("{head}content-length: 1\r\n\r\na");
        assert_eq!(whole(&text), ok("a", true, 0), "{head:?}");
    }
}

#[test]
fn a_408_or_421_ends_its_connection() {
    for (status, reusable) in [(408, false), (421, false), (425, true), (429, true), (400, true)] {
        let text = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(whole(&text), Ok((status, Vec::new(), reusable, 0)));
    }
}

#[test]
fn a_blank_before_a_colon_is_read_where_it_changes_nothing() {
    for blank in [" ", "\t", " \t "] {
        let text = format!("{OK}x-note{blank}: a\r\nserver: x\r\ncontent-length: 1\r\n\r\na");
        assert_eq!(whole(&text), ok("a", true, 0), "{blank:?}");
        let text = format!("{OK}connection{blank}: close\r\ncontent-length: 1\r\n\r\na");
        assert_eq!(whole(&text), ok("a", false, 0), "{blank:?}");
        for framing in ["content-length{}: 1", "Content-Length{}:1", "Transfer-Encoding{}: chunked"]
        {
            let framing = framing.replace("{}", blank);
            for rest in ["", "content-length: 1\r\n", "x-note : a\r\n"] {
                for head in [format!("{framing}\r\n{rest}"), format!("{rest}{framing}\r\n")] {
                    let found = whole(&format!("{OK}{head}\r\na"));
                    assert!(matches!(found, Err(DecodeError::Malformed(_))), "{head:?}: {found:?}");
                }
            }
        }
    }
    for bad in ["x note: a", "x\u{b}: a", ": a", " : a", "x"] {
        let found = whole(&format!("{OK}y: b\r\n{bad}\r\nz : c\r\ncontent-length: 1\r\n\r\na"));
        assert!(found.is_err() || bad.starts_with(' '), "{bad:?}: {found:?}");
    }
}

#[test]
fn a_length_alone_takes_little_memory() {
    let mut decoder = Decoder::new(&Method::GET, Limits::new());
    let text = format!("{OK}content-length: {}\r\n\r\n", 8 * 1024 * 1024);
    assert!(matches!(decoder.feed(text.as_bytes()), Ok(Progress::More)));
    let State::Length(head, _) = &decoder.state else { panic!("{decoder:?}") };
    assert!(head.response.body().capacity() <= MAX_RESERVED);
}
