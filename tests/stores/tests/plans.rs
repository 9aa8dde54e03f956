//! What PostgreSQL reads for a request, in a store with many lanes and cells.

#![cfg(unix)]

use std::time::Duration;

use lp_connector_core::bridge::store::{Answer, CellId, Holder, Request, Store};
use lp_connector_core::id::AccountId;
use lp_connector_postgres::PostgresOptions;
use lp_connector_stores::{Cluster, Session};

/// How many lanes and cells there are.
const MANY: i64 = 20_000;

/// What the server has counted, once it has told so: it does within a second of a session's rest.
fn counted(session: &Session, sql: &str, is_told: impl Fn(i64) -> bool) -> i64 {
    for _ in 0..600 {
        let number = session.number(sql);
        if is_told(number) {
            return number;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("never: {sql}");
}

#[test]
fn a_request_reads_only_what_it_asks_for() {
    let Some(cluster) = Cluster::create().unwrap() else { return };
    let store = PostgresOptions::default().connections(1).connect(&cluster.url()).unwrap();
    let session = Session::connect(&cluster.url());
    session.run(&format!(
        "INSERT INTO lp_cell SELECT '1', 'k' || n, n, lp_now() + 3600000000000, 'x' FROM generate_series(1, {MANY}) AS n;
         INSERT INTO lp_lane (account, kind, key, due, held, fence, head, tail)
             SELECT '1', 1, 'k' || n, 1000 + n % 7, false, 0, 0, 0 FROM generate_series(1, {MANY}) AS n;
         ANALYZE lp_cell; ANALYZE lp_lane"
    ));
    // By rows: what a scan from the start reads, and what is found by an index.
    let scanned =
        "SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN ('lp_cell', 'lp_lane')";
    let cells = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'lp_cell_pkey'";
    let due = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'lp_due'";
    let (before, looked, seen) =
        (session.number(scanned), session.number(cells), session.number(due));
    let cell = CellId { account: AccountId::new("1").unwrap(), key: "k77".to_owned() };
    match store.perform(Request::Read(vec![cell])).unwrap() {
        Answer::Cells(found) => assert_eq!(found[0].as_ref().unwrap().value, b"x"),
        other => panic!("{other:?}"),
    }
    let claim = Request::Claim {
        holder: Holder(1),
        lanes: 10,
        entries: 1,
        term: Duration::from_secs(15),
        speaks: 1,
    };
    match store.perform(claim).unwrap() {
        Answer::Claimed(lanes) => assert_eq!(lanes.len(), 10),
        other => panic!("{other:?}"),
    }
    counted(&session, cells, |now| now > looked);
    let claimed = counted(&session, due, |now| now > seen) - seen;
    assert!(claimed < 1000, "a claim of ten lanes looks at {claimed}");
    let read = session.number(scanned) - before;
    assert!(read < MANY, "{read} rows were read from the start");
}
