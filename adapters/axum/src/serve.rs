//! Serves a router on a socket, with limits and a graceful shutdown.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// The most connections at a time. Further ones wait to be accepted.
pub const MAX_CONNECTIONS: usize = 1024;

/// How long a request's head may take to arrive, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest head, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// How long requests under way may take after the stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The lifetime of a connection, which bounds a client that reads no answer.
const LIFE: Duration = Duration::from_secs(300);

/// Serves `router` over HTTP/1.1 until `stop` completes. Then it accepts no more connections, answers
/// the requests under way (for at most 10 s), and returns. `stop` may be a
/// [`shutdown_signal`](crate::shutdown_signal).
///
/// When it returns, every notification that was answered 200 is in the queue of
/// [`Webhooks`](crate::Webhooks), which ends after the last one.
///
/// It closes a connection whose request head takes longer than 10 s or more than 64 KiB. The router
/// limits bodies. After 5 minutes a connection ends with the request under way, and within 10 s.
///
/// # Errors
/// None at present. A connection that fails, or cannot be accepted, does not affect others.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
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
            // Probably out of file descriptors: give other connections time to close.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (router, mut stopped) = (router.clone(), stopped.clone());
        connections.spawn(async move {
            let _permit = permit;
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
            let mut connection = pin!(connection);
            // An error ends this connection only.
            tokio::select! {
                _ = connection.as_mut() => return,
                // An error, because the watch's sender was dropped, is the sign to stop.
                _ = stopped.changed() => {}
                () = tokio::time::sleep(LIFE) => {}
            }
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(DRAIN_TIMEOUT, connection).await;
        });
        while connections.try_join_next().is_some() {}
    }
    drop((listener, router, stopping));
    // Each connection ends within its own time-out.
    while connections.join_next().await.is_some() {}
    Ok(())
}
