use std::sync::Mutex;
use std::time::Duration;

use lp_connector_core::bridge::store::{Fence, Holder, LaneKind, Listed, MemoryStore, Next};
use lp_connector_core::id::AccountId;
use lp_connector_core::time::Mono;

use super::*;
use crate::Memory;

const TEXT: &[u8] = b"a private word";

/// A store that a test looks into.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<MemoryStore>>);

impl Store for Disk {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        Ok(self.0.lock().unwrap().perform(request, Mono::ZERO))
    }
}

fn key(byte: u8) -> StoreKey {
    StoreKey::from_bytes(&[byte; 32])
}

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

fn lane(key: &str) -> LaneId {
    LaneId::new(account(), LaneKind::Consumer, key)
}

fn cell(key: &str) -> CellId {
    CellId { account: account(), key: key.to_owned() }
}

fn append(store: &impl Store, key: &str, body: &[u8]) {
    let entry = Entry { lane: lane(key), body: body.to_vec() };
    store.perform(Request::Append(vec![entry])).unwrap();
}

fn claim(store: &impl Store, holder: u128) -> Result<Vec<Claimed>, StoreError> {
    let term = Duration::ZERO;
    let holder = Holder(holder);
    match store.perform(Request::Claim { holder, lanes: 9, entries: 9, term, speaks: 1 })? {
        Answer::Claimed(lanes) => Ok(lanes),
        other => panic!("{other:?}"),
    }
}

fn commit(store: &impl Store, claimed: &Claimed, holder: u128, record: &[u8]) -> Option<Fence> {
    let record = Record { version: 1, body: record.to_vec() };
    let commit = Commit::new(claimed.lane.clone(), claimed.fence, Holder(holder))
        .record(record)
        .cell(cell("c"), TEXT.to_vec())
        .append(Entry { lane: lane("other"), body: TEXT.to_vec() })
        .next(Next::After(Duration::ZERO));
    match store.perform(Request::Commit(vec![commit])).unwrap() {
        Answer::Committed(fences) => fences[0],
        other => panic!("{other:?}"),
    }
}

fn read(store: &impl Store, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    match store.perform(Request::Read(vec![cell("none"), cell(name)]))? {
        Answer::Cells(cells) => Ok(cells[1].clone().map(|cell| cell.value)),
        other => panic!("{other:?}"),
    }
}

fn listed(store: &impl Store) -> Result<Option<Vec<u8>>, StoreError> {
    let what = Listed::Lane(lane("ada"));
    match store.perform(Request::List { what, after: None, limit: 9 })? {
        Answer::Listed(lanes) => Ok(lanes[0].record.clone().map(|record| record.body)),
        other => panic!("{other:?}"),
    }
}

/// Everything that is stored, as it is.
fn raw(disk: &Disk) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    for lane in claim(disk, 99).unwrap() {
        values.extend(lane.record.map(|record| record.body));
        values.extend(lane.entries.into_iter().map(|(_, body)| body));
    }
    values.extend(read(disk, "c").unwrap());
    values
}

fn used(store: &impl Store) {
    append(store, "ada", TEXT);
    let claimed = claim(store, 1).unwrap();
    commit(store, &claimed[0], 1, TEXT).unwrap();
}

#[test]
fn whatever_is_stored_is_sealed_and_read_again() {
    let disk = Disk::default();
    let store = Sealed::new(disk.clone(), key(7));
    used(&store);
    let values = raw(&disk);
    assert_eq!(values.len(), 4);
    for (at, value) in values.iter().enumerate() {
        assert!(is_sealed(value) && !value.windows(7).any(|part| part == b"private"));
        assert!(values.iter().skip(at + 1).all(|other| other != value), "each is of its own");
    }
    assert_eq!(listed(&store).unwrap().unwrap(), TEXT);
    assert_eq!(read(&store, "c").unwrap().unwrap(), TEXT);
    let claimed = claim(&store, 2).unwrap();
    let bodies = claimed.iter().flat_map(|lane| lane.entries.iter().map(|(_, body)| body));
    assert!(bodies.clone().count() == 2 && bodies.into_iter().all(|body| body == TEXT));
    assert_eq!(claimed[0].record.as_ref().unwrap().body, TEXT);
}

#[test]
fn a_sealed_store_with_nothing_due_gives_no_lane() {
    let store = Sealed::new(Disk::default(), key(7));
    assert!(claim(&store, 1).unwrap().is_empty());
}

#[test]
fn a_sealed_store_has_the_facts_of_the_store_within() {
    let store = Sealed::new(Memory::new(), key(7));
    append(&store, "ada", TEXT);
    append(&store, "bob", TEXT);
    assert_eq!(store.facts().unwrap().due_lanes, 2);
}

#[test]
fn an_answer_comes_opened_through_submit_too() {
    let store = Sealed::new(Disk::default(), key(7));
    used(&store);
    let (sender, receiver) = std::sync::mpsc::channel();
    let request = Request::Read(vec![cell("c")]);
    store.submit(request, Box::new(move |answer| sender.send(answer).unwrap()));
    let Answer::Cells(cells) = receiver.recv().unwrap().unwrap() else { panic!() };
    assert_eq!(cells[0].as_ref().unwrap().value, TEXT);
}

#[test]
fn another_key_opens_nothing() {
    let disk = Disk::default();
    used(&Sealed::new(disk.clone(), key(7)));
    let other = Sealed::new(disk.clone(), key(8));
    let kinds = [
        claim(&other, 3).map(drop).unwrap_err().kind(),
        read(&other, "c").map(drop).unwrap_err().kind(),
        listed(&other).map(drop).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [StoreErrorKind::Unreadable; 3]);
    // With the old one beside it, it goes on, and writes with the new one.
    let both = Sealed::new(disk.clone(), key(8)).old_key(key(7));
    let claimed = claim(&both, 4).unwrap();
    commit(&both, &claimed[0], 4, TEXT).unwrap();
    assert_eq!(listed(&other).unwrap().unwrap(), TEXT);
}

#[test]
fn one_lane_that_does_not_open_stops_no_other() {
    let disk = Disk::default();
    append(&Sealed::new(disk.clone(), key(7)), "ada", TEXT);
    let other = Sealed::new(disk.clone(), key(8));
    append(&other, "bob", TEXT);
    let claimed = claim(&other, 3).unwrap();
    let names: Vec<_> = claimed.iter().map(|lane| lane.lane.key()).collect();
    assert_eq!(names, ["bob"]);
}

#[test]
fn a_value_that_was_changed_or_moved_does_not_open() {
    let disk = Disk::default();
    let store = Sealed::new(disk.clone(), key(7));
    append(&store, "ada", TEXT);
    let sealed = claim(&disk, 1).unwrap()[0].entries[0].1.clone();
    let keys = &store.keys;
    let of = of_lane("entry", &lane("ada"));
    assert_eq!(keys.open_value(&of, sealed.clone()).unwrap(), TEXT);
    for other in [
        of_lane("entry", &lane("bob")),
        of_lane("record", &lane("ada")),
        of_lane("entry", &LaneId::new(account(), LaneKind::Status, "ada")),
        of_lane("entry", &LaneId::new(AccountId::new("1").unwrap(), LaneKind::Consumer, "ada")),
        of_cell(&cell("ada")),
    ] {
        assert_eq!(keys.open_value(&other, sealed.clone()), None);
    }
    for at in SEALED.len()..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(keys.open_value(&of, changed), None, "{at}");
        assert_eq!(keys.open_value(&of, sealed[..at].to_vec()), None, "{at}");
    }
}

#[test]
fn no_two_places_are_one() {
    let account = |account: &str| AccountId::new(account).unwrap();
    let cell = |name: &str, key: &str| of_cell(&CellId { account: account(name), key: key.into() });
    assert_ne!(cell("1", "23"), cell("12", "3"));
    let lane = |name: &str, kind, key: &str| LaneId::new(account(name), kind, key);
    let ada = lane("1", LaneKind::Consumer, "ada");
    assert_ne!(of_lane("entry", &ada), of_lane("record", &ada));
    assert_ne!(of_lane("entry", &ada), of_lane("entry", &lane("1", LaneKind::Status, "ada")));
    assert_ne!(of_lane("entry", &ada), of_lane("entry", &lane("2", LaneKind::Consumer, "ada")));
}

#[test]
fn what_was_stored_before_the_key_is_read_and_sealed_next() {
    let disk = Disk::default();
    used(&disk);
    let store = Sealed::new(disk.clone(), key(7));
    assert_eq!(listed(&store).unwrap().unwrap(), TEXT);
    let claimed = claim(&store, 2).unwrap();
    commit(&store, &claimed[0], 2, TEXT).unwrap();
    let Some(record) = listed(&disk).unwrap() else { panic!() };
    assert!(is_sealed(&record));
}

#[test]
fn two_values_of_a_swap_share_no_key_and_nonce() {
    let sealed = |value: &[u8]| {
        let disk = Disk::default();
        let store = Sealed::new(disk.clone(), key(7));
        let (cell, value) = (cell("s"), value.to_vec());
        store.perform(Request::Swap { cell, seen: 0, value, life: None }).unwrap();
        read(&disk, "s").unwrap().unwrap()
    };
    let random = |sealed: &[u8]| sealed[SEALED.len() + ID_BYTES..][..RANDOM_BYTES].to_vec();
    let (one, two) = (sealed(b"token one"), sealed(b"token two"));
    assert_ne!(random(&one), random(&two));
    assert_eq!(sealed(b"token one"), one);
}

#[test]
fn one_value_in_two_cells_shares_no_key_and_nonce() {
    let disk = Disk::default();
    let store = Sealed::new(disk.clone(), key(7));
    for name in ["s", "t"] {
        let (cell, value) = (cell(name), TEXT.to_vec());
        store.perform(Request::Swap { cell, seen: 0, value, life: None }).unwrap();
    }
    let random = |name: &str| {
        let sealed = read(&disk, name).unwrap().unwrap();
        sealed[SEALED.len() + ID_BYTES..][..RANDOM_BYTES].to_vec()
    };
    assert_ne!(random("s"), random("t"));
}

#[test]
fn requests_that_are_repeated_know_themselves() {
    let store = Sealed::new(Disk::default(), key(7));
    append(&store, "ada", TEXT);
    let claimed = claim(&store, 1).unwrap();
    let first = commit(&store, &claimed[0], 1, TEXT);
    assert_eq!(commit(&store, &claimed[0], 1, TEXT), first);
    let swap = |seen, value: &[u8]| {
        let (cell, value) = (cell("s"), value.to_vec());
        store.perform(Request::Swap { cell, seen, value, life: None }).unwrap()
    };
    for (value, expected) in [(TEXT, true), (TEXT, true), (b"other", false)] {
        assert_eq!(swap(0, value), Answer::Swapped(expected), "{value:?}");
    }
    let Answer::Cells(cells) = store.perform(Request::Read(vec![cell("s")])).unwrap() else {
        panic!()
    };
    let version = cells[0].as_ref().unwrap().version;
    for _ in 0..2 {
        assert_eq!(swap(version, b"other"), Answer::Swapped(true));
    }
    assert_eq!(read(&store, "s").unwrap().unwrap(), b"other");
    // An empty value removes the cell, sealed or not.
    let Answer::Cells(cells) = store.perform(Request::Read(vec![cell("s")])).unwrap() else {
        panic!()
    };
    let version = cells[0].as_ref().unwrap().version;
    assert_eq!(swap(version, b""), Answer::Swapped(true));
    assert!(read(&store, "s").unwrap().is_none());
}

#[test]
fn a_key_is_32_bytes_in_base64() {
    let parse = |text: &str| StoreKey::parse(&Secret::new(text.to_owned()));
    let text = STANDARD.encode([7; 32]);
    assert_eq!(parse(&format!("{text}\n")).unwrap().id, key(7).id);
    for wrong in [
        "",
        "7",
        &STANDARD.encode([7; 31]),
        &STANDARD.encode([7; 33]),
        &STANDARD.encode([0; 32]),
        &text[..43],
    ] {
        let error = parse(wrong).unwrap_err();
        assert!(!error.to_string().contains(wrong) || wrong.is_empty() || wrong == "7", "{error}");
    }
    assert_eq!(format!("{:?}", key(7)), "StoreKey(..)");
    assert!(format!("{:?}", Sealed::new(Memory::new(), key(7))).contains("StoreKey(..)"));
}
