//! The thread that writes: what waits for it shares one transaction, and so one flush of the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use lp_connector_core::bridge::store::{
    Answer, Reply, Request, StoreError, StoreErrorKind as Kind, StoreFacts,
};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::Clock;
use crate::clock::{ClockReading, between, nanos};
use crate::error::store_error;
use crate::facts;
use crate::requests::Requests;

/// The most requests of one transaction.
const MAX_GROUP: usize = 256;

/// What the thread is asked.
pub(crate) enum Job {
    Request(Request, Reply),
    Facts(SyncSender<Result<StoreFacts, StoreError>>),
}

/// Serves requests until nobody can send more.
pub(crate) fn run(mut writer: Writer, jobs: &Receiver<Job>) {
    let mut truncated = Instant::now();
    while let Ok(first) = jobs.recv() {
        let waiting = std::iter::once(first).chain(jobs.try_iter()).take(MAX_GROUP);
        let (mut requests, mut replies, mut curious) = (Vec::new(), Vec::new(), Vec::new());
        for job in waiting {
            match job {
                Job::Request(request, reply) => {
                    requests.push(request);
                    replies.push(reply);
                }
                Job::Facts(sender) => curious.push(sender),
            }
        }
        // Nothing is answered before the commit.
        let outcomes = writer.serve(&requests);
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            // A reply that panics is its author's fault, and stops nobody else.
            let _ = catch_unwind(AssertUnwindSafe(|| reply(outcome)));
        }
        for sender in curious {
            let facts = wait_for_lock(writer.busy_timeout, || writer.facts());
            let _ = sender.try_send(facts);
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
        if requests.is_empty() {
            return Vec::new();
        }
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
        let Time { mut fence, boot, uptime, reading, now } = time(&transaction, &self.clock)?;
        let (uptime_now, date_now) = (nanos(reading.uptime), nanos(reading.date));
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

    fn facts(&mut self) -> Result<StoreFacts, StoreError> {
        let mut read = || {
            let transaction = self.connection.transaction()?;
            let now = time(&transaction, &self.clock)?.now;
            facts::read(&transaction, now)
        };
        read().map_err(|error: rusqlite::Error| store_error(&error))
    }
}

/// The store's counter and clock.
struct Time {
    fence: i64,
    /// The reading at the last change.
    boot: String,
    uptime: i64,
    reading: ClockReading,
    now: i64,
}

fn time(transaction: &Transaction<'_>, clock: &Clock) -> rusqlite::Result<Time> {
    let (fence, boot, uptime, date, last): (i64, String, i64, i64, i64) = transaction
        .prepare_cached("SELECT fence, boot, uptime, date, now FROM lp_store")?
        .query_row((), |row| row.try_into())?;
    let reading = clock();
    let passed = match boot == reading.boot {
        true => between(uptime, nanos(reading.uptime)),
        false => between(date, nanos(reading.date)),
    };
    Ok(Time { fence, boot, uptime, reading, now: last.saturating_add(nanos(passed)) })
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
