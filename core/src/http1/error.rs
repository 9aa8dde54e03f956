//! Why bytes are not a response.

use std::error;
use std::fmt;

/// Why a decoder returns no response. It contains no byte of what was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// The response violates RFC 9112: the text says how.
    Malformed(&'static str),
    /// The response uses something that this client did not ask for, such as another transfer coding
    /// or protocol.
    Unsupported(&'static str),
    /// The response exceeds a limit.
    TooLarge(Limit),
    /// The server closed the connection before the response was complete.
    Truncated,
    /// The server closed the connection before the first byte of a response. On a connection that was
    /// idle, it probably closed before it received the request.
    ClosedBeforeResponse,
    /// The decoder has returned the response already.
    Finished,
}

/// The limit that a response exceeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Limit {
    /// The bytes of the head, of the trailers, or of all chunk extensions together.
    Head,
    /// The number of headers or trailers.
    Headers,
    /// The bytes of the body.
    Body,
    /// The bytes of a chunk-size line.
    ChunkLine,
    /// The number of interim responses.
    Interim,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(how) => write!(f, "the response is not valid HTTP/1.1: {how}"),
            Self::Unsupported(what) => write!(f, "the response uses {what}"),
            Self::TooLarge(limit) => write!(f, "the response has too many {}", limit.unit()),
            Self::Truncated => {
                f.write_str("the connection closed before the response was complete")
            }
            Self::ClosedBeforeResponse => f.write_str("the connection closed before any response"),
            Self::Finished => f.write_str("the response was complete already"),
        }
    }
}

impl error::Error for DecodeError {}

impl Limit {
    fn unit(self) -> &'static str {
        match self {
            Self::Head => "bytes in its head",
            Self::Headers => "headers",
            Self::Body => "bytes in its body",
            Self::ChunkLine => "bytes in a chunk-size line",
            Self::Interim => "interim responses",
        }
    }
}
