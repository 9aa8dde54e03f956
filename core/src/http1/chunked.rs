//! A body in chunks (RFC 9112, 7.1).

use super::head::HeadBuffer;
use super::{DecodeError, Limit, Limits};

#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    /// Bytes of the line before the present chunk, and of all extensions so far.
    line: usize,
    extensions: usize,
    trailers: HeadBuffer,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// In the size: its value and how many digits it has.
    Size(u64, u8),
    /// Behind the size, in white space or an extension.
    Extension(u64),
    /// After the CR of the size line.
    SizeEnd(u64),
    Data(usize),
    /// Before the CR, and before the LF, behind the data.
    DataCr,
    DataLf,
    Trailers,
}

const MALFORMED: DecodeError = DecodeError::Malformed("a chunk");

impl Chunked {
    pub(super) fn new() -> Self {
        Self { state: State::Size(0, 0), line: 0, extensions: 0, trailers: HeadBuffer::default() }
    }

    /// Takes bytes into `body`. Gives how many it took, and whether the body ended with them.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        body: &mut Vec<u8>,
        limits: &Limits,
    ) -> Result<(usize, bool), DecodeError> {
        let mut rest = bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            match self.state {
                State::Data(left) => {
                    let (data, behind) = rest.split_at(left.min(rest.len()));
                    body.extend_from_slice(data);
                    rest = behind;
                    self.state = match left - data.len() {
                        0 => State::DataCr,
                        left => State::Data(left),
                    };
                    continue;
                }
                State::Trailers => {
                    let (taken, end) = self.trailers.take(rest, limits)?;
                    rest = rest.get(taken..).unwrap_or_default();
                    if end {
                        self.check_trailers(limits)?;
                        return Ok((bytes.len() - rest.len(), true));
                    }
                    continue;
                }
                State::DataCr if byte == b'\r' => self.state = State::DataLf,
                State::DataLf if byte == b'\n' => self.state = State::Size(0, 0),
                State::DataCr | State::DataLf => return Err(MALFORMED),
                State::Size(..) | State::Extension(_) | State::SizeEnd(_) => {
                    self.size_line(byte, body.len(), limits)?;
                }
            }
            rest = behind;
        }
        Ok((bytes.len(), false))
    }

    /// One byte of the line before a chunk.
    fn size_line(&mut self, byte: u8, body: usize, limits: &Limits) -> Result<(), DecodeError> {
        self.line += 1;
        if self.line > limits.chunk_line {
            return Err(DecodeError::TooLarge(Limit::ChunkLine));
        }
        self.state = match (self.state, byte) {
            (State::Size(size, digits), _) if byte.is_ascii_hexdigit() => {
                // 16 digits fill a u64; none is shifted out.
                if digits == 16 {
                    return Err(DecodeError::TooLarge(Limit::Body));
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                State::Size(size << 4 | u64::from(digit), digits + 1)
            }
            (State::Size(_, 0), _) => return Err(MALFORMED),
            (State::Size(size, _), b';' | b' ' | b'\t') => State::Extension(size),
            (State::Size(size, _) | State::Extension(size), b'\r') => State::SizeEnd(size),
            // A bare LF ends no line here: what another reader takes it for is not to be guessed.
            (State::Extension(_), b'\n' | 0) => return Err(MALFORMED),
            (State::Extension(size), _) => {
                self.extensions += 1;
                if self.extensions > limits.head {
                    return Err(DecodeError::TooLarge(Limit::Head));
                }
                State::Extension(size)
            }
            (State::SizeEnd(size), b'\n') => {
                self.line = 0;
                match usize::try_from(size) {
                    Ok(0) => State::Trailers,
                    Ok(size) if size <= limits.body.saturating_sub(body) => State::Data(size),
                    _ => return Err(DecodeError::TooLarge(Limit::Body)),
                }
            }
            _ => return Err(MALFORMED),
        };
        Ok(())
    }

    /// Trailers are read to know that they are ones, and not kept.
    fn check_trailers(&self, limits: &Limits) -> Result<(), DecodeError> {
        let mut fields = vec![httparse::EMPTY_HEADER; limits.headers];
        match httparse::parse_headers(self.trailers.bytes(), &mut fields) {
            Ok(httparse::Status::Complete(_)) => Ok(()),
            Err(httparse::Error::TooManyHeaders) => Err(DecodeError::TooLarge(Limit::Headers)),
            _ => Err(DecodeError::Malformed("a trailer")),
        }
    }
}
