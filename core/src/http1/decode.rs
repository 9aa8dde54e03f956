//! Decodes responses.

use std::fmt;

use bytes::Bytes;
use http::{Method, Response};

use super::chunked::Chunked;
use super::head::{self, Framing, Head, HeadBuffer};
use super::{DecodeError, Limit, Limits};

/// The maximum number of interim responses before the final one.
const MAX_INTERIM: u32 = 16;

/// A length alone gets no more memory than this, in bytes, before the body comes.
const MAX_RESERVED: usize = 64 * 1024;

/// Decodes the response to one request, from bytes that arrive in pieces of any size.
///
/// The work is linear in the number of bytes, however they are split. The decoder keeps no more than
/// its [`Limits`] allow. After it has returned a response or an error, it returns only errors.
#[derive(Debug)]
pub struct Decoder {
    method: Method,
    limits: Limits,
    state: State,
    interim: u32,
}

enum State {
    Head(HeadBuffer),
    Length(Box<Head>, usize),
    Chunked(Box<Head>, Box<Chunked>),
    UntilClose(Box<Head>),
    Ended(DecodeError),
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bytes so far may contain a token.
        f.write_str(match self {
            Self::Head(_) => "Head",
            Self::Length(..) => "Length",
            Self::Chunked(..) => "Chunked",
            Self::UntilClose(_) => "UntilClose",
            Self::Ended(_) => "Ended",
        })
    }
}

/// Whether the response is complete.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle both")]
pub enum Progress {
    /// The response is incomplete: [`feed`](Decoder::feed) more bytes, or call
    /// [`finish`](Decoder::finish) when the connection has closed.
    More,
    /// The response is complete.
    Done(Decoded),
}

/// A complete response.
#[non_exhaustive]
pub struct Decoded {
    /// The response.
    pub response: Response<Bytes>,
    /// Whether the connection may carry another request.
    pub reusable: bool,
    /// How many of the bytes fed last came after the response. If there are any, the connection is
    /// not reusable: they belong to no request. (After a 2xx to `CONNECT` they are the first bytes of
    /// the tunnel.)
    pub leftover: usize,
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("status", &self.response.status())
            .field("body_len", &self.response.body().len())
            .field("reusable", &self.reusable)
            .field("leftover", &self.leftover)
            .finish()
    }
}

impl Decoder {
    /// A decoder for the response to a request with this method, which decides whether there can be a
    /// body.
    #[must_use]
    pub fn new(method: &Method, limits: Limits) -> Self {
        let state = State::Head(HeadBuffer::default());
        Self { method: method.clone(), limits, state, interim: 0 }
    }

    /// Decodes bytes that have arrived. An empty slice does not mean the end of the connection:
    /// [`finish`](Self::finish) does.
    ///
    /// # Errors
    /// [`DecodeError`] if the response is not valid or too large. Every later call returns the same.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress, DecodeError> {
        let mut rest = bytes;
        loop {
            match self.step(rest) {
                Ok((taken, None)) => {
                    rest = rest.get(taken..).unwrap_or_default();
                    if rest.is_empty() {
                        return Ok(Progress::More);
                    }
                }
                Ok((taken, Some(head))) => {
                    self.state = State::Ended(DecodeError::Finished);
                    let leftover = rest.len().saturating_sub(taken);
                    return Ok(Progress::Done(complete(head, leftover)));
                }
                Err(error) => {
                    self.state = State::Ended(error);
                    return Err(error);
                }
            }
        }
    }

    /// Ends the response: the server has closed the connection.
    ///
    /// # Errors
    /// [`DecodeError::ClosedBeforeResponse`] or [`DecodeError::Truncated`], unless the body lasts until
    /// the connection closes, or its last chunk has come. Call this only after a clean end: a body that
    /// lasts until the connection closes is incomplete if TLS ends without a `close_notify`, or TCP with a
    /// reset (RFC 9112, 9.8). The error of [`feed`](Self::feed), if it returned one.
    pub fn finish(&mut self) -> Result<Decoded, DecodeError> {
        let truncated = State::Ended(DecodeError::Truncated);
        match std::mem::replace(&mut self.state, truncated) {
            State::UntilClose(head) => {
                self.state = State::Ended(DecodeError::Finished);
                Ok(complete(*head, 0))
            }
            State::Chunked(mut head, chunked) if chunked.may_end() => {
                self.state = State::Ended(DecodeError::Finished);
                head.persists = false;
                Ok(complete(*head, 0))
            }
            State::Head(buffer) if buffer.is_empty() && self.interim == 0 => {
                self.state = State::Ended(DecodeError::ClosedBeforeResponse);
                Err(DecodeError::ClosedBeforeResponse)
            }
            State::Ended(error) => {
                self.state = State::Ended(error);
                Err(error)
            }
            _ => Err(DecodeError::Truncated),
        }
    }

    /// Decodes as far as one state goes. Returns how many bytes it consumed, and the response if it
    /// is complete.
    fn step(&mut self, bytes: &[u8]) -> Result<(usize, Option<Head>), DecodeError> {
        match &mut self.state {
            State::Ended(error) => Err(*error),
            State::Head(buffer) => {
                let (taken, end) = buffer.take(bytes, &self.limits)?;
                if !end {
                    return Ok((taken, None));
                }
                let head = head::parse(std::mem::take(buffer), &self.method, &self.limits)?;
                self.begin_body(head, bytes, taken)
            }
            State::Length(head, left) => {
                let data = bytes.get(..*left).unwrap_or(bytes);
                head.response.body_mut().extend_from_slice(data);
                *left -= data.len();
                let taken = data.len();
                if *left > 0 { Ok((taken, None)) } else { Ok((taken, self.take_head())) }
            }
            State::Chunked(head, chunked) => {
                let body = head.response.body_mut();
                let (taken, end) = chunked.take(bytes, body, &self.limits)?;
                head.persists &= !end || chunked.ends_clearly();
                if end { Ok((taken, self.take_head())) } else { Ok((taken, None)) }
            }
            State::UntilClose(head) => {
                let body = head.response.body_mut();
                if body.len() + bytes.len() > self.limits.body {
                    return Err(DecodeError::TooLarge(Limit::Body));
                }
                body.extend_from_slice(bytes);
                Ok((bytes.len(), None))
            }
        }
    }

    /// Continues after a head: with the body, or with the next head after an interim response.
    /// Returns how many of the bytes it has consumed, of which `taken` are the head's, and the response if it
    /// is complete.
    fn begin_body(
        &mut self,
        mut head: Head,
        bytes: &[u8],
        taken: usize,
    ) -> Result<(usize, Option<Head>), DecodeError> {
        let status = head.response.status();
        if status == http::StatusCode::SWITCHING_PROTOCOLS {
            return Err(DecodeError::Unsupported("another protocol"));
        }
        if status.is_informational() {
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(DecodeError::TooLarge(Limit::Interim));
            }
            self.state = State::Head(HeadBuffer::default());
            return Ok((taken, None));
        }
        self.state = match head.framing {
            Framing::None | Framing::Length(0) => return Ok((taken, Some(head))),
            Framing::Length(length) => {
                let after = bytes.get(taken..).unwrap_or_default();
                if let Some(body) = after.get(..length) {
                    // The usual case: all of it is here.
                    head.response.body_mut().extend_from_slice(body);
                    return Ok((taken + length, Some(head)));
                }
                head.response.body_mut().reserve_exact(length.min(MAX_RESERVED));
                State::Length(Box::new(head), length)
            }
            Framing::Chunked => State::Chunked(Box::new(head), Box::new(Chunked::new())),
            Framing::UntilClose => State::UntilClose(Box::new(head)),
        };
        Ok((taken, None))
    }

    fn take_head(&mut self) -> Option<Head> {
        match std::mem::replace(&mut self.state, State::Ended(DecodeError::Finished)) {
            State::Length(head, _) | State::Chunked(head, _) => Some(*head),
            _ => None,
        }
    }
}

fn complete(head: Head, leftover: usize) -> Decoded {
    let reusable = head.persists && leftover == 0;
    Decoded { response: head.response.map(Bytes::from), reusable, leftover }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
