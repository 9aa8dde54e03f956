//! The chunked transfer coding (RFC 9112, 7.1).

use super::head::{HeadBuffer, fields, unfolded};
use super::{DecodeError, Limit, Limits};

#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    /// Bytes of the current chunk-size line without its extension.
    line: usize,
    /// Bytes of all extensions so far. They are skipped as they come.
    extensions: usize,
    trailers: HeadBuffer,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// In the size: its value so far, or nothing before the first digit.
    Size(Option<u64>),
    /// After the size, in white space.
    SizeBlank(u64),
    /// After the size and a semicolon, in an extension.
    Extension(u64),
    /// After the CR of the chunk-size line.
    SizeEnd(u64),
    /// In the data: the bytes that remain.
    Data(usize),
    /// After the data, before its CR.
    DataCr,
    /// After the data and its CR, before the LF.
    DataLf,
    Trailers,
}

const MALFORMED: DecodeError = DecodeError::Malformed("invalid chunk");

impl Chunked {
    pub(super) fn new() -> Self {
        Self { state: State::Size(None), line: 0, extensions: 0, trailers: HeadBuffer::default() }
    }

    /// Decodes bytes into `body`. Returns how many it consumed, and whether the body is complete.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        body: &mut Vec<u8>,
        limits: &Limits,
    ) -> Result<(usize, bool), DecodeError> {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            match self.state {
                State::Data(left) => {
                    let (data, after) = rest.split_at(left.min(rest.len()));
                    body.extend_from_slice(data);
                    rest = after;
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
                State::DataLf if byte == b'\n' => self.state = State::Size(None),
                State::DataCr | State::DataLf => return Err(MALFORMED),
                State::Size(_) | State::SizeBlank(_) | State::Extension(_) | State::SizeEnd(_) => {
                    self.size_line(byte, body.len(), limits)?;
                }
            }
            rest = after;
        }
        Ok((bytes.len(), false))
    }

    /// Reads one byte of a chunk-size line.
    fn size_line(&mut self, byte: u8, body: usize, limits: &Limits) -> Result<(), DecodeError> {
        // An extension is skipped, and has a limit of its own.
        if byte == b'\r' || !matches!(self.state, State::Extension(_)) {
            self.line += 1;
        }
        if self.line > limits.chunk_line {
            return Err(DecodeError::TooLarge(Limit::ChunkLine));
        }
        self.state = match (self.state, byte) {
            (State::Size(size), _) if byte.is_ascii_hexdigit() => {
                let size = size.unwrap_or_default();
                // A digit more would shift the first one out. Zeros in front shift nothing.
                if size >> 60 != 0 {
                    return Err(DecodeError::TooLarge(Limit::Body));
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                State::Size(Some(size << 4 | u64::from(digit)))
            }
            (State::Size(Some(size)) | State::SizeBlank(size), b';') => State::Extension(size),
            (State::Size(Some(size)) | State::SizeBlank(size), b' ' | b'\t') => {
                State::SizeBlank(size)
            }
            (State::Size(Some(size)) | State::SizeBlank(size) | State::Extension(size), b'\r') => {
                State::SizeEnd(size)
            }
            // A bare LF does not end this line: readers that disagree about it could be made to see
            // different bodies.
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

    /// Whether the body is complete although the connection has closed: the last chunk has come, and only
    /// the end of the trailers is missing (RFC 9112, 8).
    pub(super) fn may_end(&self) -> bool {
        self.state == State::Trailers && self.trailers.is_empty()
    }

    /// Whether every reader finds the same end. Some end the trailers with CRLF alone, and so after more bytes where
    /// a line ends with a bare LF.
    pub(super) fn ends_clearly(&self) -> bool {
        let bare = |line: &[u8]| line.ends_with(b"\n") && !line.ends_with(b"\r\n");
        !self.trailers.bytes().split_inclusive(|byte| *byte == b'\n').any(bare)
    }

    /// Checks that the trailers are valid, and drops them.
    fn check_trailers(&self, limits: &Limits) -> Result<(), DecodeError> {
        let trailers = &*unfolded(self.trailers.bytes(), 1);
        let mut fields = fields(trailers, limits);
        match httparse::parse_headers(trailers, &mut fields) {
            Ok(httparse::Status::Complete(_)) => Ok(()),
            Err(httparse::Error::TooManyHeaders) => Err(DecodeError::TooLarge(Limit::Headers)),
            _ => Err(DecodeError::Malformed("invalid trailer")),
        }
    }
}
