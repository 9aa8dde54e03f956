//! async-std, as the async client needs it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_std::net::ToSocketAddrs as _;
use lp_connector_async::{AsyncIoStream, Runtime, SockRef, Spawn};

/// async-std, which is no longer maintained upstream.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    type Stream = AsyncIoStream;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok((host, port).to_socket_addrs().await?.collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<AsyncIoStream> {
        AsyncIoStream::connect(address).await
    }

    fn socket(stream: &AsyncIoStream) -> SockRef<'_> {
        stream.socket()
    }

    async fn sleep(&self, time: Duration) {
        async_std::task::sleep(time).await;
    }

    fn has_global_timers(&self) -> bool {
        true
    }
}

impl Spawn for AsyncStd {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(async_std::task::spawn(task));
    }
}
