//! A router on a socket, with limits, and a graceful end.

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

/// The most connections at a time; further ones wait to be accepted.
pub const MAX_CONNECTIONS: usize = 1024;

/// How long a request's head may take to come, and how long a connection may say nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest head.
const MAX_HEAD: usize = 64 * 1024;

/// How long what is under way may take to end, once it is time to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is kept before it is asked to end: a bound for those that take no answer.
const LIFE: Duration = Duration::from_secs(300);

/// Serves `router` over HTTP/1.1 until `stop` comes true; then takes no new connection, lets what is
/// under way end (for 10 s at the most), and returns. With [`Webhooks`](crate::Webhooks), all that was
/// answered 200 is then in the queue, which ends after it.
///
/// A connection whose request's head takes longer than 10 s, or more than 64 KiB, is closed; bodies are
/// limited by the router. After 5 minutes a connection ends with the answer that is under way, and
/// within 10 s.
///
/// # Errors
/// None at present: a connection that fails, or cannot be accepted, concerns nobody else.
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
            // Out of descriptors, most likely: give others time to close.
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
            // Whatever ends a connection ends it for its sender alone.
            tokio::select! {
                _ = connection.as_mut() => return,
                // It ends with an error when the sender is gone: that is the sign.
                _ = stopped.changed() => {}
                () = tokio::time::sleep(LIFE) => {}
            }
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(DRAIN_TIMEOUT, connection).await;
        });
        while connections.try_join_next().is_some() {}
    }
    drop((listener, router, stopping));
    // Each ends by itself within its time.
    while connections.join_next().await.is_some() {}
    Ok(())
}
