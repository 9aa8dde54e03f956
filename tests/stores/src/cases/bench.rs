//! Short forms of the requests.

use std::cell::Cell as Counter;
use std::sync::Arc;
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Cell, CellId, Claimed, Commit, Entry, Fence, Holder, LaneDetails, LaneId, LaneKind,
    Lease, Listed, Record, Request, Store, StoreFacts,
};
use lp_connector_core::id::AccountId;

use crate::Engine;

/// The term of a claim, where a case names none.
pub(super) const TERM: Duration = Duration::from_secs(15);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MOMENT: Duration = Duration::from_nanos(1);

/// An engine with two connections: writing goes to one, and claiming and reading to the other.
pub(super) struct Bench {
    engine: Box<dyn Engine>,
    first: Arc<dyn Store>,
    second: Arc<dyn Store>,
    holders: Counter<u128>,
}

impl Bench {
    pub(super) fn new(engine: Box<dyn Engine>) -> Self {
        let (first, second) = (engine.connect(), engine.connect());
        Self { engine, first, second, holders: Counter::new(0) }
    }

    pub(super) fn wait(&self, time: Duration) {
        self.engine.clock().advance(time);
    }

    pub(super) fn first(&self) -> &dyn Store {
        &*self.first
    }

    pub(super) fn append(&self, entries: &[(&LaneId, &str)]) {
        let entry = |(lane, body): &(&LaneId, &str)| Entry {
            lane: (*lane).clone(),
            body: body.as_bytes().to_vec(),
        };
        let request = Request::Append(entries.iter().map(entry).collect());
        assert_eq!(self.first.perform(request).unwrap(), Answer::Appended);
    }

    pub(super) fn facts(&self) -> StoreFacts {
        self.second.facts().unwrap()
    }

    /// Claims what is due.
    pub(super) fn claim(&self) -> Vec<Held> {
        self.claim_at_most(100, 100, 1)
    }

    pub(super) fn claim_at_most(&self, lanes: usize, entries: usize, speaks: u16) -> Vec<Held> {
        self.holders.set(self.holders.get() + 1);
        // Half of the holders use all of their bits.
        let holder = match self.holders.get() {
            odd if odd % 2 == 1 => Holder(u128::MAX - odd),
            even => Holder(even),
        };
        let request = Request::Claim { holder, lanes, entries, term: TERM, speaks };
        let Answer::Claimed(claimed) = self.second.perform(request).unwrap() else { panic!() };
        claimed.into_iter().map(|claimed| Held { claimed, holder }).collect()
    }

    /// Claims the one lane that is due.
    pub(super) fn claim_one(&self) -> Held {
        let mut claimed = self.claim();
        assert_eq!(claimed.len(), 1, "one lane is due");
        claimed.remove(0)
    }

    pub(super) fn nothing_is_due(&self) {
        assert!(self.claim().is_empty(), "nothing is due");
    }

    pub(super) fn commit(&self, commit: Commit) -> Option<Fence> {
        let mut done = self.commits(vec![commit]);
        assert_eq!(done.len(), 1);
        done.remove(0)
    }

    pub(super) fn commits(&self, commits: Vec<Commit>) -> Vec<Option<Fence>> {
        let Answer::Committed(done) = self.first.perform(Request::Commit(commits)).unwrap() else {
            panic!()
        };
        done
    }

    pub(super) fn extend(&self, lease: Lease, term: Duration) -> bool {
        let request = Request::Extend { leases: vec![lease], term };
        let Answer::Extended(done) = self.first.perform(request).unwrap() else { panic!() };
        done == [true]
    }

    pub(super) fn swap(&self, key: &str, seen: u64, value: &str, life: Option<Duration>) -> bool {
        let request = Request::Swap { cell: cell(key), seen, value: value.into(), life };
        let Answer::Swapped(done) = self.first.perform(request).unwrap() else { panic!() };
        done
    }

    /// The version and value of a cell.
    pub(super) fn read(&self, key: &str) -> Option<(u64, String)> {
        let Answer::Cells(cells) = self.second.perform(Request::Read(vec![cell(key)])).unwrap()
        else {
            panic!()
        };
        cells
            .into_iter()
            .next()
            .unwrap()
            .map(|Cell { version, value }| (version, String::from_utf8(value).unwrap()))
    }

    pub(super) fn list(
        &self,
        what: Listed,
        after: Option<&LaneId>,
        limit: usize,
    ) -> Vec<LaneDetails> {
        let request = Request::List { what, after: after.cloned(), limit };
        let Answer::Listed(listed) = self.second.perform(request).unwrap() else { panic!() };
        listed
    }

    /// A lane as people see it.
    pub(super) fn look(&self, lane: &LaneId) -> Option<LaneDetails> {
        self.list(Listed::Lane(lane.clone()), None, 100).pop()
    }
}

/// A lane that a case holds.
pub(super) struct Held {
    pub(super) claimed: Claimed,
    pub(super) holder: Holder,
}

impl Held {
    pub(super) fn lease(&self) -> Lease {
        let Claimed { lane, fence, .. } = &self.claimed;
        Lease { lane: lane.clone(), fence: *fence, holder: self.holder }
    }

    /// A commit that releases the lane and changes nothing.
    pub(super) fn commit(&self) -> Commit {
        self.commit_under(self.claimed.fence)
    }

    pub(super) fn commit_under(&self, fence: Fence) -> Commit {
        Commit::new(self.claimed.lane.clone(), fence, self.holder)
    }

    /// The numbers and bodies of the entries.
    pub(super) fn entries(&self) -> Vec<(u64, &str)> {
        self.claimed
            .entries
            .iter()
            .map(|(number, body)| (*number, std::str::from_utf8(body).unwrap()))
            .collect()
    }
}

pub(super) fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

pub(super) fn lane(key: &str) -> LaneId {
    LaneId::new(account(), LaneKind::Consumer, key)
}

pub(super) fn entry(lane: &LaneId, body: &str) -> Entry {
    Entry { lane: lane.clone(), body: body.into() }
}

pub(super) fn record(version: u16, body: &str) -> Record {
    Record { version, body: body.into() }
}

pub(super) fn cell(key: &str) -> CellId {
    CellId { account: account(), key: key.into() }
}
