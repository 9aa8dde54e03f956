//! What one of two transactions does while the other one is not yet at its end.

use lp_connector_core::bridge::store::{Answer, CellId, Commit, LaneId, LaneKind, Next, Request};
use lp_connector_core::id::AccountId;

use super::meeting::{HOLDER, Meeting, claim, entry};

fn lane(key: &str) -> LaneId {
    LaneId::new(AccountId::new("1").unwrap(), LaneKind::Consumer, key)
}

/// True if a lane is given that somebody is claiming at this moment, or if a claim waits for that.
pub(super) fn claims(url: &str) -> bool {
    let meeting = Meeting::new(url);
    meeting.perform(Request::Append(vec![entry(&lane("ada"))]));
    let met = meeting.meet("SELECT * FROM lp_claim('', 9, 9, 3600000000000, 1, 0, 9999)", claim());
    let waits = met.waits();
    met.commit() != Answer::Claimed(Vec::new()) || waits
}

/// True if a commit that waits for an append leaves the lane without a due time.
pub(super) fn sticks(url: &str) -> bool {
    let meeting = Meeting::new(url);
    let lane = lane("ada");
    let own = meeting.lease(&[&lane]);
    let last = own[0].entries.last().map_or(0, |(number, _)| *number);
    let commit = Commit::new(lane, own[0].fence, HOLDER).through(last).seen(last).next(Next::Idle);
    let met = meeting.meet(
        "SELECT lp_append(ARRAY['1'], ARRAY[1::smallint], ARRAY['ada'], ARRAY['x'::bytea])",
        Request::Commit(vec![commit]),
    );
    assert!(met.waits(), "the lane is locked");
    met.commit();
    let Answer::Claimed(claimed) = meeting.perform(claim()) else { panic!() };
    claimed.is_empty()
}

/// True if a swap succeeds that saw what is no longer there, or fails that saw what is.
pub(super) fn swaps(url: &str) -> bool {
    let meeting = Meeting::new(url);
    let account = AccountId::new("1").unwrap();
    let make = "INSERT INTO lp_cell VALUES ('1', 'new', 1, NULL, 'theirs')";
    let change = "UPDATE lp_cell SET version = 2, value = 'theirs' WHERE key = 'old'";
    let remove = "DELETE FROM lp_cell WHERE key = 'old'";
    let is_swapped = |other: &str, is_kept: bool| {
        meeting.run(
            "DELETE FROM lp_cell; INSERT INTO lp_cell VALUES ('1', 'old', 1, NULL, 'nobody''s')",
        );
        let (key, seen) = if other == make { ("new", 0) } else { ("old", 1) };
        let cell = CellId { account: account.clone(), key: key.into() };
        let swap = Request::Swap { cell, seen, value: b"ours".to_vec(), life: None };
        let met = meeting.meet(other, swap);
        let answer = if is_kept { met.commit() } else { met.roll_back() };
        answer == Answer::Swapped(true)
    };
    [make, change, remove].iter().any(|other| is_swapped(other, true) || !is_swapped(other, false))
}

/// True if a claim or the pruning waits for who is at one lane, and at one cell that has expired.
pub(super) fn waits(url: &str) -> bool {
    let meeting = Meeting::new(url);
    for key in ["ada", "bob"] {
        meeting.perform(Request::Append(vec![entry(&lane(key))]));
    }
    meeting.run("INSERT INTO lp_cell VALUES ('1', 'a', 1, 1, 'x'), ('1', 'b', 1, 1, 'x')");
    let both = "SELECT * FROM lp_lane WHERE key = 'ada' FOR UPDATE;
                SELECT * FROM lp_cell WHERE key = 'a' FOR UPDATE";
    let met = meeting.meet(both, claim());
    let pruned = meeting.is_free("SELECT 1 FROM lp_prune(9) AS removed WHERE removed = 1");
    let is_passed = !met.waits();
    let Answer::Claimed(claimed) = met.roll_back() else { panic!() };
    !pruned || !is_passed || claimed.len() != 1
}
