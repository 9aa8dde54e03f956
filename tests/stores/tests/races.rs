//! Several threads with connections of their own to one store.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use lp_connector_core::bridge::store::{Answer, Entry, Holder, LaneId, LaneKind, Request, Store};
use lp_connector_core::id::AccountId;
use lp_connector_sqlite::{Sqlite, SqliteOptions};
use lp_connector_stores::{one_wins_each_swap, storm};

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

#[test]
fn many_at_once_lose_nothing_and_do_nothing_twice() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(storm(&connections(&directory)), BTreeSet::new());
}

#[test]
fn of_those_who_swap_a_cell_one_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    assert!(one_wins_each_swap(&connections(&directory)));
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
