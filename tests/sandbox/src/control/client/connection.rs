//! One request over a connection of its own. It speaks HTTP/1.0, so that a body ends with the connection.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// How long it takes to connect, at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest line of a response's head, in bytes.
const MAX_LINE: u64 = 16 * 1024;

/// The most lines of a response's head.
const MAX_LINES: usize = 100;

/// The largest body, in bytes.
const MAX_BODY: u64 = 64 * 1024 * 1024;

/// A response whose body is to be read.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) status: u16,
    length: Option<u64>,
    stream: BufReader<TcpStream>,
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Connection {
    pub(super) fn open(
        target: (&str, u16),
        authority: &str,
        method: &str,
        path: &str,
        body: Option<(&str, &[u8])>,
        headers: &[(&str, &str)],
        silence: Duration,
    ) -> io::Result<Self> {
        let is_token = |text: &str| !text.bytes().any(|byte| byte <= b' ' || byte == 0x7f);
        let are_plain = headers.iter().all(|(name, value)| is_token(name) && is_token(value));
        if !is_token(method) || !is_token(path) || !are_plain {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path has no spaces"));
        }
        let mut last = invalid("the name has no address");
        let mut connected = None;
        for address in target.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    connected = Some(stream);
                    break;
                }
                Err(error) => last = error,
            }
        }
        let mut stream = connected.ok_or(last)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(silence))?;
        stream.set_write_timeout(Some(silence))?;
        let mut head = format!("{method} {path} HTTP/1.0\r\nhost: {authority}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let (kind, body) = body.unwrap_or_default();
        if !kind.is_empty() {
            head.push_str(&format!("content-type: {kind}\r\ncontent-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        // A refusal may come before the body has gone.
        let sent = stream.write_all(body);
        let mut stream = BufReader::new(stream);
        let line = line(&mut stream).map_err(|error| sent.err().unwrap_or(error))?;
        let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
        let status = status.and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| invalid("it does not speak HTTP"))?;
        let mut length = None;
        for _ in 0..MAX_LINES {
            let line = self::line(&mut stream)?;
            if line.is_empty() {
                return Ok(Self { status, length, stream });
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
        }
        Err(invalid("the response has too many headers"))
    }

    /// Reads the whole body.
    pub(super) fn body(self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        let mut limited = self.stream.take(self.length.unwrap_or(MAX_BODY).min(MAX_BODY));
        limited.read_to_end(&mut body)?;
        match self.length {
            Some(length) if length != body.len() as u64 => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the response is not whole"))
            }
            _ => Ok(body),
        }
    }

    /// Reads a line of the body, without its end; `None` at the end of the body.
    pub(super) fn body_line(&mut self) -> io::Result<Option<String>> {
        let mut bytes = Vec::new();
        let mut limited = (&mut self.stream).take(MAX_BODY);
        if limited.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        match bytes.pop() {
            Some(b'\n') => String::from_utf8(bytes).map(Some).map_err(|_| invalid("it is no text")),
            // It was cut.
            _ => Ok(None),
        }
    }
}

fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream.take(MAX_LINE).read_until(b'\n', &mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|_| invalid("it does not speak HTTP"))?;
    match text.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
        None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the response is not whole")),
    }
}
