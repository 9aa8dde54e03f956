//! A connection: the check before it is used again, and one exchange on it.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::client::TlsStream;
use lp_connector_core::connector::{Failure, FailureKind};
use lp_connector_core::http1::{Decoded, Decoder, Progress};
use lp_connector_tls::{is_closed_by_peer, response_failure};

use crate::Runtime;
use crate::record_stream::RecordStream;

/// How much is read at once.
const BUFFER: usize = 8 * 1024;

/// The most that one TLS record holds (RFC 8446, 5.1).
const RECORD: usize = 16 * 1024;

/// A connection that is ready for a request.
pub(crate) struct Connection<R: Runtime> {
    stream: Stream<R::Stream>,
    buffer: Box<[u8]>,
    /// No response has come on it yet.
    is_new: bool,
}

enum Stream<S> {
    Plain(S),
    Tls(Box<TlsStream<RecordStream<S>>>),
}

/// What can be read from a socket now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unread {
    /// Nothing, and the connection is open.
    Nothing,
    /// At least one byte.
    Bytes,
    /// The end, or an error.
    Closed,
}

impl<R: Runtime> Connection<R> {
    pub(crate) fn plain(stream: R::Stream) -> Self {
        Self::new(Stream::Plain(stream))
    }

    pub(crate) fn tls(mut stream: TlsStream<RecordStream<R::Stream>>) -> Self {
        stream.get_mut().0.end_handshake();
        Self::new(Stream::Tls(Box::new(stream)))
    }

    fn new(stream: Stream<R::Stream>) -> Self {
        Self { stream, buffer: vec![0; BUFFER].into(), is_new: true }
    }

    /// True if the peer has closed this idle connection, or has sent something on it.
    ///
    /// TLS itself may send session tickets and the like: TLS takes these in, and they do not count. If
    /// the runtime does not know yet that there are bytes in the socket, this waits until it does.
    pub(crate) async fn is_stale(&mut self) -> bool {
        let tls = match &mut self.stream {
            Stream::Plain(stream) => return unread::<R>(stream) != Unread::Nothing,
            Stream::Tls(tls) => tls,
        };
        poll_fn(|context| {
            let mut byte = [0; 1];
            // No request is under way: whatever is read (data, the end, an error) is unsolicited.
            if Pin::new(&mut **tls).poll_read(context, &mut byte).is_ready() {
                return Poll::Ready(true);
            }
            let under = tls.get_ref().0;
            match unread::<R>(under.stream()) {
                // Part of a record may be the beginning of a response.
                Unread::Nothing => Poll::Ready(!under.records().are_whole()),
                Unread::Closed => Poll::Ready(true),
                // The read above has asked the runtime to wake this task.
                Unread::Bytes => Poll::Pending,
            }
        })
        .await
    }

    /// Writes a request, reads the response, and notes when the first of the request may have left.
    pub(crate) async fn exchange(
        &mut self,
        request: &[u8],
        decoder: Decoder,
        request_left: &AtomicBool,
    ) -> Result<Decoded, Failure> {
        let Err(error) = self.write(request, request_left).await else {
            return self.read(decoder).await;
        };
        let left = request_left.load(Ordering::Relaxed);
        if is_closed_by_peer(&error) {
            // It may have responded to what it has read, or said that it accepts no such client.
            match self.read(decoder).await {
                Ok(mut decoded) if left => {
                    decoded.reusable = false;
                    return Ok(decoded);
                }
                Err(failure) if failure.kind() == FailureKind::ClientCertificate => {
                    return Err(failure);
                }
                _ => {}
            }
        }
        let failed = match left {
            true => Failure::answer_lost(FailureKind::Broken),
            false => Failure::never_sent(FailureKind::Broken),
        };
        Err(failed.with_source(error))
    }

    async fn write(&mut self, request: &[u8], request_left: &AtomicBool) -> io::Result<()> {
        // The peer cannot read a record of which a part is missing; a longer request takes several records.
        let several_records = matches!(self.stream, Stream::Tls(_)) && request.len() > RECORD;
        request_left.store(several_records, Ordering::Relaxed);
        write_all(&mut self.stream, request, request_left).await
    }

    /// Reads until the response is whole.
    async fn read(&mut self, mut decoder: Decoder) -> Result<Decoded, Failure> {
        loop {
            let read = read(&mut self.stream, &mut self.buffer).await;
            let read =
                read.map_err(|error| response_failure(&error, self.is_new).with_source(error))?;
            let progress = match self.buffer.get(..read).unwrap_or_default() {
                [] => decoder.finish().map(Progress::Done),
                bytes => decoder.feed(bytes),
            };
            match progress {
                Ok(Progress::More) => {}
                Ok(Progress::Done(decoded)) => {
                    self.is_new = false;
                    return Ok(decoded);
                }
                Err(error) => {
                    return Err(Failure::answer_lost(error.into()).with_source(error));
                }
            }
        }
    }
}

impl<R: Runtime> fmt::Debug for Connection<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The buffer holds what was read last.
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// Asks the operating system: what the runtime knows of a socket is old if it was not driven since.
fn unread<R: Runtime>(stream: &R::Stream) -> Unread {
    match R::socket(stream).peek(&mut [MaybeUninit::uninit()]) {
        Ok(0) => Unread::Closed,
        Ok(_) => Unread::Bytes,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Unread::Nothing,
        Err(_) => Unread::Closed,
    }
}

pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut [u8],
) -> io::Result<usize> {
    poll_fn(|context| Pin::new(&mut *stream).poll_read(context, buffer)).await
}

pub(crate) async fn write_all(
    stream: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
    first_left: &AtomicBool,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|context| Pin::new(&mut *stream).poll_write(context, bytes)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        first_left.store(true, Ordering::Relaxed);
        bytes = bytes.get(written..).unwrap_or_default();
    }
    poll_fn(|context| Pin::new(&mut *stream).poll_flush(context)).await
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_close(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_close(context),
        }
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
