//! A router on a socket, with limits, and a graceful end.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// The most connections at a time; further ones wait to be accepted.
pub const MAX_CONNECTIONS: usize = 1024;

/// How long a request's head may take to come, and how long a connection may say nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest head.
const MAX_HEAD: usize = 64 * 1024;

/// How long what is under way may take to end, once it is time to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves `router` over HTTP/1.1 until `stop` comes true; then takes no new connection, lets what is
/// under way end (for 10 s at the most), and returns. With [`Webhooks`](crate::Webhooks), all that was
/// answered 200 is then in the queue, which ends after it.
///
/// A connection whose request's head takes longer than 10 s, or more than 64 KiB, is closed; bodies are
/// limited by the router.
///
/// # Errors
/// None at present: a connection that fails, or cannot be accepted, concerns nobody else.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let permit = tokio::select! {
            permit = room.clone().acquire_owned() => permit,
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, most likely: give others time to close.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _permit = permit;
            // Whatever ends a connection ends it for its sender alone.
            let _ = connection.await;
        });
    }
    drop((listener, router));
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await;
    Ok(())
}
