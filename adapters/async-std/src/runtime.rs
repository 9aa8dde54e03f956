//! What a runtime has to offer: connections and sleep.

use std::future::Future;
use std::io;
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite};

/// A runtime with `futures-io` streams.
///
/// ```
/// use std::{future::Future, io, time::Duration};
/// use lp_connector_async_std::Runtime;
///
/// struct Smol;
///
/// impl Runtime for Smol {
///     type Stream = smol::net::TcpStream;
///
///     async fn connect(&self, host: &str, port: u16) -> io::Result<Self::Stream> {
///         smol::net::TcpStream::connect((host, port)).await
///     }
///
///     async fn sleep(&self, time: Duration) {
///         smol::Timer::after(time).await;
///     }
/// }
/// ```
pub trait Runtime: Send + Sync + 'static {
    /// A TCP connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Resolves `host` and connects to the first of its addresses that lets itself be connected to.
    fn connect(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Waits for so long.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
}

/// async-std, which is no longer maintained upstream.
#[cfg(feature = "async-std")]
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct AsyncStd;

#[cfg(feature = "async-std")]
impl Runtime for AsyncStd {
    type Stream = async_std::net::TcpStream;

    async fn connect(&self, host: &str, port: u16) -> io::Result<Self::Stream> {
        let stream = async_std::net::TcpStream::connect((host, port)).await?;
        // Whole requests are written at once: there is nothing to wait for.
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn sleep(&self, time: Duration) {
        async_std::task::sleep(time).await;
    }
}
