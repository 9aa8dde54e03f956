//! The head of a response: where it ends, what it says, and what it says of the body.

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::{DecodeError, Limit, Limits};

/// Collects the bytes of a head until its empty line.
#[derive(Debug, Default)]
pub(super) struct HeadBuffer {
    bytes: Vec<u8>,
    /// Where the line that is being read begins: nothing before it is looked at again.
    line: usize,
}

impl HeadBuffer {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes bytes up to the end of the head. Gives how many it took, and whether the end was there.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<(usize, bool), DecodeError> {
        let mut taken = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.bytes.len() + line.len() > limits.head {
                return Err(DecodeError::TooLarge(Limit::Head));
            }
            self.bytes.extend_from_slice(line);
            taken += line.len();
            if line.ends_with(b"\n") {
                // A bare LF ends a line too (RFC 9112, 2.2).
                let whole = self.bytes.get(self.line..).unwrap_or_default();
                let empty = matches!(whole, b"\r\n" | b"\n");
                self.line = self.bytes.len();
                if empty {
                    return Ok((taken, true));
                }
            }
        }
        Ok((taken, false))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A head that was read.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<Vec<u8>>,
    /// The peer will take another request on this connection.
    pub(super) persists: bool,
    pub(super) framing: Framing,
}

/// How the body's end is found (RFC 9112, 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// There is no body.
    None,
    /// It is so long.
    Length(usize),
    /// It comes in chunks.
    Chunked,
    /// It ends when the connection does.
    UntilClose,
}

/// Reads a whole head. `bytes` ends with the empty line.
pub(super) fn read(bytes: &[u8], method: &Method, limits: &Limits) -> Result<Head, DecodeError> {
    let mut fields = vec![httparse::EMPTY_HEADER; limits.headers];
    let mut parsed = httparse::Response::new(&mut fields);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(DecodeError::Malformed("an empty head")),
        Err(httparse::Error::TooManyHeaders) => return Err(DecodeError::TooLarge(Limit::Headers)),
        Err(_) => return Err(DecodeError::Malformed("a head that cannot be read")),
    }
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(DecodeError::Malformed("no such status"))?;
    let http_1_0 = parsed.version == Some(0);
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let name = name.map_err(|_| DecodeError::Malformed("a header's name"))?;
        let value = HeaderValue::from_bytes(field.value);
        let value = value.map_err(|_| DecodeError::Malformed("a header's value"))?;
        headers.append(name, value);
    }
    let (framing, sound) = framing(status, &headers, method, http_1_0, limits)?;
    let persists = sound && !http_1_0 && !lists(&headers, &CONNECTION, b"close");
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(Head { response, persists, framing })
}

/// The framing, and whether nothing about it is doubtful.
fn framing(
    status: StatusCode,
    headers: &HeaderMap,
    method: &Method,
    http_1_0: bool,
    limits: &Limits,
) -> Result<(Framing, bool), DecodeError> {
    let length = content_length(headers)?;
    let coded = headers.contains_key(TRANSFER_ENCODING);
    if *method == Method::CONNECT && status.is_success() {
        // From here on the connection is a tunnel (RFC 9110, 9.3.6).
        return Ok((Framing::None, false));
    }
    let never_a_body = matches!(status.as_u16(), 204 | 304) || *method == Method::HEAD;
    if never_a_body || status.is_informational() {
        return Ok((Framing::None, true));
    }
    if coded {
        if http_1_0 {
            return Err(DecodeError::Malformed("a transfer coding in HTTP/1.0"));
        }
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let only = codings.next().filter(|_| codings.next().is_none());
        let chunked = only
            .is_some_and(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
        if !chunked {
            return Err(DecodeError::Unsupported("a transfer coding other than chunked"));
        }
        // With a length beside it, someone may have meant to smuggle: chunked counts, and the
        // connection is not used again (RFC 9112, 6.3, item 3).
        return Ok((Framing::Chunked, length.is_none()));
    }
    match length {
        Some(length) => match usize::try_from(length) {
            Ok(length) if length <= limits.body => Ok((Framing::Length(length), true)),
            _ => Err(DecodeError::TooLarge(Limit::Body)),
        },
        None => Ok((Framing::UntilClose, false)),
    }
}

/// The one length that all `Content-Length` fields agree on (RFC 9112, 6.3, item 5).
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, DecodeError> {
    let mut agreed = None;
    for field in headers.get_all(CONTENT_LENGTH) {
        for value in field.as_bytes().split(|byte| *byte == b',') {
            let value = value.trim_ascii();
            // Digits alone: `parse` would take a sign.
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(value).ok().filter(|_| digits);
            let length: u64 = length
                .and_then(|digits| digits.parse().ok())
                .ok_or(DecodeError::Malformed("a Content-Length that is no length"))?;
            if agreed.is_some_and(|agreed| agreed != length) {
                return Err(DecodeError::Malformed("two lengths that differ"));
            }
            agreed = Some(length);
        }
    }
    Ok(agreed)
}

/// True if a comma-separated header lists `token`.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &[u8]) -> bool {
    let fields = headers.get_all(name).iter();
    let mut tokens = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
    tokens.any(|found| found.trim_ascii().eq_ignore_ascii_case(token))
}
