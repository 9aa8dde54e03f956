//! What a runtime provides: name resolution, connections and sleep.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use socket2::SockRef;

/// A runtime, as far as a [`Client`](crate::Client) needs one.
///
/// ```
/// use std::net::SocketAddr;
/// use std::{io, time::Duration};
/// use lp_connector_async::{Runtime, SockRef};
///
/// #[derive(Default)]
/// struct Smol;
///
/// impl Runtime for Smol {
///     type Stream = smol::net::TcpStream;
///
///     async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
///         smol::net::resolve((host, port)).await
///     }
///
///     async fn connect(&self, address: SocketAddr) -> io::Result<Self::Stream> {
///         smol::net::TcpStream::connect(address).await
///     }
///
///     fn socket(stream: &Self::Stream) -> SockRef<'_> {
///         stream.into()
///     }
///
///     async fn sleep(&self, time: Duration) {
///         smol::Timer::after(time).await;
///     }
/// }
/// ```
pub trait Runtime: Send + Sync + 'static {
    /// A TCP connection that buffers nothing.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The addresses of `host`, in the order in which the system prefers them.
    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Connects to one address.
    fn connect(&self, address: SocketAddr)
    -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// The socket under a stream, which is in non-blocking mode. The client peeks at it before it uses a
    /// connection again: what a runtime knows of a socket is old if it was not driven since.
    fn socket(stream: &Self::Stream) -> SockRef<'_>;

    /// Waits for this time; for ever, if it is [`Duration::MAX`].
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;

    /// True if a sleep wakes who polled it last, whichever thread that was on and whatever its executor does since: where
    /// one reactor serves the process, as in smol. All attempts of a client then share one sleep, because each new one
    /// interrupts that reactor. False, unless a runtime says otherwise: each attempt has a sleep of its own.
    fn has_global_timers(&self) -> bool {
        false
    }
}

/// A runtime that runs tasks beside the one that starts them. A bridge needs it; a [`Client`](crate::Client)
/// does not.
pub trait Spawn: Runtime {
    /// Runs `task` to its end. Nothing waits for it.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
}
