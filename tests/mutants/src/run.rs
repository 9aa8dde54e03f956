//! Runs tests with a limit of time and of memory.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::compile::Program;

/// How a program of tests ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Passed,
    Failed,
    OutOfTime,
}

/// Of the memory that a program may ask for, in KiB: a mutant may ask for all there is.
const MEMORY: &str = "8000000";

/// Runs these tests of a program, and returns how long it took.
///
/// # Errors
/// A sentence if it cannot be run.
pub(crate) fn run(
    program: &Program,
    tests: &[&str],
    limit: Duration,
    (key, value): (&str, &Path),
) -> Result<(Ended, Duration), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", program.path.display());
    let started = Instant::now();
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -v {MEMORY}; ulimit -c 0; exec \"$0\" \"$@\"")])
        .arg(&program.path)
        .args(["--exact", "--quiet", "--test-threads", "2"])
        .args(tests)
        .env("CARGO_MANIFEST_DIR", &program.folder)
        .env(key, value)
        .env("RUST_BACKTRACE", "0")
        .current_dir(&program.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let mut pause = Duration::from_micros(500);
    let ended = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break if status.success() { Ended::Passed } else { Ended::Failed };
        }
        if started.elapsed() > limit {
            break Ended::OutOfTime;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    };
    let elapsed = started.elapsed();
    // Programs that its tests started are of its group.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    if ended == Ended::OutOfTime {
        child.wait().map_err(failed)?;
    }
    Ok((ended, elapsed))
}
