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
    is_ignored_in(&status, signal)
}

/// Whether the process with this `/proc/<id>/status` ignores a signal.
#[cfg(unix)]
fn is_ignored_in(status: &str, signal: tokio::signal::unix::SignalKind) -> bool {
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

#[cfg(all(test, unix))]
mod tests {
    use tokio::signal::unix::SignalKind;

    use super::*;

    #[test]
    fn the_mask_has_a_bit_for_each_ignored_signal() {
        let some = "Name:\tnohup\nSigBlk:\t0000000000000002\nSigIgn:\t8000000000001001\n\
                    SigCgt:\t0000000000004000\n";
        let cases = [
            (some, 1, true),
            (some, 2, false),
            (some, 12, false),
            (some, 13, true),
            (some, 14, false),
            (some, 15, false),
            (some, 64, true),
            (some, 65, false),
            (some, 0, false),
            ("SigIgn:\tunknown\n", 1, false),
            ("", 1, false),
        ];
        for (status, signal, expected) in cases {
            let found = is_ignored_in(status, SignalKind::from_raw(signal));
            assert_eq!(found, expected, "{signal} in {status:?}");
        }
    }

    /// Every Rust program ignores SIGPIPE from its start, and none can ignore SIGKILL (9).
    #[cfg(target_os = "linux")]
    #[test]
    fn a_broken_pipe_is_ignored_and_a_kill_is_not() {
        assert!(is_ignored(SignalKind::pipe()));
        assert!(!is_ignored(SignalKind::from_raw(9)));
    }
}
