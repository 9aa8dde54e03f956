//! Where others read a response otherwise, and why.

use std::fmt;

use http::Method;
use lp_connector_core::http1::{DecodeError, Limit};

use super::Case;

/// A way in which another reader differs from the core.
#[derive(Debug)]
#[non_exhaustive]
pub struct Difference {
    /// What differs.
    pub name: &'static str,
    /// Why each does as it does.
    pub reason: &'static str,
    /// A response that shows it.
    pub example: &'static str,
    /// The method of the request.
    pub method: Method,
    /// Whether a case shows it.
    pub(super) shows: fn(&Case<'_>) -> bool,
}

/// The name of the difference that the case shows, or nothing where both read the same.
pub(super) fn of(case: &Case<'_>, table: &'static [Difference]) -> Option<&'static str> {
    match (&case.ours, &case.theirs) {
        (Err(_), Err(_)) => return None,
        (Ok(ours), Ok(theirs)) => {
            // A connection with any doubt about where the response ended is used by nobody again.
            assert!(theirs.reusable || !ours.reusable, "only we use the connection again: {case}");
            if ours.is_alike(theirs) {
                return None;
            }
        }
        _ => {}
    }
    let found = table.iter().find(|row| (row.shows)(case));
    Some(found.unwrap_or_else(|| panic!("a difference without a name: {case}")).name)
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, ours, theirs } = self;
        let text = String::from_utf8_lossy(input.bytes);
        write!(f, "{} {text:?}\n  ours: {ours:?}\n  theirs: {theirs:?}", input.method)
    }
}

const fn row(
    name: &'static str,
    reason: &'static str,
    example: &'static str,
    shows: fn(&Case<'_>) -> bool,
) -> Difference {
    Difference { name, reason, example, method: Method::GET, shows }
}

/// What hyper reads otherwise.
pub static HYPER: &[Difference] = &[
    ANOTHER_PROTOCOL,
    ANOTHER_CODING,
    MANY_INTERIM,
    EMPTY_LINE_FIRST,
    LENGTH_BESIDE_CHUNKS,
    row(
        "folded lines of white space alone",
        "Each fold becomes one space or more (RFC 9112, 5.2): hyper writes one for each of such lines, the core one \
         for all of them.",
        "HTTP/1.1 200 OK\r\na: b\r\n \r\n c\r\n\r\n",
        differs_in_blanks,
    ),
    row(
        "a blank before the colon of a header that frames the body",
        "Readers disagree whether it is that header, and so about where the body ends: the core refuses it. \
         hyper was told to read such names.",
        "HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n",
        |case| refused(case, DecodeError::Malformed("invalid head")),
    ),
    row(
        "NUL in a chunk extension",
        "No field of HTTP has one (RFC 9110, 5.5). hyper skips extensions unseen.",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;\0\r\na\r\n0\r\n\r\n",
        |case| refused(case, INVALID_CHUNK) && has_nul_in_an_extension(case),
    ),
    row(
        "an empty element after the codings",
        "Empty elements of a list do not count (RFC 9110, 5.6.1). hyper takes it for the last coding, and reads until the \
         connection closes; the core does not use the connection again.",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked,\r\n\r\n1\r\na\r\n0\r\n\r\n",
        |case| {
            let theirs = case.theirs.as_ref();
            let codings = theirs.ok().and_then(|theirs| {
                theirs.headers.get_all(http::header::TRANSFER_ENCODING).iter().next_back()
            });
            codings
                .map(|codings| codings.as_bytes().trim_ascii())
                .is_some_and(|codings| codings.is_empty() || codings.ends_with(b","))
        },
    ),
    row(
        "a line of the trailers that ends with LF alone, or is folded",
        "As in a head, the core reads it (RFC 9112, 2.2 and 5.2). No trailer is kept, and after a bare LF the \
         connection is not used again.",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: b\n\r\n",
        |case| case.ours.is_ok() && case.theirs.is_err() && is_chunked(case) && is_loose(case),
    ),
    row(
        "closed before the end of the trailers",
        "The last chunk has come, so the body is complete (RFC 9112, 8), and the connection is not used again.",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
        |case| refused_by_them(case, "UnexpectedEof") && closes(case),
    ),
];

/// What ureq-proto reads otherwise.
pub static UREQ: &[Difference] = &[
    ANOTHER_PROTOCOL,
    ANOTHER_CODING,
    MANY_INTERIM,
    EMPTY_LINE_FIRST,
    row(
        "chunks in HTTP/1.0",
        "Their framing is faulty (RFC 9112, 6.1). ureq-proto does not look at the coding.",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        |case| refused(case, DecodeError::Malformed("transfer coding in HTTP/1.0")),
    ),
    row(
        "a loose chunk-size line",
        "ureq-proto takes a sign, and white space around the size; the core takes the digits of the grammar, \
         and blanks after them (RFC 9112, 7.1).",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
        |case| refused(case, INVALID_CHUNK),
    ),
    row(
        "trailers that are none",
        "ureq-proto skips lines up to the empty one.",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nno trailer\r\n\r\n",
        |case| refused(case, DecodeError::Malformed("invalid trailer")),
    ),
    row(
        "closed within the trailers",
        "ureq-proto takes a body for complete once its last chunk has come. The core does so if none of the \
         trailers has: half a line may be anything.",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx",
        |case| refused(case, DecodeError::Truncated),
    ),
    row(
        "a long chunk extension",
        "ureq-proto reads at most 20 bytes of a chunk-size line.",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;a=012345678901234567\r\na\r\n0\r\n\r\n",
        |case| refused_by_them(case, "ChunkExpectedCrLf"),
    ),
    row(
        "headers in 100 Continue",
        "Any interim response may have some (RFC 9110, 15.2).",
        "HTTP/1.1 100 Continue\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        |case| refused_by_them(case, "HeadersWith100"),
    ),
    row(
        "a folded header, or a blank before its colon",
        "Obsolete, and for a client to read (RFC 9112, 5.1 and 5.2).",
        "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
        |case| refused_by_them(case, "HttpParseFail"),
    ),
    row(
        "the length of a response that has no body",
        "Whatever it says, there is no body (RFC 9112, 6.3, item 1). ureq-proto reads it first.",
        "HTTP/1.1 204 x\r\ncontent-length: a\r\n\r\n",
        |case| refused_by_them(case, "ContentLengthHeader"),
    ),
];

const ANOTHER_PROTOCOL: Difference = row(
    "another protocol",
    "The core asks for no upgrade, so a 101 answers another request (RFC 9110, 7.8).",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    |case| refused(case, DecodeError::Unsupported("another protocol")),
);

const ANOTHER_CODING: Difference = row(
    "another transfer coding",
    "The core decodes chunked alone and asks for no other: the body would be in that coding (RFC 9112, 6.1).",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    |case| refused(case, DecodeError::Unsupported("a transfer coding other than chunked")),
);

const MANY_INTERIM: Difference = row(
    "many interim responses",
    "The core has a limit, for a server could send them for ever.",
    MANY,
    |case| refused(case, DecodeError::TooLarge(Limit::Interim)),
);

const EMPTY_LINE_FIRST: Difference = row(
    "an empty line before the status line",
    "Servers skip one before a request (RFC 9112, 2.2). Before a response nothing is skipped: it may be the end \
     of a longer body.",
    "\r\nHTTP/1.1 200 OK\r\n\r\n",
    |case| refused(case, DecodeError::Malformed("empty head")),
);

const LENGTH_BESIDE_CHUNKS: Difference = row(
    "an invalid length beside chunks",
    "Chunked wins, and the length is a fault all the same (RFC 9112, 6.3, item 5): the core refuses it.",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: x\r\n\r\n0\r\n\r\n",
    |case| {
        refused(case, DecodeError::Malformed("invalid Content-Length"))
            || refused(case, DecodeError::Malformed("conflicting Content-Lengths"))
    },
);

const MANY: &str = concat!(
    "HTTP/1.1 102 x\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 102 x\r\n\r\n",
    "HTTP/1.1 102 x\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 102 x\r\n\r\n",
    "HTTP/1.1 102 x\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 102 x\r\n\r\n",
    "HTTP/1.1 102 x\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 102 x\r\n\r\n",
    "HTTP/1.1 102 x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
);

const INVALID_CHUNK: DecodeError = DecodeError::Malformed("invalid chunk");

fn refused(case: &Case<'_>, error: DecodeError) -> bool {
    case.theirs.is_ok() && case.ours.as_ref().err() == Some(&error)
}

fn refused_by_them(case: &Case<'_>, with: &str) -> bool {
    case.ours.is_ok() && case.theirs.as_ref().is_err_and(|error| error.contains(with))
}

fn is_chunked(case: &Case<'_>) -> bool {
    case.ours.as_ref().is_ok_and(|ours| ours.headers.contains_key(http::header::TRANSFER_ENCODING))
}

/// Nothing but the number of spaces in the values of headers is another.
fn differs_in_blanks(case: &Case<'_>) -> bool {
    let (Ok(ours), Ok(theirs)) = (&case.ours, &case.theirs) else { return false };
    let words = |headers: &http::HeaderMap| -> Vec<Vec<u8>> {
        let parts = headers.iter().flat_map(|(name, value)| {
            let words = value.as_bytes().split(|byte| *byte == b' ');
            std::iter::once(name.as_str().as_bytes()).chain(words.filter(|word| !word.is_empty()))
        });
        parts.map(<[u8]>::to_vec).collect()
    };
    (ours.status, &ours.body, words(&ours.headers))
        == (theirs.status, &theirs.body, words(&theirs.headers))
}

/// A line ends with LF alone, or begins with white space.
fn is_loose(case: &Case<'_>) -> bool {
    let lines = || case.input.bytes.split_inclusive(|byte| *byte == b'\n');
    lines().any(|line| line.starts_with(b" ") || line.starts_with(b"\t"))
        || lines().any(|line| line.ends_with(b"\n") && !line.ends_with(b"\r\n"))
}

/// A line has a NUL after `;`.
fn has_nul_in_an_extension(case: &Case<'_>) -> bool {
    case.input.bytes.split(|byte| *byte == b'\n').any(|line| {
        let extension = line.splitn(2, |byte| *byte == b';').nth(1);
        extension.is_some_and(|extension| extension.contains(&0))
    })
}

fn closes(case: &Case<'_>) -> bool {
    is_chunked(case) && case.ours.as_ref().is_ok_and(|ours| !ours.reusable)
}
