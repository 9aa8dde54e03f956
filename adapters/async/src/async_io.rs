//! A TCP connection on the reactor of async-io, which smol and async-std share.

use std::io;
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_io::Async;
use futures_io::{AsyncRead, AsyncWrite};
use socket2::SockRef;

/// A TCP connection for a [`Runtime`](crate::Runtime) that is built on async-io.
///
/// The connections of smol and async-std try to read twice before they wait. Right after a request there is seldom
/// anything to read: this one waits first.
#[derive(Debug)]
pub struct AsyncIoStream {
    stream: Async<TcpStream>,
    /// Nothing was read since the last write.
    has_written: bool,
}

impl AsyncIoStream {
    /// Connects to one address.
    ///
    /// # Errors
    /// If nobody accepts.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: Async::<TcpStream>::connect(address).await?, has_written: false })
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> SockRef<'_> {
        self.stream.get_ref().into()
    }
}

impl AsyncRead for AsyncIoStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if mem::take(&mut self.has_written) {
            // What was read at the first try before leaves an event that the reactor remembers, and forgets when asked.
            // Bytes that are there already are an event too, at once.
            for _ in 0..2 {
                ready!(self.stream.poll_readable(context))?;
            }
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for AsyncIoStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.has_written = true;
        Poll::Ready(Ok(written))
    }

    /// TLS gives several records at once: they leave together.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, bytes))?;
        self.has_written = true;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.get_ref().shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
#[path = "async_io_tests.rs"]
mod tests;
