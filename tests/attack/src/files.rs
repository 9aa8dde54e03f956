//! File descriptors: the attacker needs more than the endpoint has.

use std::io;
use std::process::{Child, Command};

/// The file descriptors of an endpoint: a usual limit.
const OF_ENDPOINT: u64 = 1024;

/// The descriptors that this program needs besides the attackers'.
const OWN: u64 = 256;

/// How many of these connections this process can open, after it has raised its own limit.
pub(crate) fn affordable(connections: usize) -> usize {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OWN);
    if limit().is_some_and(|limit| limit < wanted) {
        set(wanted);
    }
    let limit = limit().unwrap_or(u64::MAX);
    let room = usize::try_from(limit.saturating_sub(OWN)).unwrap_or(usize::MAX);
    if room < connections {
        eprintln!(
            "`ulimit -n` allows only {limit} files: {room} connections instead of {connections}"
        );
    }
    room.min(connections)
}

/// Starts a process that has the usual number of descriptors.
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    // A child inherits the limit.
    let before = set(OF_ENDPOINT);
    let child = command.spawn();
    if let Some(before) = before {
        set(before);
    }
    child
}

/// The soft limit, if there is one.
#[cfg(unix)]
fn limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Sets the soft limit, as far as the hard one allows. Returns what it was.
#[cfg(unix)]
fn set(wanted: u64) -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(wanted, |hard| wanted.min(hard));
    // Refused, it stays as it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    current
}

#[cfg(not(unix))]
fn limit() -> Option<u64> {
    None
}

#[cfg(not(unix))]
fn set(_: u64) -> Option<u64> {
    None
}
