//! The store of the bridge in one file, on SQLite.
//!
//! A path is all it needs. SQLite is compiled in, and there is no server.
//!
//! ```
//! use std::time::Duration;
//! use lp_connector_core::bridge::store::{Answer, Entry, Holder, LaneId, LaneKind, Request, Store};
//! use lp_connector_core::id::AccountId;
//! use lp_connector_sqlite::Sqlite;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("bridge.db");
//! let lane = LaneId::new(AccountId::new("91827364")?, LaneKind::Consumer, "ada");
//! let store = Sqlite::open(&path)?;
//! let entry = Entry { lane, body: b"Coo?".to_vec() };
//! store.perform(Request::Append(vec![entry]))?; // it is on the disk now
//! drop(store);
//!
//! let store = Sqlite::open(&path)?;
//! let (holder, term) = (Holder(7), Duration::from_secs(15));
//! let claim = Request::Claim { holder, lanes: 10, entries: 10, term, speaks: 1 };
//! let Answer::Claimed(lanes) = store.perform(claim)? else { panic!() };
//! assert_eq!(lanes[0].entries, [(1, b"Coo?".to_vec())]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//!
//! * What was answered survives a crash of the program and of the machine: the journal is write-ahead, and flushed
//!   before each answer (`synchronous = FULL`). It is as safe as the disk that it lies on.
//! * Requests that wait share one transaction and one flush, and each is still all or nothing.
//! * Several programs on one machine may open the same file. It must lie on a local disk: a network's file system
//!   keeps no lock that SQLite may rely on.
//! * The file is made for its owner alone (mode 0600). Deleted content is overwritten in the file at the
//!   next checkpoint, and the journal is emptied each minute in which something is written, and when the last program
//!   closes the file. The file does not shrink, but what is free in it is used again. If SQLite has moved a value
//!   from one page to another before it was deleted, a copy may stay on the first page until that place is used
//!   again, or until `VACUUM` rewrites the file: where that matters, seal what is stored (`Sealed` of
//!   `lp-connector-bridge`).
//!
//! # Its clock
//!
//! Terms, due times and lives are measured on a clock that all programs on the file share. On Linux a change of the
//! machine's date does not touch it; over a restart of the machine it goes on by the date. Elsewhere it goes on
//! by the date, and a date that is set forward ends terms early: two programs may then do the same work, and the
//! fence lets one of them record it.
//!
//! # Errors
//!
//! Each is a [`StoreError`] whose text names the file or what is wrong with it. A file of another program, or of a
//! newer release, is not touched. While another program keeps the file locked, or the disk is full, requests fail
//! as [`Unavailable`](StoreErrorKind::Unavailable) or [`Full`](StoreErrorKind::Full), and succeed when that is over.

mod clock;
mod error;
mod facts;
mod open;
mod requests;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Backlog, Reply, Request, Store, StoreError, StoreErrorKind, StoreFacts,
};

pub use self::clock::ClockReading;
use self::writer::{Job, Writer};

type Clock = Box<dyn Fn() -> ClockReading + Send>;

/// How a store is opened.
pub struct SqliteOptions {
    busy_timeout: Duration,
    max_bytes: Option<u64>,
    journal_age: Duration,
    clock: Clock,
}

impl SqliteOptions {
    /// How long a request waits for another program that is writing. Default: 5 s. What waits longer fails as
    /// [`Unavailable`](StoreErrorKind::Unavailable).
    #[must_use]
    pub fn busy_timeout(mut self, time: Duration) -> Self {
        self.busy_timeout = time;
        self
    }

    /// The largest size of the file, in bytes. Default: none. What would make it larger fails as
    /// [`Full`](StoreErrorKind::Full). The journal beside it is not counted: some 4 MB, more under load.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// How long deleted content may stand in the journal beside the file, if something is written afterwards. Default:
    /// 60 s. Zero empties it after each group of requests, which costs a flush of the disk each.
    #[must_use]
    pub fn journal_age(mut self, time: Duration) -> Self {
        self.journal_age = time;
        self
    }

    /// The clocks to read in place of the machine's, for tests. All programs on one file must read the same ones.
    #[must_use]
    pub fn clock(mut self, read: impl Fn() -> ClockReading + Send + 'static) -> Self {
        self.clock = Box::new(read);
        self
    }

    /// Opens the store in this file, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// As [`Sqlite::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Sqlite, StoreError> {
        let connection = open::open(path.as_ref(), self.busy_timeout, self.max_bytes)?;
        let (sender, receiver) = mpsc::channel();
        let Self { busy_timeout, journal_age, clock, .. } = self;
        let writer = Writer { connection, clock, busy_timeout, journal_age };
        let writer = thread::Builder::new()
            .name("lp-sqlite".into())
            .spawn(move || writer::run(writer, &receiver))
            .map_err(|error| StoreError::new(StoreErrorKind::Failed, error.to_string()))?;
        Ok(Sqlite { sender: Some(sender), backlog: Backlog::default(), writer: Some(writer) })
    }
}

impl Default for SqliteOptions {
    fn default() -> Self {
        let clock = Box::new(clock::system());
        let (busy_timeout, journal_age) = (Duration::from_secs(5), Duration::from_secs(60));
        Self { busy_timeout, max_bytes: None, journal_age, clock }
    }
}

impl fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteOptions({:?}, {:?})", self.busy_timeout, self.max_bytes)
    }
}

/// A store in a file. It has one thread, which all requests share.
///
/// When it is dropped, what was asked is done first.
#[derive(Debug)]
pub struct Sqlite {
    sender: Option<Sender<Job>>,
    backlog: Backlog,
    writer: Option<JoinHandle<()>>,
}

impl Sqlite {
    /// Opens the store in this file, and makes it if there is none. It may block for 5 s if another program has
    /// locked the file.
    ///
    /// # Errors
    ///
    /// [`StoreError`], if the file cannot be made, read or written, is not a store, is one of another release, or
    /// lies on a file system without a write-ahead log.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::default().open(path)
    }
}

impl Store for Sqlite {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(request, Box::new(move |result| drop(sender.send(result))));
        receiver.recv().unwrap_or_else(|_| Err(closed()))
    }

    fn submit(&self, request: Request, reply: Reply) {
        if let Err(refused) = request.check_sizes() {
            return reply(Err(refused));
        }
        let admission = match self.backlog.admit(&request) {
            Ok(admission) => admission,
            Err(refused) => return reply(Err(refused)),
        };
        let reply: Reply = Box::new(move |result| {
            drop(admission);
            reply(result);
        });
        let job = self.sender.as_ref().map(|sender| sender.send(Job::Request(request, reply)));
        if let Some(Err(mpsc::SendError(Job::Request(_, reply)))) = job {
            reply(Err(closed()));
        }
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        if let Some(jobs) = &self.sender {
            // One that cannot be sent is dropped, and its sender with it.
            let _ = jobs.send(Job::Facts(sender));
        }
        receiver.recv().unwrap_or_else(|_| Err(closed()))
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.sender = None;
        // A reply may hold the last handle, on the writer's own thread.
        let is_other = |writer: &JoinHandle<()>| writer.thread().id() != thread::current().id();
        if let Some(writer) = self.writer.take().filter(is_other) {
            let _ = writer.join();
        }
    }
}

fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the store is closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_is_set_is_kept_beside_the_others() {
        let [busy, age] = [20, 70].map(Duration::from_millis);
        let options =
            SqliteOptions::default().max_bytes(200_000).journal_age(age).busy_timeout(busy);
        let found = (options.busy_timeout, options.max_bytes, options.journal_age);
        assert_eq!(found, (busy, Some(200_000), age));
    }
}
