//! The order in which rows are locked.
//!
//! If it is the same for all transactions, no two of them wait for each other in a circle. So one that waits for the
//! lower of two rows has not taken the higher one: that is tried for each request that takes two rows.

use lp_connector_core::bridge::store::{CellId, Claimed, Commit, LaneId, LaneKind, Lease, Request};
use lp_connector_core::id::AccountId;

use super::meeting::{HOLDER, Meeting, TERM, entry};

/// True if some request locks rows in another order than that of their keys.
pub(super) fn is_broken(url: &str) -> bool {
    let meeting = Meeting::new(url);
    !lanes_keep_it(&meeting) || !cells_keep_it(&meeting)
}

/// The request waits for who has the lower row, and has not taken the higher one.
fn keeps_it(meeting: &Meeting, low: &str, high: &str, request: Request) -> bool {
    let met = meeting.meet(low, request);
    let is_free = met.waits() && meeting.is_free(high);
    met.roll_back();
    is_free
}

fn account(number: u32) -> AccountId {
    AccountId::new(number.to_string()).unwrap()
}

/// Two lanes of their own in order, which differ by key, by kind and by account. "B" is before "a", as in no language.
fn lanes(number: u32) -> [[LaneId; 2]; 3] {
    let lane = |at, kind, key| LaneId::new(account(at), kind, format!("{number}{key}"));
    let (first, last) = (LaneKind::ALL[0], LaneKind::ALL[1]);
    [
        [lane(1, first, "B"), lane(1, first, "a")],
        [lane(1, first, "d"), lane(1, last, "c")],
        [lane(1, last, "f"), lane(2, first, "e")],
    ]
}

/// Takes the row of a lane, and makes it where there is none.
fn take_lane(lane: &LaneId) -> String {
    format!(
        "INSERT INTO lp_lane (account, kind, key, held, fence, head, tail)
         VALUES ('{}', {}, '{}', false, 0, 0, 0)
         ON CONFLICT (account, kind, key) DO UPDATE SET head = lp_lane.head RETURNING 1",
        lane.account().as_str(),
        lane.kind().number(),
        lane.key()
    )
}

/// A request for two lanes, in this order.
type OfLanes = fn(&Meeting, [&LaneId; 2]) -> Request;

const OF_LANES: &[OfLanes] = &[
    // To lanes that are there, to one that is there and one that is not, and to new ones.
    |meeting, lanes| {
        meeting.lease(&lanes);
        append(lanes)
    },
    |meeting, lanes| {
        meeting.lease(&lanes[..1]);
        append(lanes)
    },
    |_, lanes| append(lanes),
    |meeting, lanes| {
        let leases = meeting.lease(&lanes).into_iter().map(lease).collect();
        Request::Extend { leases, term: TERM }
    },
    // Commits without entries, with one for another lane, with one for each other, and for two others.
    |meeting, lanes| Request::Commit(meeting.lease(&lanes).iter().map(commit).collect()),
    |meeting, lanes| {
        let own = meeting.lease(&lanes);
        Request::Commit(vec![commit(&own[0]).append(entry(lanes[1]))])
    },
    |meeting, lanes| {
        let own = meeting.lease(&lanes);
        let to = |at: usize, lane| commit(&own[at]).append(entry(lane));
        Request::Commit(vec![to(0, lanes[1]), to(1, lanes[0])])
    },
    |meeting, lanes| {
        meeting.lease(&lanes);
        let [third, _] = thirds(lanes[0].key());
        let own = meeting.lease(&[&third]);
        let commit = commit(&own[0]).append(entry(lanes[0])).append(entry(lanes[1]));
        Request::Commit(vec![commit])
    },
];

fn append(lanes: [&LaneId; 2]) -> Request {
    Request::Append(lanes.into_iter().map(entry).collect())
}

fn lease(one: Claimed) -> Lease {
    Lease { lane: one.lane, fence: one.fence, holder: HOLDER }
}

fn commit(one: &Claimed) -> Commit {
    Commit::new(one.lane.clone(), one.fence, HOLDER)
}

/// Two lanes that nobody else is at.
fn thirds(key: &str) -> [LaneId; 2] {
    ["y", "z"].map(|end| LaneId::new(account(3), LaneKind::Consumer, format!("{key}{end}")))
}

fn lanes_keep_it(meeting: &Meeting) -> bool {
    let mut number = 0;
    OF_LANES.iter().all(|request| {
        [false, true].into_iter().all(|turned| {
            number += 1;
            lanes(number).iter().all(|[low, high]| {
                let request = request(meeting, if turned { [high, low] } else { [low, high] });
                keeps_it(meeting, &take_lane(low), &take_lane(high), request)
            })
        })
    })
}

/// Takes the row of a cell, and makes it where there is none.
fn take_cell(cell: &CellId) -> String {
    format!(
        "INSERT INTO lp_cell VALUES ('{}', '{}', 1, NULL, 'x')
         ON CONFLICT (account, key) DO UPDATE SET value = lp_cell.value RETURNING 1",
        cell.account.as_str(),
        cell.key
    )
}

/// Two cells of their own in order, which differ by key and by account.
fn cells(number: u32) -> [[CellId; 2]; 2] {
    let cell = |at, key| CellId { account: account(at), key: format!("c{number}{key}") };
    [[cell(1, "B"), cell(1, "a")], [cell(1, "d"), cell(2, "c")]]
}

/// Cells that are there and cells that are not, which are written and removed, by one commit and by two.
fn cells_keep_it(meeting: &Meeting) -> bool {
    (0..64).all(|number: u32| {
        let is = |bit: u32| number >> bit & 1 == 1;
        cells(number).iter().all(|pair| {
            for (_, cell) in (0..).zip(pair).filter(|(at, _)| is(*at)) {
                meeting.run(&take_cell(cell));
            }
            let value = |removed: bool| if removed { Vec::new() } else { vec![1] };
            let mut written = [(pair[0].clone(), value(is(2))), (pair[1].clone(), value(is(3)))];
            if is(4) {
                written.reverse();
            }
            let [one, other] = written;
            let thirds = thirds(&pair[0].key);
            let own = meeting.lease(&[&thirds[0], &thirds[1]]);
            let first = commit(&own[0]).cell(one.0, one.1);
            let commits = match is(5) {
                true => vec![first, commit(&own[1]).cell(other.0, other.1)],
                false => vec![first.cell(other.0, other.1)],
            };
            keeps_it(meeting, &take_cell(&pair[0]), &take_cell(&pair[1]), Request::Commit(commits))
        })
    })
}
