//! Several threads with connections of their own to one store.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, CellId, Commit, Entry, Holder, LaneId, LaneKind, Next, Request, Store,
};
use lp_connector_core::id::AccountId;
use lp_connector_postgres::{Postgres, PostgresOptions};
use lp_connector_sqlite::{Sqlite, SqliteOptions};
use lp_connector_stores::PostgresServer;

const THREADS: u64 = 8;
const ENTRIES: u64 = 60;
const LANES: u64 = 4;
/// Longer than any test: it never ends.
const TERM: Duration = Duration::from_secs(3600);

fn lane(number: u64) -> LaneId {
    LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, number.to_string())
}

/// Two connections, so that threads meet both within one and over two.
fn connections(directory: &tempfile::TempDir) -> [Sqlite; 2] {
    let path = directory.path().join("bridge.db");
    // However busy the machine is.
    let open = || SqliteOptions::default().busy_timeout(Duration::from_secs(60)).open(&path);
    [open().unwrap(), open().unwrap()]
}

fn postgres() -> Option<[Postgres; 2]> {
    let url = PostgresServer::from_env()?.new_schema();
    let connect = || PostgresOptions::default().accept_loss_on_failover().connect(&url);
    Some([connect().unwrap(), connect().unwrap()])
}

/// What all threads did: who holds what, and what was consumed, in order.
#[derive(Default)]
struct Ledger {
    held: BTreeSet<LaneId>,
    consumed: BTreeMap<LaneId, Vec<(u64, u64)>>,
    fences: BTreeSet<u64>,
}

#[test]
fn two_never_hold_a_lane_and_each_entry_is_consumed_once() {
    let directory = tempfile::tempdir().unwrap();
    all_work(&connections(&directory));
}

#[test]
fn on_postgres_two_never_hold_a_lane() {
    if let Some(stores) = postgres() {
        all_work(&stores);
    }
}

fn all_work<S: Store>(stores: &[S; 2]) {
    let ledger = Mutex::new(Ledger::default());
    let left = AtomicU64::new(THREADS * ENTRIES);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, ledger, left) = (&stores[thread as usize % 2], &ledger, &left);
            scope.spawn(move || work(store, thread, ledger, left));
        }
    });
    let ledger = ledger.into_inner().unwrap();
    let consumed: usize = ledger.consumed.values().map(Vec::len).sum();
    assert_eq!(consumed as u64, THREADS * ENTRIES);
    for bodies in ledger.consumed.values() {
        // Each thread's own in the order in which it appended them.
        for thread in 0..THREADS {
            let own: Vec<u64> = bodies
                .iter()
                .filter(|(one, _)| *one == thread)
                .map(|(_, number)| *number)
                .collect();
            assert!(own.is_sorted_by(|one, next| one < next), "{own:?}");
        }
    }
}

fn work(store: &dyn Store, thread: u64, ledger: &Mutex<Ledger>, left: &AtomicU64) {
    for round in 0_u64.. {
        if round < ENTRIES {
            let body = [thread.to_be_bytes(), round.to_be_bytes()].concat();
            let entry = Entry { lane: lane((thread + round) % LANES), body };
            store.perform(Request::Append(vec![entry])).unwrap();
        } else if left.load(Ordering::Relaxed) == 0 {
            return;
        }
        let holder = Holder(u128::from(thread) << 64 | u128::from(round));
        let claim = Request::Claim { holder, lanes: 2, entries: 3, term: TERM, speaks: 1 };
        let Answer::Claimed(claimed) = store.perform(claim).unwrap() else { panic!() };
        let mut commits = Vec::new();
        let mut ledger_now = ledger.lock().unwrap();
        for one in claimed {
            assert!(ledger_now.held.insert(one.lane.clone()), "two hold {:?}", one.lane);
            assert!(ledger_now.fences.insert(one.fence.0), "a fence is there twice");
            assert!(!one.taken_over);
            let consumed = ledger_now.consumed.entry(one.lane.clone()).or_default();
            for (number, body) in &one.entries {
                let word = |at: usize| u64::from_be_bytes(body[at..at + 8].try_into().unwrap());
                consumed.push((word(0), word(8)));
                assert_eq!(
                    *number,
                    consumed.len() as u64,
                    "an entry is missing, or is there twice"
                );
            }
            let last = one.entries.last().map_or(0, |(number, _)| *number);
            left.fetch_sub(one.entries.len() as u64, Ordering::Relaxed);
            let commit = Commit::new(one.lane, one.fence, holder).through(last).seen(last);
            commits.push(commit.next(Next::Idle));
        }
        for commit in &commits {
            ledger_now.held.remove(&commit.lease.lane);
        }
        drop(ledger_now);
        let Answer::Committed(done) = store.perform(Request::Commit(commits)).unwrap() else {
            panic!()
        };
        assert!(done.iter().all(Option::is_some), "a holder within its term lost its lane");
    }
}

#[test]
fn of_those_who_swap_a_cell_one_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    all_swap(&connections(&directory));
}

#[test]
fn on_postgres_one_of_those_who_swap_succeeds() {
    if let Some(stores) = postgres() {
        all_swap(&stores);
    }
}

fn all_swap<S: Store>(stores: &[S; 2]) {
    let cell = CellId { account: AccountId::new("91827364").unwrap(), key: "token".into() };
    let winners: Mutex<BTreeSet<u64>> = Mutex::default();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, cell, winners) = (&stores[thread as usize % 2], &cell, &winners);
            scope.spawn(move || {
                for round in 0..40_u64 {
                    let read = Request::Read(vec![cell.clone()]);
                    let Answer::Cells(found) = store.perform(read).unwrap() else { panic!() };
                    let seen = found[0].as_ref().map_or(0, |cell| cell.version);
                    let value = [thread.to_be_bytes(), round.to_be_bytes()].concat();
                    let swap = Request::Swap { cell: cell.clone(), seen, value, life: None };
                    let Answer::Swapped(is_ours) = store.perform(swap).unwrap() else { panic!() };
                    // Of those who saw a version, one replaces it.
                    assert!(!is_ours || winners.lock().unwrap().insert(seen), "{seen} twice");
                }
            });
        }
    });
    assert!(winners.into_inner().unwrap().len() >= 40, "somebody wins each round");
}

#[test]
fn an_async_program_needs_no_thread_for_each_request() {
    let directory = tempfile::tempdir().unwrap();
    let [store, _] = connections(&directory);
    let (sender, answers) = mpsc::channel();
    for number in 0..200 {
        let sender = sender.clone();
        let entry = Entry { lane: lane(0), body: vec![number] };
        let reply = move |answer: Result<Answer, _>| sender.send((number, answer)).unwrap();
        store.submit(Request::Append(vec![entry]), Box::new(reply));
    }
    let order: Vec<u8> = answers
        .iter()
        .take(200)
        .map(|(number, answer)| {
            assert_eq!(answer.unwrap(), Answer::Appended);
            number
        })
        .collect();
    assert_eq!(order, (0..200).collect::<Vec<u8>>(), "answered in the order asked");
    let claim = Request::Claim { holder: Holder(1), lanes: 1, entries: 500, term: TERM, speaks: 1 };
    let Answer::Claimed(claimed) = store.perform(claim).unwrap() else { panic!() };
    let bodies: Vec<u8> = claimed[0].entries.iter().map(|(_, body)| body[0]).collect();
    assert_eq!(bodies, (0..200).collect::<Vec<u8>>(), "stored in the order asked");
}
