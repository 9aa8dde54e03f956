//! Why bytes are no response.

use std::error;
use std::fmt;

/// Why a decoder gives no response. Holds no byte of what came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// It breaks the rules of RFC 9112, in the way that is said.
    Malformed(&'static str),
    /// It uses what this client never asked for, such as another transfer coding or protocol.
    Unsupported(&'static str),
    /// It is larger than allowed.
    TooLarge(Limit),
    /// The peer closed before the response was whole.
    Truncated,
    /// The peer closed without a single byte of a response: on a connection that had been idle, most
    /// likely before it saw the request.
    ClosedBeforeAnswer,
    /// The response has been given out already.
    Finished,
}

/// Which limit was reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Limit {
    /// The head, the trailers, or all chunk extensions together, in bytes.
    Head,
    /// The number of headers or trailers.
    Headers,
    /// The body in bytes.
    Body,
    /// The line before a chunk, in bytes.
    ChunkLine,
    /// The number of interim responses.
    Interim,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(how) => write!(f, "the response is not HTTP/1.1: {how}"),
            Self::Unsupported(what) => write!(f, "the response uses {what}"),
            Self::TooLarge(limit) => write!(f, "the response has too much: {}", limit.what()),
            Self::Truncated => f.write_str("the connection closed before the response was whole"),
            Self::ClosedBeforeAnswer => f.write_str("the connection closed before any response"),
            Self::Finished => f.write_str("the response was complete before"),
        }
    }
}

impl error::Error for DecodeError {}

impl Limit {
    fn what(self) -> &'static str {
        match self {
            Self::Head => "bytes in its head",
            Self::Headers => "headers",
            Self::Body => "bytes in its body",
            Self::ChunkLine => "bytes before a chunk",
            Self::Interim => "interim responses",
        }
    }
}
