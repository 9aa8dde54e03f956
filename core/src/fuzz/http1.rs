//! The HTTP/1.1 codec: responses in pieces, and what is written is read again.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use crate::http1::{DecodeError, Decoder, Limits, Progress, RequestTarget, encode};

/// An HTTP/1.1 response, valid or not: the decoder gives the same result at once and byte by byte. Under narrower limits
/// that is the same too, or a limit is exceeded.
pub fn http1_response(data: &[u8]) {
    let wide = Limits::new().head(4096).headers(16).body(4096).chunk_line(64);
    let wide = read_both_ways(data, &wide, 4096);
    let narrow = Limits::new().head(64).headers(2).body(32).chunk_line(8);
    let narrow = read_both_ways(data, &narrow, 32);
    assert!(
        narrow == wide || matches!(narrow, Err(DecodeError::TooLarge(_))),
        "{narrow:?} under narrower limits, {wide:?} under wider ones"
    );
}

/// The status and the length of the response, or why it is none.
type Read = Result<(http::StatusCode, usize), DecodeError>;

fn read_both_ways(data: &[u8], limits: &Limits, max_body: usize) -> Read {
    let whole = read(data, &mut std::iter::once(data), limits, max_body);
    let bytewise = read(data, &mut data.chunks(1), limits, max_body);
    assert_eq!(whole, bytewise, "the result depends on the pieces");
    if let Err(error) = whole {
        says_why(error);
    }
    whole
}

fn read(
    data: &[u8],
    pieces: &mut dyn Iterator<Item = &[u8]>,
    limits: &Limits,
    max_body: usize,
) -> Read {
    let mut decoder = Decoder::new(&Method::GET, limits.clone());
    let mut fed = 0;
    for piece in pieces {
        fed += piece.len();
        match decoder.feed(piece) {
            Ok(Progress::More) => {}
            Ok(Progress::Done(done)) => {
                // Nothing comes after the response, and no `Debug` shows it.
                assert_eq!(decoder.finish().err(), Some(DecodeError::Finished));
                assert_eq!(decoder.feed(b"x").err(), Some(DecodeError::Finished));
                says_why(DecodeError::Finished);
                let shown = format!("{decoder:?} {done:?}");
                assert!(shown.len() < 400, "{shown}");
                assert!(done.response.body().len() <= max_body);
                let whole = data.len() - (fed - done.leftover);
                return Ok((done.response.into_parts().0.status, whole));
            }
            Err(error) => {
                assert_eq!(decoder.feed(piece).err(), Some(error), "another error");
                assert_eq!(decoder.finish().err(), Some(error), "another error");
                return Err(error);
            }
        }
        assert!(format!("{decoder:?}").len() < 400);
    }
    decoder.finish().map(|done| (done.response.status(), 0))
}

/// A short line with no byte of the response.
fn says_why(error: DecodeError) {
    let shown = error.to_string();
    let begins = match error {
        DecodeError::ClosedBeforeResponse | DecodeError::Truncated => "the connection closed",
        _ => "the response ",
    };
    let is_line = shown.len() < 120 && shown.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    assert!(is_line && shown.starts_with(begins), "{shown:?}");
}

/// Any body, encoded as a response in each framing, decodes to itself. The same bytes as a request are written as one
/// that a server reads, or refused.
pub fn http1_roundtrip(data: &[u8]) {
    let (size, body) = data.split_first().map_or((1, data), |(size, body)| (*size, body));
    let size = usize::from(size).max(1);
    let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(size) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let mut sized =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    sized.extend_from_slice(body);
    for (bytes, limits) in [(chunked, Limits::new()), (sized, Limits::default())] {
        let mut decoder = Decoder::new(&Method::GET, limits);
        let mut pieces = bytes.chunks(size).peekable();
        loop {
            let piece = pieces.next().expect("the response ends in time");
            if let Progress::Done(done) = decoder.feed(piece).expect("a good response") {
                assert_eq!(done.response.body(), body);
                assert!(done.reusable && pieces.peek().is_none());
                break;
            }
        }
    }
    request(body);
}

/// A request: a line for its method, its URL and its body each, and one for each header.
fn request(text: &[u8]) {
    let mut lines = text.split(|byte| *byte == b'\n');
    let method = lines.next().and_then(|line| Method::from_bytes(line).ok()).unwrap_or_default();
    let Some(uri) = lines.next().and_then(|line| Uri::try_from(line).ok()) else { return };
    let mut request = Request::new(lines.next().unwrap_or_default());
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    for line in lines.take(16) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        if let Ok(name) = HeaderName::from_bytes(name)
            && let Ok(value) = HeaderValue::from_bytes(value.get(1..).unwrap_or_default())
        {
            request.headers_mut().append(name, value);
        }
    }
    for target in [RequestTarget::Origin, RequestTarget::Absolute, RequestTarget::Authority] {
        written(&request, target);
    }
}

/// A server reads what was written as it was meant. Nothing before an `@` is sent. What is refused leaves no byte.
fn written(request: &Request<&[u8]>, target: RequestTarget) {
    let mut bytes = b"before".to_vec();
    let result = encode(request, target, &mut bytes);
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let is_framed = request
        .headers()
        .keys()
        .any(|name| [HOST, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name));
    let reason = match authority {
        None => Some("its URL has no host"),
        Some(_) => is_framed.then_some("it sets Host, Content-Length or Transfer-Encoding"),
    };
    let shown = result.err().map(|error| error.to_string());
    let expected = reason.map(|reason| format!("the request cannot be written: {reason}"));
    assert_eq!(shown, expected);
    let Some(bytes) = bytes.strip_prefix(b"before") else { panic!("what was there is changed") };
    let Some(authority) = authority.filter(|_| expected.is_none()) else {
        return assert!(bytes.is_empty(), "a part of it is written");
    };
    let mut fields = [httparse::EMPTY_HEADER; 20];
    let mut parsed = httparse::Request::new(&mut fields);
    let read = parsed.parse(bytes).expect("a head");
    let httparse::Status::Complete(head) = read else { panic!("half a head") };
    assert_eq!(bytes.get(head..), Some(*request.body()), "another body");
    assert_eq!(parsed.method, Some(request.method().as_str()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let slash = if path.starts_with('/') { "" } else { "/" };
    let scheme = request.uri().scheme_str().unwrap_or("http");
    let expected = match target {
        RequestTarget::Origin => format!("{slash}{path}"),
        RequestTarget::Absolute => format!("{scheme}://{host}{slash}{path}"),
        RequestTarget::Authority => host.to_owned(),
    };
    assert_eq!(parsed.path, Some(&*expected));
    let length = request.body().len().to_string();
    let has_length =
        length != "0" || [Method::POST, Method::PUT, Method::PATCH].contains(request.method());
    let given = request.headers().iter();
    let expected = std::iter::once(("host", host.as_bytes()))
        .chain(given.map(|(name, value)| (name.as_str(), value.as_bytes().trim_ascii())))
        .chain(has_length.then_some(("content-length", length.as_bytes())));
    assert!(parsed.headers.iter().map(|field| (field.name, field.value)).eq(expected));
}
