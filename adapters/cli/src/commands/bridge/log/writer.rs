//! Writes lines on a thread of its own: who logs never waits.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

/// How many lines wait at most. What comes while so many wait is counted, and lost.
const MAX_WAITING: usize = 1024;

/// How long to wait before it is looked again whether there is room.
const LOOK: Duration = Duration::from_millis(5);

/// A way to the thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: RwLock<SyncSender<Job>>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Job {
    Line(String),
    /// Everything before it is written: says so.
    Flush(SyncSender<()>),
}

impl Writer {
    /// `of_lost` is the line that tells how many are missing before it.
    pub(super) fn start(
        target: impl Write + Send + 'static,
        of_lost: impl Fn(u64) -> String + Send + 'static,
    ) -> Self {
        let (sender, jobs) = mpsc::sync_channel(MAX_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = lost.clone();
        // Without a thread every line is lost, which is no reason to stop.
        let _ = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || run(target, &of_lost, &jobs, &counter));
        Self { jobs: RwLock::new(sender), lost }
    }

    pub(super) fn write(&self, line: String) {
        if self.send(Job::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything is written, at most so long.
    pub(super) fn flush(&self, most: Duration) {
        let end = Instant::now() + most;
        let (sender, written) = mpsc::sync_channel(1);
        let mut job = Job::Flush(sender);
        while let Err(TrySendError::Full(again)) = self.send(job) {
            if Instant::now() >= end {
                return;
            }
            job = again;
            thread::sleep(LOOK);
        }
        let _ = written.recv_timeout(end.saturating_duration_since(Instant::now()));
    }

    fn send(&self, job: Job) -> Result<(), TrySendError<Job>> {
        self.jobs.read().unwrap_or_else(PoisonError::into_inner).try_send(job)
    }
}

fn run(
    mut target: impl Write,
    of_lost: &dyn Fn(u64) -> String,
    jobs: &Receiver<Job>,
    lost: &AtomicU64,
) {
    for job in jobs {
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let _ = target.write_all(of_lost(missing).as_bytes());
        }
        match job {
            // There is no other place to report a failure.
            Job::Line(line) => drop(target.write_all(line.as_bytes())),
            Job::Flush(written) => drop(written.try_send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Takes lines only while the gate is open.
    struct Gated(Arc<Mutex<Vec<u8>>>, Arc<Mutex<()>>);

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _open = self.1.lock().unwrap();
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_stderr_costs_lines_and_stops_nobody() {
        let (written, gate) = (Arc::default(), Arc::default());
        let writer = Writer::start(Gated(Arc::clone(&written), Arc::clone(&gate)), |n| {
            format!("lost {n}\n")
        });
        let closed = gate.lock().unwrap();
        let sent = MAX_WAITING * 3;
        (0..sent).for_each(|n| writer.write(format!("line {n}\n")));
        writer.flush(Duration::from_millis(20)); // returns all the same
        drop(closed);
        writer.flush(Duration::from_secs(60));
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let kept = text.lines().filter(|line| line.starts_with("line ")).count();
        assert!(kept >= MAX_WAITING && kept < sent, "{kept}");
        // They are told before the next line that is written, perhaps in parts.
        let told =
            text.lines().filter_map(|line| line.strip_prefix("lost ")?.parse::<usize>().ok());
        assert_eq!(told.sum::<usize>(), sent - kept);
    }
}
