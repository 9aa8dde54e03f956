//! Every order in which a few workers can claim, hold, extend, commit, repeat and lose one lane.
//!
//! A search goes to every state that a few entries and a few half terms can lead to. A worker keeps its three newest leases
//! and may use each at any later time: a request that is late, or of a worker that was frozen, is no other than that. What must hold is written down here, and not how the store does it: the invariants of [`MemoryStore`].

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use super::*;
use crate::bridge::small_worlds::Digest;
use crate::id::AccountId;
use crate::time::Mono;

const TERM: Duration = Duration::from_secs(10);
const HALF: Duration = Duration::from_secs(5);
const MOMENT: Duration = Duration::from_nanos(1);

/// The most states of a world. Beyond this a search ends, and its test fails.
const MOST: usize = 60_000;

/// The leases that a worker remembers.
const REMEMBERED: usize = 3;

/// What may happen.
#[derive(Clone, Copy, Debug)]
struct World {
    workers: usize,
    entries: u64,
    half_terms: u32,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Append,
    Claim(usize),
    /// A worker commits with its newest lease, or with one before.
    Commit(usize, usize, Next),
    Extend(usize, usize, Duration),
    /// A worker asks again for its last commit that took effect.
    Repeat(usize),
    HalfTerm,
}

#[derive(Clone, Debug, Default)]
struct Worker {
    /// The newest first, each with the last entry that was given with it.
    leases: VecDeque<(Lease, u64)>,
    /// The last commit that took effect.
    done: Option<Commit>,
}

#[derive(Clone)]
struct State {
    world: World,
    store: MemoryStore,
    now: Mono,
    workers: Vec<Worker>,
    /// The lease that counts, and until when.
    current: Option<(Lease, Mono)>,
    /// When the lane may be claimed, while nobody holds it.
    due: Option<Mono>,
    /// The lease of the last commit, and its answer, until somebody claims the lane.
    committed: Option<(Lease, Fence)>,
    /// The fences under which a commit has taken effect.
    spent: BTreeSet<Fence>,
    highest: Fence,
    appended: u64,
    consumed: u64,
    /// The entries before the lane was made anew: it numbers its own from 1.
    before: u64,
    holders: u128,
    way: Vec<Action>,
}

/// The way to a state, for a test that fails.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {:?}", self.way)
    }
}

fn lane() -> LaneId {
    LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, "ada")
}

fn claim(store: &mut MemoryStore, holder: Holder, now: Mono) -> Option<Claimed> {
    let claim = Request::Claim { holder, lanes: 9, entries: 9, term: TERM, speaks: 1 };
    let Answer::Claimed(claimed) = store.perform(claim, now) else {
        panic!("no answer to a claim")
    };
    claimed.into_iter().next()
}

impl State {
    fn new(world: World) -> Self {
        Self {
            world,
            store: MemoryStore::default(),
            now: Mono::ZERO,
            workers: vec![Worker::default(); world.workers],
            current: None,
            due: None,
            committed: None,
            spent: BTreeSet::new(),
            highest: Fence(0),
            appended: 0,
            consumed: 0,
            before: 0,
            holders: 0,
            way: Vec::new(),
        }
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.appended < self.world.entries {
            actions.push(Action::Append);
        }
        if self.now < Mono::from_origin(HALF * self.world.half_terms) {
            actions.push(Action::HalfTerm);
        }
        for (at, worker) in self.workers.iter().enumerate() {
            actions.push(Action::Claim(at));
            for old in 0..worker.leases.len() {
                let nexts = [Next::Hold(TERM), Next::After(HALF), Next::Idle, Next::Gone];
                actions.extend(nexts.map(|next| Action::Commit(at, old, next)));
                actions.extend([TERM, HALF].map(|term| Action::Extend(at, old, term)));
            }
            actions.extend(worker.done.as_ref().map(|_| Action::Repeat(at)));
        }
        actions
    }

    fn perform(&mut self, action: Action) {
        self.way.push(action);
        match action {
            Action::Append => self.append(),
            Action::Claim(at) => self.claim(at),
            Action::Commit(at, old, next) => {
                let (Lease { lane, fence, holder }, last) = self.workers[at].leases[old].clone();
                let through = last.min(self.consumed - self.before + 1);
                let commit = Commit::new(lane, fence, holder);
                self.commit(at, commit.through(through).seen(last).next(next));
            }
            Action::Repeat(at) => {
                let commit = self.workers[at].done.clone().unwrap();
                self.commit(at, commit);
            }
            Action::Extend(at, old, term) => self.extend(at, old, term),
            Action::HalfTerm => self.now = self.now + HALF,
        }
    }

    fn is_current(&self, lease: &Lease) -> bool {
        self.current.as_ref().is_some_and(|(current, _)| current == lease)
    }

    fn append(&mut self) {
        self.appended += 1;
        let entry = Entry { lane: lane(), body: vec![self.appended as u8] };
        self.store.perform(Request::Append(vec![entry]), self.now);
        if self.current.is_none() {
            self.due = Some(self.due.map_or(self.now, |due| due.min(self.now)));
        }
    }

    /// A worker has another lease.
    fn give(&mut self, at: usize, lease: Lease, last: u64) {
        assert!(lease.fence > self.highest, "{self}: a fence is not greater than all before");
        self.highest = lease.fence;
        self.workers[at].leases.push_front((lease, last));
        self.workers[at].leases.truncate(REMEMBERED);
    }

    /// When the lane may be claimed.
    fn free_at(&self) -> Option<Mono> {
        self.current.as_ref().map_or(self.due, |(_, until)| Some(*until))
    }

    fn claim(&mut self, at: usize) {
        self.holders += 1;
        let (holder, store) = (Holder(self.holders), self.store.clone());
        let is_free = self.free_at().is_some_and(|free| free <= self.now);
        let Some(claimed) = claim(&mut self.store, holder, self.now) else {
            assert!(!is_free, "{self}: nobody is given a lane that is due");
            assert!(self.store == store, "{self}: a claim of nothing changes something");
            return;
        };
        assert!(is_free, "{self}: a lane is given that is not due, or whose term is not over");
        self.check_claimed(&claimed);
        let head = self.consumed - self.before;
        let last = claimed.entries.last().map_or(head, |(number, _)| *number);
        let lease = Lease { lane: lane(), fence: claimed.fence, holder };
        self.give(at, lease.clone(), last);
        self.current = Some((lease, self.now + TERM));
        (self.due, self.committed) = (None, None);
    }

    /// What is not consumed is given, in order.
    fn check_claimed(&self, claimed: &Claimed) {
        assert_eq!(claimed.taken_over, self.current.is_some(), "{self}");
        let left = self.consumed + 1..=self.appended;
        let left: Vec<_> = left.map(|entry| (entry - self.before, vec![entry as u8])).collect();
        assert_eq!(claimed.entries, left, "{self}");
    }

    fn extend(&mut self, at: usize, old: usize, term: Duration) {
        let (lease, _) = self.workers[at].leases[old].clone();
        let store = self.store.clone();
        let request = Request::Extend { leases: vec![lease.clone()], term };
        let answer = self.store.perform(request, self.now);
        let is_current = self.is_current(&lease);
        assert_eq!(answer, Answer::Extended(vec![is_current]), "{self}");
        match is_current {
            true => self.current = Some((lease, self.now + term)),
            false => assert!(self.store == store, "{self}: an extension without a lease counts"),
        }
    }

    fn commit(&mut self, at: usize, commit: Commit) {
        let Commit { lease, through, seen, next, .. } = commit.clone();
        let store = self.store.clone();
        let answer = self.store.perform(Request::Commit(vec![commit.clone()]), self.now);
        let Answer::Committed(answer) = answer else { panic!("no answer to a commit") };
        if !self.is_current(&lease) {
            let repeated = self.committed.as_ref().filter(|(committed, _)| *committed == lease);
            assert_eq!(answer, [repeated.map(|(_, fence)| *fence)], "{self}");
            assert!(self.store == store, "{self}: a commit without a lease counts");
            return;
        }
        let [Some(fence)] = answer[..] else { panic!("{self}: the holder's commit is lost") };
        assert!(self.spent.insert(lease.fence), "{self}: two commits under one fence");
        self.workers[at].done = Some(commit);
        self.consumed = self.consumed.max(self.before + through);
        let new = Lease { fence, ..lease.clone() };
        self.give(at, new.clone(), seen);
        self.committed = Some((lease, fence));
        let has_unseen = self.appended > self.before + seen;
        let has_entries = self.appended > self.consumed;
        self.current = None;
        self.due = None;
        match next {
            Next::Hold(term) => self.current = Some((new, self.now + term)),
            _ if has_unseen => self.due = Some(self.now),
            Next::After(pause) => self.due = Some(self.now + pause),
            Next::Gone if has_entries => self.due = Some(self.now),
            Next::Gone => {
                self.before = self.appended;
                self.committed = None;
            }
            Next::Idle => {}
        }
    }

    /// A lease that nobody was given, of the fence of one and the holder of another, changes nothing.
    fn check_forged(&self) {
        let mut store = self.store.clone();
        let leases = || self.workers.iter().flat_map(|worker| &worker.leases).map(|(one, _)| one);
        for (one, other) in leases().flat_map(|one| leases().map(move |other| (one, other))) {
            if one.holder == other.holder {
                continue;
            }
            let commit = Commit::new(lane(), one.fence, other.holder).through(1).next(Next::Gone);
            let forged = Request::Extend { leases: vec![commit.lease.clone()], term: TERM * 9 };
            let answer = store.perform(forged, self.now);
            assert_eq!(answer, Answer::Extended(vec![false]), "{self}: {:?}", commit.lease);
            let answer = store.perform(Request::Commit(vec![commit]), self.now);
            assert_eq!(answer, Answer::Committed(vec![None]), "{self}: {one:?} {other:?}");
        }
        assert!(store == self.store, "{self}: a lease that nobody was given counts");
    }

    /// Nobody else shortens or lengthens what a lane waits for, by a nanosecond.
    fn check_free(&self) {
        let stranger = Holder(u128::MAX);
        let Some(free) = self.free_at() else {
            let later = self.now + TERM * 100;
            let given = claim(&mut self.store.clone(), stranger, later);
            assert!(given.is_none(), "{self}: a lane is due for no reason");
            return;
        };
        if free > self.now {
            let before = Mono::from_origin(free.elapsed_from_origin() - MOMENT);
            let given = claim(&mut self.store.clone(), stranger, before);
            assert!(given.is_none(), "{self}: a lane is given before its time");
        }
        let given = claim(&mut self.store.clone(), stranger, free.max(self.now));
        let given = given.unwrap_or_else(|| panic!("{self}: a lane is not given in time"));
        self.check_claimed(&given);
    }

    /// Tells states apart. Fences count by their order alone, and it does not matter which worker is which.
    fn key(&self) -> (u64, Vec<Vec<u64>>) {
        let mut digest = Digest::new(self.now, Duration::ZERO);
        digest.take(&self.store.describe(self.now));
        digest.take(&format!("{:?} {}", self.now.elapsed_from_origin(), self.appended));
        let leases = || self.workers.iter().flat_map(|worker| &worker.leases);
        let place = |fence: Fence| leases().filter(|(other, _)| other.fence < fence).count() as u64;
        let of_worker = |worker: &Worker| -> Vec<u64> {
            let leases = worker.leases.iter().flat_map(|(lease, last)| {
                let is_committed = self.committed.as_ref().is_some_and(|(one, _)| one == lease);
                let counts = u64::from(self.is_current(lease)) + 2 * u64::from(is_committed);
                [place(lease.fence), *last, counts]
            });
            let done = worker.done.iter().flat_map(|commit| {
                let is_last = self.committed.as_ref().is_some_and(|(one, _)| *one == commit.lease);
                [place(commit.lease.fence), u64::from(is_last)]
            });
            leases.chain(done).collect()
        };
        let mut workers: Vec<Vec<u64>> = self.workers.iter().map(of_worker).collect();
        workers.sort();
        (digest.hash(), workers)
    }
}

/// Goes to every state, and returns how many there are.
fn explore(world: World) -> usize {
    let start = State::new(world);
    let mut seen = BTreeSet::from([start.key()]);
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        state.check_forged();
        state.check_free();
        for action in state.actions() {
            let mut next = state.clone();
            next.perform(action);
            if seen.insert(next.key()) {
                assert!(seen.len() <= MOST, "the world is too large: {world:?}");
                queue.push_back(next);
            }
        }
    }
    seen.len()
}

#[test]
fn no_two_workers_commit_under_one_fence() {
    let states = explore(World { workers: 2, entries: 2, half_terms: 5 });
    assert!(states >= 24_000, "{states}");
}

#[test]
fn no_late_worker_of_three_commits() {
    let states = explore(World { workers: 3, entries: 1, half_terms: 4 });
    assert!(states >= 4_800, "{states}");
}
