//! When to stop: the signals that end a server.

use std::future::Future;
use std::io;

/// Completes when the process receives SIGTERM, SIGINT (Ctrl-C), SIGQUIT, or SIGHUP (the terminal is
/// closed). For [`serve`](crate::serve).
///
/// The handlers are registered in this call, not at the first poll, so no later signal is missed. From
/// then on these signals no longer end the process: it ends when the program has drained its queue and
/// returns. On Linux, a SIGHUP that is ignored already, as under `nohup`, stays ignored. On systems other
/// than Unix it completes on Ctrl-C.
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
    let mut quit = signal(SignalKind::quit())?;
    let mut hangup = match is_ignored(SignalKind::hangup()) {
        true => None,
        false => Some(signal(SignalKind::hangup())?),
    };
    Ok(async move {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
            _ = hung_up => {}
        }
    })
}

/// Whether the process ignores a signal. False where the system does not tell.
#[cfg(unix)]
fn is_ignored(signal: tokio::signal::unix::SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let bit = u32::try_from(signal.as_raw_value() - 1).ok();
    mask.zip(bit).is_some_and(|(mask, bit)| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
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
