//! What a claim counts. All cases that every store passes are in `tests/stores`.

use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Commit, Entry, Holder, LaneId, LaneKind, Record, Request, Store,
};
use lp_connector_core::id::AccountId;
use lp_connector_sqlite::{ClockReading, SqliteOptions};

#[test]
fn a_record_counts_towards_the_bytes_of_a_claim() {
    let directory = tempfile::tempdir().unwrap();
    // While the clock stands still, lanes are due together, and come by name.
    let time = Duration::from_secs(1000);
    let clock = move || ClockReading { boot: "test".into(), uptime: time, date: time };
    let options = SqliteOptions::default().clock(clock);
    let store = options.open(directory.path().join("bridge.db")).unwrap();
    let append = |key: &str, body: Vec<u8>| {
        let lane = LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, key);
        store.perform(Request::Append(vec![Entry { lane, body }])).unwrap();
    };
    let claim = || {
        let term = Duration::from_secs(15);
        let claim = Request::Claim { holder: Holder(7), lanes: 9, entries: 9, term, speaks: 1 };
        let Answer::Claimed(claimed) = store.perform(claim).unwrap() else { panic!() };
        claimed
    };
    let half = vec![b'x'; 8 * 1024 * 1024];
    append("ada", Vec::new());
    let held = claim().remove(0);
    let record = Record { version: 1, body: half.clone() };
    let commit = Commit::new(held.lane, held.fence, Holder(7)).record(record);
    store.perform(Request::Commit(vec![commit])).unwrap();
    append("bob", half);
    append("eve", b"e".to_vec());
    let keys = || claim().iter().map(|one| one.lane.key().to_owned()).collect::<Vec<_>>();
    // The first has a record and an entry without bytes: with the second the claim is full, to the byte.
    assert_eq!(keys(), ["ada", "bob"]);
    assert_eq!(keys(), ["eve"]);
}
