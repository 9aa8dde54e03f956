//! The stream under TLS, and whether a record has arrived in part.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use lp_connector_tls::{Records, is_closed_by_peer};

/// A stream, and the records that were read from it.
#[derive(Debug)]
pub(crate) struct RecordStream<S> {
    stream: S,
    records: Records,
    /// A server may refuse a client and close before it has read all of the client's part of the handshake.
    /// Until the handshake is over, a write that fails for that reason seems to succeed: TLS then reads on,
    /// and finds the alert that says why.
    handshake: bool,
}

impl<S> RecordStream<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, records: Records::new(), handshake: true }
    }

    pub(crate) fn end_handshake(&mut self) {
        self.handshake = false;
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    pub(crate) fn records(&self) -> &Records {
        &self.records
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RecordStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.records.pass(buffer.get(..read).unwrap_or_default());
        Poll::Ready(Ok(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RecordStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.stream).poll_write(context, bytes)) {
            Err(error) if self.handshake && is_closed_by_peer(&error) => {
                Poll::Ready(Ok(bytes.len()))
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.stream).poll_write_vectored(context, bytes)) {
            Err(error) if self.handshake && is_closed_by_peer(&error) => {
                Poll::Ready(Ok(bytes.iter().map(|bytes| bytes.len()).sum()))
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::task::Waker;

    use super::*;

    /// Takes everything at once, or nothing any more.
    struct Peer {
        is_gone: bool,
    }

    impl Peer {
        fn take(&self, bytes: usize) -> Poll<io::Result<usize>> {
            Poll::Ready(match self.is_gone {
                true => Err(io::ErrorKind::BrokenPipe.into()),
                false => Ok(bytes),
            })
        }
    }

    impl AsyncWrite for Peer {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.take(bytes.len())
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.take(bytes.iter().map(|bytes| bytes.len()).sum())
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.take(0).map_ok(|_| ())
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.take(0).map_ok(|_| ())
        }
    }

    /// How many bytes of two records of 3 and 4 bytes leave in one call.
    fn written(stream: &mut RecordStream<Peer>) -> Option<usize> {
        let records = [IoSlice::new(b"Coo"), IoSlice::new(b"Coo?")];
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(stream).poll_write_vectored(&mut context, &records) {
            Poll::Ready(written) => written.ok(),
            Poll::Pending => None,
        }
    }

    /// The same for one record of 3 bytes.
    fn one_written(stream: &mut RecordStream<Peer>) -> Option<usize> {
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(stream).poll_write(&mut context, b"Coo") {
            Poll::Ready(written) => written.ok(),
            Poll::Pending => None,
        }
    }

    #[test]
    fn several_records_leave_in_one_call_under_tls() {
        assert_eq!(written(&mut RecordStream::new(Peer { is_gone: false })), Some(7));
    }

    #[test]
    fn a_handshake_reads_on_after_a_write_that_fails() {
        let mut stream = RecordStream::new(Peer { is_gone: true });
        assert_eq!((written(&mut stream), one_written(&mut stream)), (Some(7), Some(3)));
        stream.end_handshake();
        assert_eq!((written(&mut stream), one_written(&mut stream)), (None, None));
    }

    #[test]
    fn flush_and_close_reach_the_stream_under_tls() {
        let mut context = Context::from_waker(Waker::noop());
        for is_gone in [false, true] {
            let mut stream = RecordStream::new(Peer { is_gone });
            let flushed = Pin::new(&mut stream).poll_flush(&mut context);
            let closed = Pin::new(&mut stream).poll_close(&mut context);
            for done in [flushed, closed] {
                assert_eq!(matches!(done, Poll::Ready(Err(_))), is_gone, "{done:?}");
            }
        }
    }
}
