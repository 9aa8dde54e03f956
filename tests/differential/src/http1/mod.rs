//! Responses to the same request, read by the core, by another client, and by the grammar of RFC 9112.

mod difference;
mod grammar;
mod hyper;
mod ureq;

use std::fmt;

use http::{HeaderMap, Method, StatusCode};
use lp_connector_core::http1::{DecodeError, Decoded, Decoder, Limits, Progress};

pub use difference::{Difference, HYPER, UREQ};

/// The most headers that hyper reads.
const HYPER_HEADERS: usize = 100;

/// The most headers that ureq-proto reads.
const UREQ_HEADERS: usize = 128;

/// Longer inputs show nothing else, and meet limits of each reader's own.
const LONGEST: usize = 4096;

/// The bytes that answer a request, after which the server closes the connection.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    method: &'a Method,
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    /// The first byte selects the method: it decides whether there can be a body.
    fn new(data: &'a [u8]) -> Option<Self> {
        const METHODS: [Method; 3] = [Method::GET, Method::HEAD, Method::CONNECT];
        let (first, bytes) = data.split_first()?;
        let method = METHODS.get(usize::from(first % 3))?;
        (bytes.len() <= LONGEST).then_some(Self { method, bytes })
    }
}

/// A response as one of the readers has it.
pub(crate) struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    /// Whether the connection may carry another request.
    reusable: bool,
}

impl Response {
    /// The same status, headers and body. Who may use the connection again is another question.
    fn is_alike(&self, other: &Self) -> bool {
        (self.status, &self.headers, &self.body) == (other.status, &other.headers, &other.body)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} {:?} {body:?} reusable: {}", self.status, self.headers, self.reusable)
    }
}

/// What two readers made of an input.
pub(crate) struct Case<'a> {
    input: Input<'a>,
    ours: Result<Response, DecodeError>,
    theirs: Result<Response, String>,
}

/// Beside hyper. The first byte selects the method, the rest is the response.
///
/// # Panics
/// If the readers disagree, and [`HYPER`] does not say why.
pub fn http1_hyper(data: &[u8]) {
    let Some(input) = Input::new(data) else { return };
    let case = Case { input, ours: ours(input, HYPER_HEADERS), theirs: hyper::read(input) };
    let _ = difference::of(&case, HYPER);
}

/// Beside ureq-proto. The first byte selects the method, the rest is the response.
///
/// # Panics
/// If the readers disagree, and [`UREQ`] does not say why.
pub fn http1_ureq(data: &[u8]) {
    let Some(input) = Input::new(data) else { return };
    let case = Case { input, ours: ours(input, UREQ_HEADERS), theirs: ureq::read(input) };
    let _ = difference::of(&case, UREQ);
}

fn ours(input: Input<'_>, headers: usize) -> Result<Response, DecodeError> {
    let limits = Limits::new().headers(headers).body(usize::MAX).chunk_line(usize::MAX);
    let mut decoder = Decoder::new(input.method, limits);
    let ours = match decoder.feed(input.bytes) {
        Ok(Progress::Done(decoded)) => Ok(response(decoded)),
        Ok(Progress::More) => decoder.finish().map(response),
        Err(error) => Err(error),
    };
    // What follows the grammar is read as the grammar says, whatever others make of it.
    if let Some((status, body)) = grammar::read(input, headers) {
        let read = ours.as_ref().map(|ours| (ours.status.as_u16(), &*ours.body));
        assert_eq!(read, Ok((status, &*body)), "RFC 9112 says otherwise");
    }
    ours
}

fn response(decoded: Decoded) -> Response {
    let Decoded { response, reusable, .. } = decoded;
    let (head, body) = response.into_parts();
    Response { status: head.status, headers: head.headers, body: body.into(), reusable }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = fn(Input<'_>) -> Result<Response, String>;

    fn shows(one: &Difference, table: &'static [Difference], theirs: Read) {
        let input = Input { method: &one.method, bytes: one.example.as_bytes() };
        let ours = ours(input, HYPER_HEADERS);
        let case = Case { input, ours, theirs: theirs(input) };
        assert_eq!(difference::of(&case, table), Some(one.name));
    }

    #[test]
    fn each_difference_from_hyper_is_one_still() {
        HYPER.iter().for_each(|one| shows(one, HYPER, hyper::read));
    }

    #[test]
    fn each_difference_from_ureq_proto_is_one_still() {
        UREQ.iter().for_each(|one| shows(one, UREQ, ureq::read));
    }

    #[test]
    fn what_follows_the_grammar_is_read_alike() {
        for (method, text) in [
            (Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b \r\nA:c\r\n\r\nabrest"),
            (
                Method::GET,
                "HTTP/1.1 200 \r\ntransfer-encoding: Chunked\r\n\r\n1\r\na\r\n0a\r\n0123456789\r\n0\r\nx: y\r\n\r\n",
            ),
            (
                Method::GET,
                "HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.0 404 No\r\n\r\nuntil the end",
            ),
            (Method::GET, "HTTP/1.1 304 x\r\ncontent-length: 9\r\n\r\n"),
            (Method::HEAD, "HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\n"),
            (Method::CONNECT, "HTTP/1.1 200 x\r\n\r\nabc"),
            (Method::CONNECT, "HTTP/1.1 407 x\r\ncontent-length: 1\r\n\r\na"),
        ] {
            let input = Input { method: &method, bytes: text.as_bytes() };
            let read = ours(input, HYPER_HEADERS).unwrap();
            assert!(grammar::read(input, HYPER_HEADERS).is_some(), "{text}");
            assert!(read.is_alike(&hyper::read(input).unwrap()), "hyper: {text}");
            assert!(read.is_alike(&ureq::read(input).unwrap()), "ureq-proto: {text}");
        }
    }
}
