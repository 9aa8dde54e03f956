//! When to stop: the signals that end a server.

use std::future::Future;
use std::io;

/// Completes when the process receives SIGTERM, or SIGINT (Ctrl-C). For [`serve`](crate::serve).
///
/// The handlers are registered in this call, not at the first poll, so no later signal is missed. From
/// then on these signals no longer end the process: it ends when the program has drained its queue and
/// returns. On systems other than Unix it completes on Ctrl-C.
///
/// # Errors
/// The system refuses to register a handler.
///
/// # Panics
/// Outside a tokio runtime with IO enabled.
#[cfg(unix)]
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Completes on Ctrl-C. For [`serve`](crate::serve).
///
/// # Errors
/// None on this system.
#[cfg(not(unix))]
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()> + Send> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
