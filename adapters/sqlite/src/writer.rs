//! The thread that writes: what waits for it shares one transaction, and so one flush of the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use lp_connector_core::bridge::store::{
    Answer, Reply, Request, StoreError, StoreErrorKind as Kind,
};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::Clock;
use crate::clock::{between, nanos};
use crate::error::store_error;
use crate::requests::Requests;

/// The most requests of one transaction.
const MAX_GROUP: usize = 256;

/// Serves requests until nobody can send more.
pub(crate) fn run(mut writer: Writer, jobs: &Receiver<(Request, Reply)>) {
    let mut truncated = Instant::now();
    while let Ok(first) = jobs.recv() {
        let waiting = std::iter::once(first).chain(jobs.try_iter()).take(MAX_GROUP);
        let (requests, replies): (Vec<_>, Vec<_>) = waiting.unzip();
        // Nothing is answered before the commit.
        let outcomes = writer.serve(&requests);
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            // A reply that panics is its author's fault, and stops nobody else.
            let _ = catch_unwind(AssertUnwindSafe(|| reply(outcome)));
        }
        if truncated.elapsed() >= writer.journal_age {
            writer.truncate_journal();
            truncated = Instant::now();
        }
    }
}

/// Performs requests, group by group.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) clock: Clock,
    pub(crate) busy_timeout: Duration,
    pub(crate) journal_age: Duration,
}

impl Writer {
    /// Empties the journal, in which deleted content stands. Another program that reads meanwhile puts it off.
    fn truncate_journal(&self) {
        let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
    }

    /// Performs requests in one transaction. If one of them fails, nothing of it happened, and each has a
    /// transaction of its own.
    fn serve(&mut self, requests: &[Request]) -> Vec<Result<Answer, StoreError>> {
        match wait_for_lock(self.busy_timeout, || {
            self.transact(requests).map_err(|error| store_error(&error))
        }) {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            // A lock is held against all of them, and each would wait for it again.
            Err(error) if requests.len() > 1 && error.kind() != Kind::Unavailable => {
                requests.chunks(1).flat_map(|one| self.serve(one)).collect()
            }
            Err(error) => {
                let copy = || StoreError::new(error.kind(), error.to_string());
                requests.iter().map(|_| Err(copy())).collect()
            }
        }
    }

    fn transact(&mut self, requests: &[Request]) -> rusqlite::Result<Vec<Answer>> {
        let is_reading = |one: &Request| matches!(one, Request::Read(_) | Request::List { .. });
        let only_reads = requests.iter().all(is_reading);
        let behavior = match only_reads {
            true => TransactionBehavior::Deferred,
            false => TransactionBehavior::Immediate,
        };
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        let changes = transaction.total_changes();
        let (mut fence, boot, uptime, date, last): (i64, String, i64, i64, i64) = transaction
            .prepare_cached("SELECT fence, boot, uptime, date, now FROM lp_store")?
            .query_row((), |row| row.try_into())?;
        let reading = (self.clock)();
        let (uptime_now, date_now) = (nanos(reading.uptime), nanos(reading.date));
        let passed = match boot == reading.boot {
            true => between(uptime, uptime_now),
            false => between(date, date_now),
        };
        let now = last.saturating_add(nanos(passed));

        let mut perform = Requests { sql: &transaction, now, fence: &mut fence };
        let answers = requests.iter().map(|one| perform.perform(one)).collect::<Result<_, _>>()?;

        // After a restart, or where the clock went back, time is measured from here.
        let is_rebased = !only_reads && (boot != reading.boot || uptime_now < uptime);
        if is_rebased || transaction.total_changes() != changes {
            let row = params![fence, reading.boot, uptime_now, date_now, now];
            transaction
                .prepare_cached(
                    "UPDATE lp_store SET (fence, boot, uptime, date, now) = (?, ?, ?, ?, ?)",
                )?
                .execute(row)?;
        }
        transaction.commit()?;
        Ok(answers)
    }
}

/// Tries again while somebody else has the lock. SQLite's own pauses grow to 100 ms: a program that writes all the
/// time would seldom let another one in.
pub(crate) fn wait_for_lock<T>(
    time: Duration,
    mut attempt: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(error) if error.kind() == Kind::Unavailable && started.elapsed() < time => {
                thread::sleep(Duration::from_millis(1));
            }
            ended => return ended,
        }
    }
}
