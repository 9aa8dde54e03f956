//! smol, as the async client needs it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lp_connector_async::{Runtime, SockRef, Spawn};
use smol::net::TcpStream;

/// smol.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Smol;

impl Runtime for Smol {
    type Stream = TcpStream;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        smol::net::resolve((host, port)).await
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(address).await
    }

    fn socket(stream: &TcpStream) -> SockRef<'_> {
        stream.into()
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
