//! Many at once on one store, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, CellId, Claimed, Commit, Entry, Holder, LaneId, LaneKind, Lease, Listed, Next, Request,
    Store, StoreError,
};
use lp_connector_core::id::AccountId;

const THREADS: u64 = 8;
const ROUNDS: u64 = 60;
/// The lanes that are worked on at a time, and for how many rounds. A lane that is stuck stays so then: nothing makes it
/// due again.
const LANES: u64 = 4;
const STAY: u64 = 5;
/// Longer than any test: it never ends.
const TERM: Duration = Duration::from_secs(3600);

/// What is wrong with a store that many work on at once.
///
/// Each thread appends to two lanes, in this order or in that one; claims two; and commits both with an append to
/// one another and with two cells, in this order or in that one. In the end what is left is claimed by one alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Disorder {
    /// An entry that was acknowledged is not there.
    Lost,
    /// An entry is there twice.
    Doubled,
    /// The entries of a lane, or those of one thread in it, are not in order.
    OutOfOrder,
    /// A lane has entries, and is never due.
    Stuck,
    /// Two hold a lane.
    HeldTwice,
    /// A holder within its term lost its lane.
    LeaseLost,
    /// A transaction was repeated because it met another one in a circle.
    Repeated,
    /// A request failed.
    Failed,
}

#[derive(Default)]
struct Ledger {
    appended: BTreeSet<Vec<u8>>,
    consumed: BTreeMap<LaneId, Vec<(u64, Vec<u8>)>>,
    held: BTreeSet<LaneId>,
    found: BTreeSet<Disorder>,
}

/// Lets threads work on connections to one store, and tells what is wrong with it.
pub fn storm<S: Store>(stores: &[S]) -> BTreeSet<Disorder> {
    let ledger = Mutex::new(Ledger::default());
    // Lanes and cells are there: what is new has no row to lock.
    let round = Round { store: &stores[0], ledger: &ledger, thread: THREADS, round: 0 };
    round.note(round.append(&(0..=ROUNDS / STAY * LANES + LANES).map(lane).collect::<Vec<_>>()));
    round.note(round.drain().map(drop));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let ledger = &ledger;
            let store = &stores[thread as usize % stores.len()];
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let round = Round { store, ledger, thread, round: round + 1 };
                    let (one, other) = round.pair();
                    round.note(round.append(&[lane(one), lane(other)]));
                    round.note(round.work());
                }
            });
        }
    });
    // No thread works any more: what is due is given to this one.
    for last in 0.. {
        let round = Round { store: &stores[0], ledger: &ledger, thread: THREADS + 1, round: last };
        match round.drain() {
            Ok(0) => break,
            outcome => round.note(outcome.map(drop)),
        }
    }
    let mut ledger = ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
    ledger.close(stores);
    ledger.found
}

/// Lets threads swap one cell, which is removed now and then: of those who saw a version, one succeeds.
pub fn one_wins_each_swap<S: Store>(stores: &[S]) -> bool {
    let cell = CellId { account: account(), key: "token".into() };
    let winners: Mutex<BTreeSet<u64>> = Mutex::default();
    let doubled: Mutex<bool> = Mutex::default();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (cell, winners, doubled) = (&cell, &winners, &doubled);
            let store = &stores[thread as usize % stores.len()];
            scope.spawn(move || {
                for round in 0..40_u64 {
                    let read = Request::Read(vec![cell.clone()]);
                    let Answer::Cells(found) = store.perform(read).unwrap() else { panic!() };
                    let seen = found[0].as_ref().map_or(0, |cell| cell.version);
                    let value = [thread.to_be_bytes(), round.to_be_bytes()].concat();
                    let swap = Request::Swap { cell: cell.clone(), seen, value, life: None };
                    let Answer::Swapped(is_ours) = store.perform(swap).unwrap() else { panic!() };
                    if is_ours && !winners.lock().unwrap().insert(seen) {
                        *doubled.lock().unwrap() = true;
                    }
                }
            });
        }
    });
    let (winners, doubled) = (winners.into_inner().unwrap(), doubled.into_inner().unwrap());
    assert!(winners.len() >= 40, "somebody wins each round");
    !doubled
}

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

fn lane(number: u64) -> LaneId {
    LaneId::new(account(), LaneKind::Consumer, number.to_string())
}

fn cell(number: u64) -> CellId {
    CellId { account: account(), key: number.to_string() }
}

struct Round<'a, S> {
    store: &'a S,
    ledger: &'a Mutex<Ledger>,
    thread: u64,
    round: u64,
}

impl<S: Store> Round<'_, S> {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, outcome: Result<(), StoreError>) {
        if let Err(error) = outcome {
            println!("{error}");
            self.ledger().found.insert(Disorder::Failed);
        }
    }

    /// Two of a few, in this order for one thread, and in that one for the next.
    fn pair(&self) -> (u64, u64) {
        let from = self.round / STAY * LANES;
        let (one, other) = (from + self.round % LANES, from + (self.round + 1) % LANES);
        if self.thread.is_multiple_of(2) { (one, other) } else { (other, one) }
    }

    fn body(&self, place: u64) -> Vec<u8> {
        [self.thread, self.round, place].map(u64::to_be_bytes).concat()
    }

    fn append(&self, lanes: &[LaneId]) -> Result<(), StoreError> {
        let entries: Vec<Entry> = (0..)
            .zip(lanes)
            .map(|(place, lane)| Entry { lane: lane.clone(), body: self.body(place) })
            .collect();
        self.store.perform(Request::Append(entries.clone()))?;
        self.ledger().appended.extend(entries.into_iter().map(|entry| entry.body));
        Ok(())
    }

    fn holder(&self) -> Holder {
        Holder(u128::from(self.thread) << 64 | u128::from(self.round))
    }

    fn claim(&self, lanes: usize, entries: usize) -> Result<Vec<Claimed>, StoreError> {
        let holder = self.holder();
        let claim = Request::Claim { holder, lanes, entries, term: TERM, speaks: 1 };
        let Answer::Claimed(claimed) = self.store.perform(claim)? else { panic!() };
        let mut ledger = self.ledger();
        for one in &claimed {
            if !ledger.held.insert(one.lane.clone()) || one.taken_over {
                ledger.found.insert(Disorder::HeldTwice);
            }
        }
        Ok(claimed)
    }

    /// Claims two lanes, extends them in the other order, and commits them with appends and cells.
    fn work(&self) -> Result<(), StoreError> {
        let claimed = self.claim(2, 3)?;
        let lease = |one: &Claimed| Lease {
            lane: one.lane.clone(),
            fence: one.fence,
            holder: self.holder(),
        };
        let leases: Vec<Lease> = claimed.iter().rev().map(lease).collect();
        let extended = self.store.perform(Request::Extend { leases, term: TERM })?;
        if extended != Answer::Extended(vec![true; claimed.len()]) {
            self.ledger().found.insert(Disorder::LeaseLost);
        }
        let (one, other) = self.pair();
        let mut append = (2..).zip([lane(one), lane(other)]);
        let commits = claimed.iter().map(|claimed| {
            let last = claimed.entries.last().map_or(0, |(number, _)| *number);
            let commit = Commit::new(claimed.lane.clone(), claimed.fence, self.holder());
            let commit = commit.through(last).seen(last).next(Next::Idle);
            let commit = match append.next() {
                // Not for ever: each round adds less than it takes.
                Some((place, lane)) if self.round % 4 == 1 => {
                    commit.append(Entry { lane, body: self.body(place) })
                }
                _ => commit,
            };
            let written = |number| (cell(number), self.body(0));
            let (first, second) = (written(one), written(other));
            commit.cell(first.0, first.1).cell(second.0, second.1)
        });
        self.commit(&claimed, commits.collect())
    }

    fn commit(&self, claimed: &[Claimed], commits: Vec<Commit>) -> Result<(), StoreError> {
        // Noted before it is committed: afterwards another one may have the lane already.
        let mut ledger = self.ledger();
        for one in claimed {
            ledger.consumed.entry(one.lane.clone()).or_default().extend(one.entries.clone());
            ledger.held.remove(&one.lane);
        }
        drop(ledger);
        let answer = self.store.perform(Request::Commit(commits.clone()))?;
        let Answer::Committed(done) = answer else { panic!() };
        let mut ledger = self.ledger();
        for (commit, fence) in commits.into_iter().zip(done) {
            match fence {
                Some(_) => {
                    ledger.appended.extend(commit.append.into_iter().map(|entry| entry.body));
                }
                None => drop(ledger.found.insert(Disorder::LeaseLost)),
            }
        }
        Ok(())
    }

    fn drain(&self) -> Result<usize, StoreError> {
        let claimed = self.claim(usize::MAX, usize::MAX)?;
        let commits = claimed.iter().map(|one| {
            let last = one.entries.last().map_or(0, |(number, _)| *number);
            Commit::new(one.lane.clone(), one.fence, self.holder()).through(last).seen(last)
        });
        self.commit(&claimed, commits.collect())?;
        Ok(claimed.len())
    }
}

impl Ledger {
    fn close<S: Store>(&mut self, stores: &[S]) {
        let what = Listed::Lanes { account: None, kind: LaneKind::Consumer };
        let list = Request::List { what, after: None, limit: usize::MAX };
        let Ok(Answer::Listed(lanes)) = stores[0].perform(list) else { panic!() };
        let waiting: u64 = lanes.iter().map(|lane| lane.summary.entries).sum();
        if waiting > 0 {
            self.found.insert(Disorder::Stuck);
        }
        let mut seen = BTreeSet::new();
        for entries in self.consumed.values() {
            let is_next = |pair: &[(u64, Vec<u8>)]| pair[1].0 == pair[0].0 + 1;
            let own = |thread: u64| -> Vec<&Vec<u8>> {
                let bodies = entries.iter().map(|(_, body)| body);
                // What was appended by itself: a commit's appends take effect later than they are written.
                bodies.filter(|body| body[..8] == thread.to_be_bytes() && body[23] < 2).collect()
            };
            if !entries.windows(2).all(is_next) || !(0..THREADS).all(|one| own(one).is_sorted()) {
                self.found.insert(Disorder::OutOfOrder);
            }
            for (_, body) in entries {
                if !seen.insert(body.clone()) {
                    self.found.insert(Disorder::Doubled);
                }
            }
        }
        let missing = self.appended.difference(&seen).count() as u64;
        if missing > waiting {
            self.found.insert(Disorder::Lost);
        }
        if stores.iter().any(|store| store.facts().unwrap().repeated > 0) {
            self.found.insert(Disorder::Repeated);
        }
    }
}
