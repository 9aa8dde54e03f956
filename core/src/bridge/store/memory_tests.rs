//! What the store promises beyond what its drivers do. All of its cases are in `tests/stores`.

use std::time::Duration;

use super::*;
use crate::id::AccountId;
use crate::time::Mono;

#[test]
fn a_fence_of_an_earlier_holder_is_no_repeated_commit() {
    let mut store = MemoryStore::default();
    let mut perform = |request| store.perform(request, Mono::ZERO);
    let lane = LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, "ada");
    perform(Request::Append(vec![Entry { lane: lane.clone(), body: Vec::new() }]));
    let mut claim = |holder| {
        let term = Duration::from_secs(15);
        let claim = Request::Claim { holder, lanes: 1, entries: 1, term, speaks: 1 };
        let Answer::Claimed(claimed) = perform(claim) else { panic!() };
        let commit = Commit::new(lane.clone(), claimed[0].fence, holder);
        let commits = Request::Commit(vec![commit.clone()]);
        let Answer::Committed(done) = perform(commits) else { panic!() };
        assert!(done[0].is_some());
        commit
    };
    let (first, second) = (claim(Holder(1)), claim(Holder(2)));
    let claim = Request::Claim {
        holder: Holder(3),
        lanes: 1,
        entries: 1,
        term: Duration::from_secs(15),
        speaks: 1,
    };
    perform(claim);
    for fence in [first.lease.fence, second.lease.fence] {
        let commit = Commit::new(lane.clone(), fence, Holder(3));
        assert_eq!(perform(Request::Commit(vec![commit])), Answer::Committed(vec![None]));
    }
}
