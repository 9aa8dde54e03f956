//! The head of a response: its end, its contents, and the framing of the body.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use memchr::memchr_iter;

use super::{DecodeError, Limit, Limits};

/// A head with as many lines is read without memory of its own for them.
const FEW_FIELDS: usize = 32;

/// The first line that can continue another one: the status line has no continuation.
const FIRST_CONTINUATION: usize = 2;

/// Collects the bytes of a head up to its empty line.
#[derive(Debug, Default)]
pub(super) struct HeadBuffer {
    bytes: Vec<u8>,
    /// Where the current line begins. Earlier lines are not searched again.
    line: usize,
    /// How many lines are complete.
    lines: usize,
    /// A line continues the header before it.
    is_folded: bool,
}

impl HeadBuffer {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes bytes up to the end of the head. Returns how many it took, and whether the head is
    /// complete.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<(usize, bool), DecodeError> {
        let before = self.bytes.len();
        let mut taken = 0;
        let mut end = false;
        // What came before of the line that these bytes begin with.
        let mut begun = self.bytes.get(self.line..).unwrap_or_default();
        for break_at in memchr_iter(b'\n', bytes) {
            let line = bytes.get(taken..=break_at).unwrap_or_default();
            taken = break_at + 1;
            if before + taken > limits.head {
                return Err(DecodeError::TooLarge(Limit::Head));
            }
            // A bare LF ends a line too (RFC 9112, 2.2).
            if matches!((begun, line), (b"", b"\r\n" | b"\n") | (b"\r", b"\n")) {
                end = true;
                break;
            }
            let first = begun.first().or(line.first());
            self.is_folded |= self.lines >= FIRST_CONTINUATION && first.is_some_and(is_blank);
            self.lines += 1;
            begun = b"";
            self.line = before + taken;
        }
        if !end {
            taken = bytes.len();
            if before + taken > limits.head {
                return Err(DecodeError::TooLarge(Limit::Head));
            }
        }
        // At once, so that a head in one piece takes no more memory than it needs.
        self.bytes.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        Ok((taken, end))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A parsed head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<Vec<u8>>,
    /// Whether the server accepts another request on this connection.
    pub(super) persists: bool,
    pub(super) framing: Framing,
}

/// How the end of the body is found (RFC 9112, 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// There is no body.
    None,
    /// The body has this many bytes.
    Length(usize),
    /// The body has the chunked transfer coding.
    Chunked,
    /// The body ends when the connection closes.
    UntilClose,
}

/// Parses a complete head.
pub(super) fn parse(
    head: HeadBuffer,
    method: &Method,
    limits: &Limits,
) -> Result<Head, DecodeError> {
    let HeadBuffer { bytes, is_folded, .. } = head;
    let bytes = match is_folded.then(|| unfolded(&bytes, FIRST_CONTINUATION)) {
        Some(Cow::Owned(unfolded)) => Bytes::from(unfolded),
        _ => Bytes::from(bytes),
    };
    let lines = memchr_iter(b'\n', &bytes).count().min(limits.headers);
    let mut few = [const { MaybeUninit::uninit() }; FEW_FIELDS];
    let (mut many, mut again) = (Vec::new(), Vec::new());
    let fields = match few.get_mut(..lines) {
        Some(few) => few,
        None => {
            many.resize_with(lines, MaybeUninit::uninit);
            many.as_mut_slice()
        }
    };
    let mut config = httparse::ParserConfig::default();
    let mut parsed = httparse::Response::new(&mut []);
    let mut read = config.parse_response_with_uninit_headers(&mut parsed, &bytes, fields);
    // A break belongs in no name, so a folded head has no blank after one.
    if read.is_err() && !is_folded && !has_blank_in_framing(&bytes) {
        config.allow_spaces_after_header_name_in_responses(true);
        again.resize_with(lines, MaybeUninit::uninit);
        parsed = httparse::Response::new(&mut []);
        read = config.parse_response_with_uninit_headers(&mut parsed, &bytes, &mut again);
    }
    match read {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(DecodeError::Malformed("empty head")),
        Err(httparse::Error::TooManyHeaders) => return Err(DecodeError::TooLarge(Limit::Headers)),
        Err(_) => return Err(DecodeError::Malformed("invalid head")),
    }
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(DecodeError::Malformed("invalid status"))?;
    let http_1_0 = parsed.version == Some(0);
    let too_many = |_| DecodeError::TooLarge(Limit::Headers);
    let mut headers = HeaderMap::try_with_capacity(parsed.headers.len()).map_err(too_many)?;
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let name = name.map_err(|_| DecodeError::Malformed("invalid header name"))?;
        // It shares the memory of the head: a copy of each value would cost more than all the rest here.
        let value = HeaderValue::from_maybe_shared(part_of(&bytes, field.value));
        let value = value.map_err(|_| DecodeError::Malformed("invalid header value"))?;
        headers.try_append(name, value).map_err(too_many)?;
    }
    let (framing, unambiguous) = framing(status, &headers, method, http_1_0, limits)?;
    // A server that has waited too long (408), or that is the wrong one (421), does not read on.
    let gives_up = matches!(status.as_u16(), 408 | 421);
    let closes = http_1_0 || gives_up || has_token(&headers, &CONNECTION, b"close");
    let persists = unambiguous && !closes;
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(Head { response, persists, framing })
}

/// `part`, which lies in `whole`, without a copy.
fn part_of(whole: &Bytes, part: &[u8]) -> Bytes {
    let at = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize);
    let range = at.and_then(|at| Some(at..at.checked_add(part.len())?));
    match range.filter(|range| range.end <= whole.len()) {
        Some(range) => whole.slice(range),
        None => Bytes::copy_from_slice(part),
    }
}

/// Whether there is a blank between the name and the colon of a header that frames the body.
///
/// A server must not send such a header, and a proxy removes the blank (RFC 9112, 5.1). A reader may also
/// ignore the header, or take the blank as a part of its name. Where the body ends depends on that, so such
/// a head is refused. With any other header nobody sees another body, so it is read without the blank.
fn has_blank_in_framing(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').skip(1).any(|line| {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
        let name = line.get(..colon).unwrap_or_default();
        let bare = name.trim_ascii_end();
        let frames = [CONTENT_LENGTH, TRANSFER_ENCODING]
            .iter()
            .any(|framing| bare.eq_ignore_ascii_case(framing.as_str().as_bytes()));
        frames && bare.len() < name.len()
    })
}

/// Room for as many fields as `bytes` has lines, within the limit.
pub(super) fn fields<'a>(bytes: &[u8], limits: &Limits) -> Vec<httparse::Header<'a>> {
    let lines = memchr_iter(b'\n', bytes).count();
    vec![httparse::EMPTY_HEADER; lines.min(limits.headers)]
}

/// Replaces the break of each folded line by a space (RFC 9112, 5.2). Line number `first`, counted from
/// 0, is the first that can continue another one.
pub(super) fn unfolded(bytes: &[u8], first: usize) -> Cow<'_, [u8]> {
    let lines = || bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
    let continues =
        |number: usize, line: &[u8]| number >= first && line.first().is_some_and(is_blank);
    if !lines().any(|(number, line)| continues(number, line)) {
        return Cow::Borrowed(bytes);
    }
    let mut unfolded = Vec::with_capacity(bytes.len());
    for (number, line) in lines() {
        if !continues(number, line) {
            unfolded.extend_from_slice(line);
            continue;
        }
        // The line's end alone: a stray CR before it stays, and is refused.
        for end in [b'\n', b'\r'] {
            unfolded.pop_if(|byte| *byte == end);
        }
        while unfolded.pop_if(|byte| is_blank(byte)).is_some() {}
        unfolded.push(b' ');
        let blanks = line.iter().take_while(|byte| is_blank(byte)).count();
        unfolded.extend_from_slice(line.get(blanks..).unwrap_or_default());
    }
    Cow::Owned(unfolded)
}

const fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The framing, and whether it leaves no doubt about where the body ends.
fn framing(
    status: StatusCode,
    headers: &HeaderMap,
    method: &Method,
    http_1_0: bool,
    limits: &Limits,
) -> Result<(Framing, bool), DecodeError> {
    if *method == Method::CONNECT && status.is_success() {
        // The connection is a tunnel from here on (RFC 9110, 9.3.6).
        return Ok((Framing::None, false));
    }
    // Whatever the headers say (RFC 9112, 6.3, item 1).
    let bodiless = matches!(status.as_u16(), 204 | 304) || *method == Method::HEAD;
    if bodiless || status.is_informational() {
        return Ok((Framing::None, true));
    }
    let length = content_length(headers)?;
    if headers.contains_key(TRANSFER_ENCODING) {
        if http_1_0 {
            return Err(DecodeError::Malformed("transfer coding in HTTP/1.0"));
        }
        let mut codings = tokens(headers, &TRANSFER_ENCODING);
        let only = codings.next().filter(|_| codings.next().is_none());
        if !only.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked")) {
            return Err(DecodeError::Unsupported("a transfer coding other than chunked"));
        }
        // A length beside it may be an attempt to smuggle a response: chunked wins, and the connection is not used
        // again (RFC 9112, 6.3, item 3). Nor is it with an empty element: some readers take that for the last coding.
        let mut fields = headers.get_all(TRANSFER_ENCODING).iter();
        let is_plain = fields.all(|field| field.as_bytes().eq_ignore_ascii_case(b"chunked"));
        return Ok((Framing::Chunked, length.is_none() && is_plain));
    }
    match length {
        Some(length) => match usize::try_from(length) {
            Ok(length) if length <= limits.body => Ok((Framing::Length(length), true)),
            _ => Err(DecodeError::TooLarge(Limit::Body)),
        },
        None => Ok((Framing::UntilClose, false)),
    }
}

/// The length on which all `Content-Length` fields agree (RFC 9112, 6.3, item 5).
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, DecodeError> {
    let mut agreed = None;
    for field in headers.get_all(CONTENT_LENGTH) {
        for value in field.as_bytes().split(|byte| *byte == b',') {
            let value = value.trim_ascii();
            // Only digits: `parse` accepts a sign.
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(value).ok().filter(|_| digits);
            let length: u64 = length
                .and_then(|digits| digits.parse().ok())
                .ok_or(DecodeError::Malformed("invalid Content-Length"))?;
            if agreed.is_some_and(|agreed| agreed != length) {
                return Err(DecodeError::Malformed("conflicting Content-Lengths"));
            }
            agreed = Some(length);
        }
    }
    Ok(agreed)
}

/// Whether a comma-separated header has this token.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &[u8]) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

/// The elements of a comma-separated header. Empty ones do not count (RFC 9110, 5.6.1).
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let fields = headers.get_all(name).iter();
    let elements = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_shares_the_memory_of_its_whole() {
        let line = Bytes::from_static(b"server: pigeon\r\n");
        let whole = line.slice(..14);
        let inside = part_of(&whole, &line[8..14]);
        assert_eq!((&inside[..], inside.as_ptr()), (&b"pigeon"[..], line[8..].as_ptr()));
        // One byte more is not in it.
        let beyond = part_of(&whole, &line[8..15]);
        assert_eq!(&beyond[..], b"pigeon\r");
        assert_ne!(beyond.as_ptr(), line[8..].as_ptr());
    }
}
