//! Bytes to a response.

use std::fmt;

use http::{Method, Response};

use super::chunked::Chunked;
use super::head::{self, Framing, Head, HeadBuffer};
use super::{DecodeError, Limit, Limits};

/// More interim responses than this before the real one are not waited for.
const MAX_INTERIM: u32 = 16;

/// Reads the response to one request, from bytes that come in pieces of any size.
///
/// Its work is linear in the bytes fed: a byte at a time costs no looking back. It keeps no more than
/// its [`Limits`] allow. Once it has given a response or an error it gives nothing else.
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
    Over(DecodeError),
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What came so far can hold a token.
        f.write_str(match self {
            Self::Head(_) => "Head",
            Self::Length(..) => "Length",
            Self::Chunked(..) => "Chunked",
            Self::UntilClose(_) => "UntilClose",
            Self::Over(_) => "Over",
        })
    }
}

/// How far the response has come.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle both")]
pub enum Progress {
    /// It is not whole yet: feed more, or say that there is no more.
    More,
    /// Here it is.
    Done(Decoded),
}

/// A whole response.
#[non_exhaustive]
pub struct Decoded {
    /// The response.
    pub response: Response<Vec<u8>>,
    /// Whether the connection may carry another request.
    pub reusable: bool,
    /// How many of the bytes fed last came after the response. If there are any the connection is not
    /// reusable: they are an answer to nothing that was asked. (After a 2xx to `CONNECT` they are the
    /// tunnel's first.)
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
    /// A decoder for the response to a request with `method`, which decides whether there is a body
    /// at all.
    #[must_use]
    pub fn new(method: &Method, limits: Limits) -> Self {
        let state = State::Head(HeadBuffer::default());
        Self { method: method.clone(), limits, state, interim: 0 }
    }

    /// Takes what has come. An empty slice is nothing, and not the end: that is
    /// [`finish`](Self::finish).
    ///
    /// # Errors
    /// [`DecodeError`] if this is no response, or too large a one; the same again from then on.
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
                    self.state = State::Over(DecodeError::Finished);
                    let leftover = rest.len().saturating_sub(taken);
                    return Ok(Progress::Done(whole(*head, leftover)));
                }
                Err(error) => {
                    self.state = State::Over(error);
                    return Err(error);
                }
            }
        }
    }

    /// Says that the peer has closed: nothing more will come.
    ///
    /// # Errors
    /// [`DecodeError::ClosedBeforeAnswer`] or [`DecodeError::Truncated`] unless the response was to
    /// end with the connection; what `feed` failed with, if it did.
    pub fn finish(&mut self) -> Result<Decoded, DecodeError> {
        let truncated = State::Over(DecodeError::Truncated);
        match std::mem::replace(&mut self.state, truncated) {
            State::UntilClose(head) => {
                self.state = State::Over(DecodeError::Finished);
                Ok(whole(*head, 0))
            }
            State::Head(buffer) if buffer.is_empty() && self.interim == 0 => {
                self.state = State::Over(DecodeError::ClosedBeforeAnswer);
                Err(DecodeError::ClosedBeforeAnswer)
            }
            State::Over(error) => {
                self.state = State::Over(error);
                Err(error)
            }
            _ => Err(DecodeError::Truncated),
        }
    }

    /// Goes on as far as one state allows. Gives how much it took, and the response if it is whole.
    fn step(&mut self, bytes: &[u8]) -> Result<(usize, Option<Box<Head>>), DecodeError> {
        match &mut self.state {
            State::Over(error) => Err(*error),
            State::Head(buffer) => {
                let (taken, end) = buffer.take(bytes, &self.limits)?;
                if !end {
                    return Ok((taken, None));
                }
                let head = Box::new(head::read(buffer.bytes(), &self.method, &self.limits)?);
                Ok((taken, self.begin_body(head)?))
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

    /// The head is read: on to the body, or to the next head, or that was all.
    fn begin_body(&mut self, head: Box<Head>) -> Result<Option<Box<Head>>, DecodeError> {
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
            return Ok(None);
        }
        self.state = match head.framing {
            Framing::None | Framing::Length(0) => return Ok(Some(head)),
            Framing::Length(length) => State::Length(head, length),
            Framing::Chunked => State::Chunked(head, Box::new(Chunked::new())),
            Framing::UntilClose => State::UntilClose(head),
        };
        Ok(None)
    }

    fn take_head(&mut self) -> Option<Box<Head>> {
        match std::mem::replace(&mut self.state, State::Over(DecodeError::Finished)) {
            State::Length(head, _) | State::Chunked(head, _) => Some(head),
            _ => None,
        }
    }
}

fn whole(head: Head, leftover: usize) -> Decoded {
    let reusable = head.persists && leftover == 0;
    Decoded { response: head.response, reusable, leftover }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
