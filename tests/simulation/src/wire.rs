//! Responses as bytes: through the core's own HTTP/1.1 codec and pool, as an adapter uses them, over
//! connections that break and that carry stray bytes.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, Uri};
use lp_connector_core::connector::Outcome;
use lp_connector_core::http1::{Acquired, Decoded, Decoder, Limits, Pool, Progress};
use lp_connector_core::time::Mono;

use crate::network::{NetworkFault, response_lost};

/// An unsolicited response that looks like one to a message.
const STRAY_RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 36\r\n\r\n\
    {\"code\":\"OK\",\"body\":{\"sequence\":4711}}";

/// The connections of one process.
#[derive(Debug)]
pub(crate) struct Wire {
    idle: Pool<Connection>,
    /// How many connections were opened.
    pub(crate) opened: u64,
}

/// A connection, with the bytes that have arrived on it.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// Bytes that were read together with the last response.
    pending: Vec<u8>,
    /// Bytes arrived after the last response; an adapter checks for them before it reuses a connection.
    has_unread_bytes: bool,
}

/// A response after its transmission.
pub(crate) struct Transmitted {
    pub(crate) outcome: Outcome,
    /// False if it differs from the response that the cloud gave.
    pub(crate) is_faithful: bool,
}

impl Wire {
    pub(crate) fn new() -> Self {
        // Unbounded: the number of concurrent calls is the limit.
        Self { idle: Pool::new(usize::MAX, Duration::from_secs(15)), opened: 0 }
    }

    pub(crate) fn connection(&mut self, origin: &str, now: Mono) -> Connection {
        let origin = uri(origin);
        let mut found = match self.idle.acquire(&origin, now) {
            Acquired::Idle(idle) => Some(idle),
            _ => None,
        };
        while let Some(idle) = found {
            if !idle.has_unread_bytes {
                return idle;
            }
            found = self.idle.next_idle(&origin, now);
        }
        self.opened += 1;
        Connection::default()
    }

    /// Transmits a response over this connection, in an encoding and in pieces derived from `mix`.
    pub(crate) fn transmit(
        &mut self,
        (origin, mut connection): (&str, Connection),
        answer: &Response<Vec<u8>>,
        fault: NetworkFault,
        mix: u64,
        now: Mono,
    ) -> Transmitted {
        let mut bytes = std::mem::take(&mut connection.pending);
        let before = bytes.len();
        write(answer, mix.is_multiple_of(3), &mut bytes);
        match fault {
            NetworkFault::StrayBytes => bytes.extend_from_slice(STRAY_RESPONSE),
            NetworkFault::Truncated(share) => {
                let whole = bytes.len() - before;
                bytes.truncate(before + whole * usize::from(share.min(999)) / 1000);
            }
            _ => {}
        }
        let same = |response: &Response<Bytes>| {
            response.status() == answer.status() && response.body() == answer.body()
        };
        let mut decoder = Decoder::new(&Method::POST, Limits::new());
        let mut fed = 0;
        for piece in bytes.chunks(1 + (mix >> 8) as usize % 700) {
            fed += piece.len();
            match decoder.feed(piece) {
                Ok(Progress::More) => {}
                Ok(Progress::Done(decoded)) => {
                    let Decoded { response, reusable, leftover, .. } = decoded;
                    if reusable {
                        // Bytes that came with it stay on the connection for its next user.
                        connection.has_unread_bytes = fed < bytes.len();
                        connection.pending = bytes.drain(..fed).skip(fed - leftover).collect();
                        self.idle.release(&uri(origin), connection, now);
                    }
                    let is_faithful = same(&response);
                    return Transmitted { outcome: Outcome::Response(response), is_faithful };
                }
                Err(_) => return Transmitted { outcome: response_lost(), is_faithful: true },
            }
        }
        // The connection has closed: a response is complete if its last chunk has come.
        match decoder.finish() {
            Ok(Decoded { response, reusable, .. }) => {
                let is_faithful = same(&response) && !reusable;
                Transmitted { outcome: Outcome::Response(response), is_faithful }
            }
            Err(_) => Transmitted { outcome: response_lost(), is_faithful: true },
        }
    }
}

fn uri(origin: &str) -> Uri {
    origin.parse().unwrap_or_default()
}

/// Writes a response as a server does.
fn write(answer: &Response<Vec<u8>>, chunked: bool, to: &mut Vec<u8>) {
    to.extend_from_slice(b"HTTP/1.1 ");
    to.extend_from_slice(answer.status().as_str().as_bytes());
    to.extend_from_slice(b" \r\n");
    for (name, value) in answer.headers() {
        if *name != http::header::CONTENT_LENGTH {
            to.extend_from_slice(name.as_str().as_bytes());
            to.extend_from_slice(b": ");
            to.extend_from_slice(value.as_bytes());
            to.extend_from_slice(b"\r\n");
        }
    }
    let body = answer.body();
    if chunked {
        to.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        for chunk in body.chunks(100) {
            to.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            to.extend_from_slice(chunk);
            to.extend_from_slice(b"\r\n");
        }
        to.extend_from_slice(b"0\r\n\r\n");
    } else {
        to.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        to.extend_from_slice(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stray_response_is_never_taken_for_an_answer() {
        let mut wire = Wire::new();
        let answer = |body: &str| Response::new(body.as_bytes().to_vec());
        for mix in 0..3000 {
            let first = wire.connection("https://a", Mono::ZERO);
            let one = wire.transmit(
                ("https://a", first),
                &answer("{\"n\":1}"),
                NetworkFault::StrayBytes,
                mix,
                Mono::ZERO,
            );
            assert!(one.is_faithful);
            let second = wire.connection("https://a", Mono::ZERO);
            let two = wire.transmit(
                ("https://a", second),
                &answer("{\"n\":2}"),
                NetworkFault::None,
                mix,
                Mono::ZERO,
            );
            assert!(two.is_faithful);
            assert!(matches!(two.outcome, Outcome::Response(_)));
        }
    }

    #[test]
    fn a_truncated_response_is_a_failure() {
        let mut wire = Wire::new();
        let answer = Response::new(b"{\"n\":1}".to_vec());
        for share in 0..1000 {
            let connection = wire.connection("https://a", Mono::ZERO);
            let fault = NetworkFault::Truncated(share);
            let cut = wire.transmit(
                ("https://a", connection),
                &answer,
                fault,
                u64::from(share) << 8,
                Mono::ZERO,
            );
            // But for the very end of a chunked one: the empty line after the trailers.
            let mut bytes = Vec::new();
            let chunked = share % 3 == 0;
            write(&answer, chunked, &mut bytes);
            let missing = bytes.len() - bytes.len() * usize::from(share) / 1000;
            let only_end_missing = chunked && missing == 2;
            assert_eq!(matches!(cut.outcome, Outcome::Response(_)), only_end_missing, "{share}");
            assert!(cut.is_faithful);
        }
        assert_eq!(wire.opened, 1000, "a broken connection is not used again");
    }
}
