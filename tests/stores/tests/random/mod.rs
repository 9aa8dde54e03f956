//! Random requests, and what they refer to.

use std::collections::BTreeMap;
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, CellId, Commit, Entry, Fence, Holder, LaneId, LaneKind, Lease, Listed, Next, Record,
    Request,
};
use lp_connector_core::id::AccountId;
use proptest::collection::vec;
use proptest::prelude::*;

/// A request, before it is known which leases there are; or a pause.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Append(Vec<(usize, u8)>),
    Claim { lanes: usize, entries: usize, term: u64, speaks: u16 },
    Commit(Vec<CommitOp>),
    Extend(Vec<Pick>, u64),
    Read(Vec<usize>),
    Swap { cell: usize, seen: u64, value: u8, life: Option<u64> },
    List { what: usize, after: Option<usize>, limit: usize },
    Wait(u64),
}

/// A lease that there was: mostly one of the last, mostly as it was.
#[derive(Clone, Debug)]
pub(crate) struct Pick {
    back: usize,
    wrong: Wrong,
}

#[derive(Clone, Debug)]
enum Wrong {
    Nothing,
    Fence(i8),
    Holder,
    Lane(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct CommitOp {
    pick: Pick,
    through: Number,
    seen: Number,
    record: Option<(u16, u8)>,
    append: Vec<(usize, u8)>,
    cells: Vec<(usize, u8)>,
    next: NextOp,
    /// Ask again for the commit that was asked for last.
    is_repeated: bool,
}

/// A number of an entry, counted from what was given with the lease.
#[derive(Clone, Debug)]
enum Number {
    None,
    Given(u64),
    Beyond(u64),
    All,
}

#[derive(Clone, Debug)]
enum NextOp {
    Hold(u64),
    After(u64),
    Idle,
    Gone,
}

/// Few names, so that requests meet.
const LANES: usize = 5;
const CELLS: usize = 3;

pub(crate) fn lanes() -> Vec<LaneId> {
    let account = |id: &str| AccountId::new(id).unwrap();
    vec![
        LaneId::new(account("1"), LaneKind::Consumer, "ada"),
        LaneId::new(account("1"), LaneKind::Consumer, "bob"),
        LaneId::new(account("1"), LaneKind::Conversation, "ada"),
        LaneId::new(account("2"), LaneKind::Consumer, "ada"),
        LaneId::new(account("1"), LaneKind::DeadLetter, "z"),
    ]
}

pub(crate) fn cells() -> Vec<CellId> {
    let cell = |account: &str, key: &str| CellId {
        account: AccountId::new(account).unwrap(),
        key: key.into(),
    };
    vec![cell("1", "a"), cell("1", "b"), cell("2", "a")]
}

/// A time in microseconds: often the same, so that ends are met exactly.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![4 => prop::sample::select(vec![0, 1, 5, 10]), 1 => 0..40u64]
}

fn pick() -> impl Strategy<Value = Pick> {
    let back = prop_oneof![6 => Just(0), 3 => 1..4usize, 1 => 4..20usize];
    let wrong = prop_oneof![
        12 => Just(Wrong::Nothing),
        1 => (-2..3i8).prop_map(Wrong::Fence),
        1 => Just(Wrong::Holder),
        1 => (0..LANES).prop_map(Wrong::Lane),
    ];
    (back, wrong).prop_map(|(back, wrong)| Pick { back, wrong })
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        2 => Just(Number::None),
        4 => (0..4u64).prop_map(Number::Given),
        1 => (1..4u64).prop_map(Number::Beyond),
        1 => Just(Number::All),
    ]
}

fn appended() -> impl Strategy<Value = Vec<(usize, u8)>> {
    vec((0..LANES, 0..4u8), 0..3)
}

fn commit() -> impl Strategy<Value = CommitOp> {
    let next = prop_oneof![
        3 => time().prop_map(NextOp::Hold),
        2 => time().prop_map(NextOp::After),
        3 => Just(NextOp::Idle),
        2 => Just(NextOp::Gone),
    ];
    (
        pick(),
        number(),
        number(),
        prop::option::of((0..4u16, any::<u8>())),
        appended(),
        vec((0..CELLS, 0..4u8), 0..2),
        next,
        prop::bool::weighted(0.2),
    )
        .prop_map(|(pick, through, seen, record, append, cells, next, is_repeated)| CommitOp {
            pick,
            through,
            seen,
            record,
            append,
            cells,
            next,
            is_repeated,
        })
}

fn op() -> impl Strategy<Value = Op> {
    let claim = (0..5usize, 0..5usize, time(), 0..4u16)
        .prop_map(|(lanes, entries, term, speaks)| Op::Claim { lanes, entries, term, speaks });
    let swap = (0..CELLS, 0..4u64, 0..3u8, prop::option::of(time()))
        .prop_map(|(cell, seen, value, life)| Op::Swap { cell, seen, value, life });
    let list = (0..4 + LANES, prop::option::of(0..LANES), 0..5usize)
        .prop_map(|(what, after, limit)| Op::List { what, after, limit });
    prop_oneof![
        5 => appended().prop_map(Op::Append),
        5 => claim,
        7 => vec(commit(), 1..3).prop_map(Op::Commit),
        2 => (vec(pick(), 1..3), time()).prop_map(|(leases, term)| Op::Extend(leases, term)),
        2 => vec(0..CELLS, 0..4).prop_map(Op::Read),
        2 => swap,
        1 => list,
        5 => time().prop_map(Op::Wait),
    ]
}

/// A run of a few programs over one store.
pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 1..50)
}

/// A cell's value: 0 removes it.
fn value_of(value: u8) -> Vec<u8> {
    vec![value; usize::from(value > 0)]
}

/// What a run knows: the leases that were given, newest last, with the last number that was given with each.
#[derive(Debug, Default)]
pub(crate) struct Run {
    leases: Vec<(Lease, u64)>,
    holders: u128,
    bodies: u32,
    last_commit: Option<Commit>,
    /// The versions of the cells that were read last.
    versions: BTreeMap<usize, u64>,
}

impl Run {
    /// The request that an operation is at this point, or the time to wait.
    pub(crate) fn request(&mut self, op: &Op) -> Result<Request, Duration> {
        Ok(match op {
            Op::Append(entries) => Request::Append(self.entries(entries)),
            Op::Claim { lanes, entries, term, speaks } => {
                self.holders += 1;
                let holder = Holder(self.holders << 100);
                let term = Duration::from_micros(*term);
                Request::Claim { holder, lanes: *lanes, entries: *entries, term, speaks: *speaks }
            }
            Op::Commit(commits) => {
                Request::Commit(commits.iter().filter_map(|one| self.commit(one)).collect())
            }
            Op::Extend(picks, term) => {
                let leases = picks.iter().filter_map(|pick| self.lease(pick));
                Request::Extend {
                    leases: leases.map(|(lease, _)| lease).collect(),
                    term: Duration::from_micros(*term),
                }
            }
            Op::Read(which) => {
                Request::Read(which.iter().map(|one| cells()[*one].clone()).collect())
            }
            Op::Swap { cell, seen, value, life } => Request::Swap {
                cell: cells()[*cell].clone(),
                // None, what was read last, or one beside it.
                seen: match seen {
                    0 => 0,
                    other => {
                        (self.versions.get(cell).copied().unwrap_or(0) + other).saturating_sub(1)
                    }
                },
                value: value_of(*value),
                life: life.map(Duration::from_micros),
            },
            Op::List { what, after, limit } => {
                let after = after.map(|after| lanes()[after].clone());
                let what = match what {
                    0 => Listed::Lanes { account: None, kind: LaneKind::Consumer },
                    1 => Listed::Lanes { account: None, kind: LaneKind::DeadLetter },
                    2 | 3 => {
                        let account = Some(AccountId::new((what - 1).to_string()).unwrap());
                        Listed::Lanes { account, kind: LaneKind::Consumer }
                    }
                    lane => Listed::Lane(lanes()[lane - 4].clone()),
                };
                Request::List { what, after, limit: *limit }
            }
            Op::Wait(time) => return Err(Duration::from_micros(*time)),
        })
    }

    /// Remembers the leases of an answer.
    pub(crate) fn learn(&mut self, request: &Request, answer: &Answer) {
        match (request, answer) {
            (Request::Claim { holder, .. }, Answer::Claimed(claimed)) => {
                for one in claimed {
                    let lease = Lease { lane: one.lane.clone(), fence: one.fence, holder: *holder };
                    self.leases.push((lease, one.entries.last().map_or(0, |(number, _)| *number)));
                }
            }
            (Request::Commit(commits), Answer::Committed(fences)) => {
                for (commit, fence) in commits.iter().zip(fences) {
                    if let Some(fence) = fence {
                        let lease = Lease { fence: *fence, ..commit.lease.clone() };
                        self.leases.push((lease, commit.seen.min(50)));
                    }
                }
            }
            (Request::Read(which), Answer::Cells(found)) => {
                for (id, cell) in which.iter().zip(found) {
                    let number = cells().iter().position(|one| one == id);
                    if let (Some(number), Some(cell)) = (number, cell) {
                        self.versions.insert(number, cell.version);
                    }
                }
            }
            _ => {}
        }
    }

    /// Each body is another, so that none can stand for another.
    fn entries(&mut self, entries: &[(usize, u8)]) -> Vec<Entry> {
        let mut entry = |(lane, size): &(usize, u8)| {
            self.bodies += 1;
            let mut body = self.bodies.to_be_bytes().to_vec();
            body.resize(4 + usize::from(*size), 0);
            Entry { lane: lanes()[*lane].clone(), body }
        };
        entries.iter().map(&mut entry).collect()
    }

    fn lease(&self, pick: &Pick) -> Option<(Lease, u64)> {
        let at = self.leases.len().checked_sub(1 + pick.back)?;
        let (mut lease, given) = self.leases[at].clone();
        match pick.wrong {
            Wrong::Nothing => {}
            Wrong::Fence(by) => lease.fence = Fence(lease.fence.0.saturating_add_signed(by.into())),
            Wrong::Holder => lease.holder = Holder(lease.holder.0 + 1),
            Wrong::Lane(lane) => lease.lane = lanes()[lane].clone(),
        }
        Some((lease, given))
    }

    fn commit(&mut self, op: &CommitOp) -> Option<Commit> {
        if op.is_repeated {
            return self.last_commit.clone();
        }
        let (Lease { lane, fence, holder }, given) = self.lease(&op.pick)?;
        let number = |number: &Number| match number {
            Number::None => 0,
            Number::Given(less) => given.saturating_sub(*less),
            Number::Beyond(more) => given + more,
            Number::All => u64::MAX,
        };
        let mut commit =
            Commit::new(lane, fence, holder).through(number(&op.through)).seen(number(&op.seen));
        if let Some((version, body)) = op.record {
            commit = commit.record(Record { version, body: vec![body] });
        }
        for entry in self.entries(&op.append) {
            commit = commit.append(entry);
        }
        for (cell, value) in &op.cells {
            commit = commit.cell(cells()[*cell].clone(), value_of(*value));
        }
        let commit = commit.next(match op.next {
            NextOp::Hold(term) => Next::Hold(Duration::from_micros(term)),
            NextOp::After(pause) => Next::After(Duration::from_micros(pause)),
            NextOp::Idle => Next::Idle,
            NextOp::Gone => Next::Gone,
        });
        self.last_commit = Some(commit.clone());
        Some(commit)
    }
}
