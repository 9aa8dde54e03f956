//! Runs a command with the variables of a sandbox.

use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitStatus};

use super::settings::Settings;
use crate::failure::Failure;

/// Runs a command until it ends. Its exit status is that of the failure, unless it is 0.
pub(super) fn run(command: &[OsString], settings: &Settings) -> Result<(), Failure> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let mut child = Command::new(program);
    // Another profile would take the place of the variables.
    child.args(arguments).env_remove("LP_PROFILE").env_remove("LP_CA_FILE");
    for (name, value) in settings.variables()? {
        child.env(name, value.expose());
    }
    let ended = wait(child).map_err(|error| {
        let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        let program = program.to_string_lossy();
        Failure::Command { code, reason: Some(format!("cannot run {program}: {error}")) }
    })?;
    match exit_code(ended) {
        0 => Ok(()),
        code => Err(Failure::Command { code, reason: None }),
    }
}

/// The exit status as a shell tells it: 128 and the signal's number for a command that a signal has ended.
#[cfg(unix)]
fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(not(unix))]
fn exit_code(status: ExitStatus) -> u8 {
    status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1))
}

/// Waits for the command. It gets the signals that would end this program.
#[cfg(unix)]
fn wait(command: Command) -> io::Result<ExitStatus> {
    use rustix::process::{Pid, Signal, kill_process};
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut child = tokio::process::Command::from(command).spawn()?;
        loop {
            // A terminal sends these two to both programs.
            let both = in_foreground();
            let sent = tokio::select! {
                ended = child.wait() => return ended,
                _ = interrupt.recv() => (!both).then_some(Signal::INT),
                _ = quit.recv() => (!both).then_some(Signal::QUIT),
                _ = terminate.recv() => Some(Signal::TERM),
                _ = hangup.recv() => Some(Signal::HUP),
            };
            let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
            if let (Some(id), Some(sent)) = (id, sent) {
                // It may have ended just now.
                let _ = kill_process(id, sent);
            }
        }
    })
}

/// Whether this program is in the foreground of its terminal.
#[cfg(unix)]
fn in_foreground() -> bool {
    let terminal = rustix::termios::tcgetpgrp(io::stdin());
    terminal.is_ok_and(|group| group == rustix::process::getpgrp())
}

#[cfg(not(unix))]
fn wait(mut command: Command) -> io::Result<ExitStatus> {
    command.status()
}
