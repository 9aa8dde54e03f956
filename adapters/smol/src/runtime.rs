//! smol, as the async client needs it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lp_connector_async::{AsyncIoStream, Runtime, SockRef, Spawn};

/// smol.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Smol;

impl Runtime for Smol {
    type Stream = AsyncIoStream;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        smol::net::resolve((host, port)).await
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<AsyncIoStream> {
        AsyncIoStream::connect(address).await
    }

    fn socket(stream: &AsyncIoStream) -> SockRef<'_> {
        stream.socket()
    }

    async fn sleep(&self, time: Duration) {
        smol::Timer::after(time).await;
    }

    fn has_global_timers(&self) -> bool {
        true
    }
}

impl Spawn for Smol {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(task).detach();
    }
}
