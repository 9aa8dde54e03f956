//! What the bridge asks of a store: seven requests and their answers, as data.
//!
//! A store keeps *lanes*. A lane is a durable queue of entries with a record, a due time and a lease. Each
//! consumer has a lane, each conversation has one, and lanes talk to each other by entries only. Whoever
//! [claims](Request::Claim) a lane has it alone until its term ends.
//!
//! A store decides nothing: it keeps bytes, and obeys eight laws.
//!
//! | law | |
//! |---|---|
//! | 1 | What was answered is durable. It outlives every process. |
//! | 2 | A commit's record, consumption, appended entries and cells happen together or not at all. |
//! | 3 | Nobody is given a lane before the term of its holder is over, by the store's clock. |
//! | 4 | A fence is greater than all before it. A commit or an extension under another fence or holder changes nothing. |
//! | 5 | A lane's entries are given in the order in which their appends took effect, without gaps. |
//! | 6 | A commit consumes what was given, and nothing else. Whatever was appended meanwhile, and not seen, makes the lane due. |
//! | 7 | To repeat a request whose answer was lost is safe. A commit and a swap know themselves; an append may add its entries twice, and the lanes tolerate that. |
//! | 8 | Durations go in, and only durations come out: no program's clock matters to another. |
//!
//! [`MemoryStore`] is the contract in executable form: the reference for tests and for other stores. A real
//! store implements the requests over its engine as a [`Store`], and a driver passes them through.
//!
//! ```
//! use std::time::Duration;
//! use lp_connector_core::bridge::store::{
//!     Answer, Commit, Entry, Holder, LaneId, LaneKind, MemoryStore, Next, Request,
//! };
//! use lp_connector_core::id::AccountId;
//! use lp_connector_core::time::Mono;
//!
//! let mut store = MemoryStore::default();
//! let lane = LaneId::new(AccountId::new("91827364")?, LaneKind::Consumer, "ada");
//! let entry = Entry { lane: lane.clone(), body: b"hello".to_vec() };
//! store.perform(Request::Append(vec![entry]), Mono::ZERO);
//!
//! let (holder, term) = (Holder(7), Duration::from_secs(15));
//! let claim = Request::Claim { holder, lanes: 10, entries: 10, term, speaks: 1 };
//! let Answer::Claimed(claimed) = store.perform(claim, Mono::ZERO) else { panic!() };
//! assert_eq!(claimed[0].entries, [(1, b"hello".to_vec())]);
//!
//! let commit = Commit::new(lane, claimed[0].fence, holder).through(1).next(Next::Idle);
//! let Answer::Committed(done) = store.perform(Request::Commit(vec![commit]), Mono::ZERO) else { panic!() };
//! assert!(done[0].is_some());
//! # Ok::<(), lp_connector_core::id::InvalidId>(())
//! ```

mod backlog;
mod facts;
mod lane;
#[cfg(test)]
mod lease_tests;
mod listing;
mod memory;
#[cfg(test)]
mod memory_tests;
mod seam;

use std::fmt;
use std::time::Duration;

pub use self::backlog::{Admission, Backlog};
pub use self::facts::{MAX_COUNTED, Standby, StoreFacts, StorePart};
pub use self::lane::{LaneId, LaneKind};
pub use self::listing::{LaneDetails, LaneSummary, Listed};
pub use self::memory::MemoryStore;
pub use self::seam::{Reply, Store, StoreError, StoreErrorKind};
use crate::id::AccountId;

/// The most bytes of an entry's body, a record or a cell. A store may refuse more.
pub const MAX_VALUE_BYTES: usize = 8 * 1024 * 1024;

/// A claim gives no further lane and no further entry once its records and entries have this many bytes. It gives one
/// entry at least, and one of each lane that it gives.
pub const MAX_CLAIM_BYTES: usize = 16 * 1024 * 1024;

/// What every sealed value begins with: a value that only a program with its key can read. No entry, record or cell that
/// is not sealed begins so.
pub const SEALED: &[u8] = b"\0lps1";

/// True if a value is sealed. A [`Worker`](super::Worker) works on no lane with a sealed value in it: whatever seals the
/// store has opened the values that it has the key of.
#[must_use]
pub fn is_sealed(value: &[u8]) -> bool {
    value.starts_with(SEALED)
}

/// A request to a store. `Debug` shows sizes in place of bodies.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store must serve every request")]
pub enum Request {
    /// Adds entries, all or none, each at the end of its lane, which becomes due. Answer:
    /// [`Appended`](Answer::Appended).
    Append(Vec<Entry>),
    /// Leases lanes that are due, the longest due first. Answer: [`Claimed`](Answer::Claimed).
    Claim {
        /// The new holder: a fresh random number for each claim.
        holder: Holder,
        /// The most lanes.
        lanes: usize,
        /// The most entries of each lane.
        entries: usize,
        /// How long the lanes are leased.
        term: Duration,
        /// The newest record version that the holder can read. Lanes with a newer record are not given.
        speaks: u16,
    },
    /// Ends steps of work on leased lanes, each for itself. Answer: [`Committed`](Answer::Committed).
    Commit(Vec<Commit>),
    /// Leases lanes for another term, from now. Answer: [`Extended`](Answer::Extended).
    Extend {
        /// The lanes that the program still holds.
        leases: Vec<Lease>,
        /// The new term.
        term: Duration,
    },
    /// Reads cells. Answer: [`Cells`](Answer::Cells).
    Read(Vec<CellId>),
    /// Writes a cell if nobody else did since it was read. An empty value removes it. Answer:
    /// [`Swapped`](Answer::Swapped).
    Swap {
        /// The cell.
        cell: CellId,
        /// The version that was read; 0 for a cell that does not exist.
        seen: u64,
        /// The new value.
        value: Vec<u8>,
        /// After this time the cell does not exist. `None`: it stays.
        life: Option<Duration>,
    },
    /// Lists lanes, for people. It changes nothing. Answer: [`Listed`](Answer::Listed).
    List {
        /// What to list.
        what: Listed,
        /// Start after this lane.
        after: Option<LaneId>,
        /// The most lanes.
        limit: usize,
    },
}

/// The answer to a [`Request`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is one for each request")]
pub enum Answer {
    /// The entries are durable.
    Appended,
    /// The lanes that the holder has now.
    Claimed(Vec<Claimed>),
    /// For each commit, in order: the lane's new fence, or `None` if the lease was lost and nothing changed.
    Committed(Vec<Option<Fence>>),
    /// For each lease, in order: whether it was extended. False: it was lost.
    Extended(Vec<bool>),
    /// For each cell, in order: its version and value.
    Cells(Vec<Option<Cell>>),
    /// Whether the cell has the new value. False: somebody else wrote it meanwhile.
    Swapped(bool),
    /// The lanes.
    Listed(Vec<LaneDetails>),
}

/// An entry for a lane.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is these two")]
pub struct Entry {
    /// The lane.
    pub lane: LaneId,
    /// The content, which the store does not read.
    pub body: Vec<u8>,
}

/// Who holds a lane: a random number, new for each claim.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is a number")]
pub struct Holder(pub u128);

/// A lane's number: it grows with each claim and each commit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is a number")]
pub struct Fence(pub u64);

/// A lane that a program holds.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is these three")]
pub struct Lease {
    /// The lane.
    pub lane: LaneId,
    /// Its fence, from the claim or the last commit.
    pub fence: Fence,
    /// The holder of the claim.
    pub holder: Holder,
}

/// A lane that was claimed.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store writes it")]
pub struct Claimed {
    /// The lane.
    pub lane: LaneId,
    /// Its fence.
    pub fence: Fence,
    /// True if the last holder neither finished nor released the lane: it may have begun something that it
    /// could not record.
    pub taken_over: bool,
    /// The time since the last commit, by the store's clock. Zero for a new lane.
    pub elapsed: Duration,
    /// The record, if there is one.
    pub record: Option<Record>,
    /// The next entries, oldest first, with their numbers.
    pub entries: Vec<(u64, Vec<u8>)>,
    /// True if the lane has more entries.
    pub more: bool,
}

/// A lane's record.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is these two")]
pub struct Record {
    /// The version of its format.
    pub version: u16,
    /// The content, which the store does not read.
    pub body: Vec<u8>,
}

/// The end of a step of work on a lane.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// The lane and the lease.
    pub lease: Lease,
    /// Consumes the entries up to this number. 0 consumes none.
    pub through: u64,
    /// Entries after this number make the lane due at once. It is the last number that was given, or
    /// `u64::MAX` if no entry can help before [`next`](Self::next): a lane that leaves entries, because it waits
    /// for something, would otherwise be due at once for ever.
    pub seen: u64,
    /// What becomes of the record.
    pub record: Kept,
    /// Entries for other lanes, or for the same one.
    pub append: Vec<Entry>,
    /// Cells to write. An empty value removes a cell.
    pub cells: Vec<(CellId, Vec<u8>)>,
    /// When the lane is due next.
    pub next: Next,
}

impl Commit {
    /// A commit that changes nothing and releases the lane.
    #[must_use]
    pub const fn new(lane: LaneId, fence: Fence, holder: Holder) -> Self {
        Self {
            lease: Lease { lane, fence, holder },
            through: 0,
            seen: 0,
            record: Kept::Same,
            append: Vec::new(),
            cells: Vec::new(),
            next: Next::Idle,
        }
    }

    /// Sets the number of the last consumed entry.
    #[must_use]
    pub fn through(mut self, number: u64) -> Self {
        self.through = number;
        self
    }

    /// Sets the number after which entries make the lane due at once.
    #[must_use]
    pub fn seen(mut self, number: u64) -> Self {
        self.seen = number;
        self
    }

    /// Sets a new record.
    #[must_use]
    pub fn record(mut self, record: Record) -> Self {
        self.record = Kept::New(record);
        self
    }

    /// Adds an entry.
    #[must_use]
    pub fn append(mut self, entry: Entry) -> Self {
        self.append.push(entry);
        self
    }

    /// Adds a cell.
    #[must_use]
    pub fn cell(mut self, cell: CellId, value: Vec<u8>) -> Self {
        self.cells.push((cell, value));
        self
    }

    /// Sets when the lane is due.
    #[must_use]
    pub fn next(mut self, next: Next) -> Self {
        self.next = next;
        self
    }
}

/// What becomes of a lane's record.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a store must serve every one")]
pub enum Kept {
    /// It stays as it is.
    Same,
    /// It is replaced.
    New(Record),
}

/// When a lane is due after a commit. If it has entries that were not [seen](Commit::seen), and is not held on,
/// it is due at once in any case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a store must serve every one")]
pub enum Next {
    /// The holder keeps the lane for another term.
    Hold(Duration),
    /// The lane is released, and due after this time.
    After(Duration),
    /// The lane is released, and due when an entry arrives.
    Idle,
    /// The lane is removed, unless it has more entries: then only its record is removed.
    Gone,
}

/// The name of a small shared value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is these two")]
pub struct CellId {
    /// The account that it belongs to.
    pub account: AccountId,
    /// Its name: at most 300 bytes.
    pub key: String,
}

/// A small shared value.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store writes it")]
pub struct Cell {
    /// Its version: it grows with each write, and is never the same twice, whatever was removed meanwhile.
    pub version: u64,
    /// Its content.
    pub value: Vec<u8>,
}

/// Shows sizes in place of bodies, which hold messages.
macro_rules! sized_debug {
    ($name:ident { $($field:ident),* } $body:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($field), &self.$field))*
                    .field(concat!(stringify!($body), "_len"), &self.$body.len())
                    .finish()
            }
        }
    };
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append(entries) => f.debug_tuple("Append").field(entries).finish(),
            Self::Claim { holder, lanes, entries, term, speaks } => f
                .debug_struct("Claim")
                .field("holder", holder)
                .field("lanes", lanes)
                .field("entries", entries)
                .field("term", term)
                .field("speaks", speaks)
                .finish(),
            Self::Commit(commits) => f.debug_tuple("Commit").field(commits).finish(),
            Self::Extend { leases, term } => {
                f.debug_struct("Extend").field("leases", leases).field("term", term).finish()
            }
            Self::Read(cells) => f.debug_tuple("Read").field(cells).finish(),
            Self::Swap { cell, seen, value, life } => f
                .debug_struct("Swap")
                .field("cell", cell)
                .field("seen", seen)
                .field("value_len", &value.len())
                .field("life", life)
                .finish(),
            Self::List { what, after, limit } => f
                .debug_struct("List")
                .field("what", what)
                .field("after", after)
                .field("limit", limit)
                .finish(),
        }
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells: Vec<_> = self.cells.iter().map(|(cell, value)| (cell, value.len())).collect();
        f.debug_struct("Commit")
            .field("lease", &self.lease)
            .field("through", &self.through)
            .field("seen", &self.seen)
            .field("record", &self.record)
            .field("append", &self.append)
            .field("cell_lens", &cells)
            .field("next", &self.next)
            .finish()
    }
}

sized_debug!(Entry { lane } body);
sized_debug!(Record { version } body);
sized_debug!(Cell { version } value);

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<u64> = self.entries.iter().map(|(number, _)| *number).collect();
        f.debug_struct("Claimed")
            .field("lane", &self.lane)
            .field("fence", &self.fence)
            .field("taken_over", &self.taken_over)
            .field("elapsed", &self.elapsed)
            .field("record", &self.record)
            .field("entries", &numbers)
            .field("more", &self.more)
            .finish()
    }
}
