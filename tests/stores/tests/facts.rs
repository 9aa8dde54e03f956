//! What operators are told of a store.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::time::Duration;

use lp_connector_core::bridge::store::{Answer, Entry, LaneId, LaneKind, Request, Store};
use lp_connector_core::id::AccountId;
use lp_connector_postgres::PostgresOptions;
use lp_connector_sqlite::Sqlite;
use lp_connector_stores::PostgresServer;

fn append(store: &dyn Store, bytes: usize) {
    let account = AccountId::new("91827364").unwrap();
    let entries = (0..100).map(|number| Entry {
        lane: LaneId::new(account.clone(), LaneKind::Consumer, number.to_string()),
        body: vec![b'x'; bytes],
    });
    assert_eq!(store.perform(Request::Append(entries.collect())).unwrap(), Answer::Appended);
}

fn part(store: &dyn Store, name: &str) -> u64 {
    let parts = store.facts().unwrap().parts;
    parts.into_iter().find(|part| part.name == name).unwrap().bytes
}

#[test]
fn a_file_tells_its_sizes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bridge.db");
    let store = Sqlite::open(&path).unwrap();
    append(&store, 10_000);
    assert!(part(&store, "file") > 1_000_000);
    assert_eq!(
        part(&store, "journal"),
        directory.path().join("bridge.db-wal").metadata().unwrap().len()
    );
    assert_eq!(store.facts().unwrap().oldest_snapshot, None);
}

#[test]
fn postgres_tells_its_sizes() {
    let Some(server) = PostgresServer::from_env() else { return };
    let url = server.new_schema();
    let store = PostgresOptions::default()
        .accept_loss_on_failover()
        .accept_loss_in_crash()
        .connect(&url)
        .unwrap();
    let before = part(&store, "lp_entry");
    append(&store, 1_000);
    assert!(part(&store, "lp_entry") >= before + 100_000);
    assert!(store.facts().unwrap().bytes() >= before + 100_000);
}

#[test]
fn postgres_tells_of_a_snapshot_that_is_held() {
    let Some(server) = PostgresServer::from_env() else { return };
    let url = server.new_schema();
    let store = PostgresOptions::default()
        .accept_loss_on_failover()
        .accept_loss_in_crash()
        .connect(&url)
        .unwrap();
    // Each of these keeps deleted rows: a snapshot, and a transaction that has written.
    for sql in ["BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", "BEGIN; SELECT txid_current()"] {
        let session = server.session();
        session.run(sql);
        let since = "SELECT (extract(epoch FROM clock_timestamp() - now()) * 1000000)::bigint";
        let least = Duration::from_micros(session.number(since).unsigned_abs());
        assert!(store.facts().unwrap().oldest_snapshot.unwrap() >= least, "{sql}");
    }
}
