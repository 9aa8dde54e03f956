//! The store is out of order for a while: another program keeps its lock, or its disk is full.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use crate::ChaosError;

/// How the store is out of order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OutageKind {
    Locked,
    Full,
    /// The server does not run.
    Stopped,
}

/// What was answered meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// Odd while the store is out of order.
    state: AtomicU64,
    /// Answers to requests that began and ended meanwhile.
    pub(crate) successes: AtomicU64,
    pub(crate) unavailable: AtomicU64,
    /// The connection failed, or no answer came in time.
    pub(crate) silent: AtomicU64,
    pub(crate) others: AtomicU64,
    /// Requests that were answered 503 at any time.
    pub(crate) all_unavailable: AtomicU64,
}

/// A request is being made. It holds what the state was before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked(u64);

impl Outage {
    pub(crate) fn asked(&self) -> Asked {
        Asked(self.state.load(Ordering::SeqCst))
    }

    /// Counts an answer, or that there was none, if the store was out of order all the time.
    pub(crate) fn answered(&self, Asked(before): Asked, status: Option<u16>) {
        if status == Some(503) {
            self.all_unavailable.fetch_add(1, Ordering::SeqCst);
        }
        if before % 2 == 0 || before != self.state.load(Ordering::SeqCst) {
            return;
        }
        let counter = match status {
            Some(200 | 202) => &self.successes,
            Some(503) => &self.unavailable,
            None => &self.silent,
            Some(_) => &self.others,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    /// Puts the store out of order for this long.
    pub(crate) fn happen(
        &self,
        kind: OutageKind,
        store: &Path,
        time: Duration,
    ) -> Result<(), ChaosError> {
        match kind {
            OutageKind::Locked => {
                let mut connection = Connection::open(store)?;
                connection.busy_timeout(Duration::from_secs(30))?;
                let lock = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                self.last(time);
                lock.rollback()?;
            }
            OutageKind::Stopped => return Err("there is no server to stop".into()),
            OutageKind::Full => {
                let filler = store.with_extension("filler");
                fill(&filler);
                self.last(time);
                std::fs::remove_file(filler)?;
            }
        }
        Ok(())
    }

    /// The store is out of order from now on, for this long.
    pub(crate) fn last(&self, time: Duration) {
        self.state.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(time);
        self.state.fetch_add(1, Ordering::SeqCst);
    }

    /// True if 503 was answered, and nothing that must not be. On a full disk, what still fits may be taken.
    pub(crate) fn is_good(&self, kind: OutageKind) -> bool {
        let taken = self.successes.load(Ordering::SeqCst);
        let refused = self.unavailable.load(Ordering::SeqCst);
        self.others.load(Ordering::SeqCst) == 0
            && refused > 0
            && (kind == OutageKind::Full || taken == 0)
    }
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    if let Ok(mut file) = File::create(path) {
        for size in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }
}

/// The arguments that make this program run again with a small disk of its own.
pub(crate) const SMALL_DISK: &str = "--on-small-disk";

/// Runs this program again with a disk of 48 MB mounted at `directory`, which only it sees. `None`: the machine does
/// not allow that.
pub(crate) fn on_a_small_disk(directory: &Path) -> Result<Option<bool>, ChaosError> {
    let unshare = |script: &str, arguments: &[std::ffi::OsString]| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        command.arg(directory).args(arguments).status()
    };
    let mount = "mount -t tmpfs -o size=48m none \"$1\"";
    if !unshare(mount, &[]).is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let mut arguments = vec![std::env::current_exe()?.into_os_string()];
    arguments.extend(std::env::args_os().skip(1));
    arguments.extend([SMALL_DISK.into(), directory.as_os_str().to_owned()]);
    let status = unshare(&format!("{mount} && shift && exec \"$@\""), &arguments)?;
    Ok(Some(status.success()))
}
