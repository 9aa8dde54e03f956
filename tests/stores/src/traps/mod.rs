//! Traps that only a PostgreSQL server has.

mod meeting;
mod order;
mod races;

use std::time::Duration;

use lp_connector_core::bridge::store::{Answer, Entry, Holder, LaneId, LaneKind, Request, Store};
use lp_connector_core::id::AccountId;

use crate::Session;

/// A trap, which is open if a fault is in the functions. Nothing is left to chance: where two transactions must meet,
/// they do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Trap {
    /// Under a snapshot that is held, a claim reads all that was ever due.
    Visits,
    /// A notification is sent in a transaction: commits wait for each other.
    Notifies,
    /// What should pass over a row that is locked waits for it.
    Waits,
    /// Rows are locked in an order of their own: transactions wait for each other in a circle.
    Circles,
    /// Of two who claim a lane at once, both have it.
    Claims,
    /// An entry that is appended while a commit waits makes no lane due.
    Sticks,
    /// Of those who swap a cell, two succeed.
    Swaps,
    /// A cell is removed that has not expired.
    Prunes,
}

impl Trap {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Visits,
        Self::Notifies,
        Self::Waits,
        Self::Circles,
        Self::Claims,
        Self::Sticks,
        Self::Swaps,
        Self::Prunes,
    ];

    /// True if the store at this address is in the trap.
    #[must_use]
    pub fn is_open(self, url: &str) -> bool {
        match self {
            Self::Visits => visits(url),
            Self::Notifies => notifies(url),
            Self::Waits => races::waits(url),
            Self::Circles => order::is_broken(url),
            Self::Claims => races::claims(url),
            Self::Sticks => races::sticks(url),
            Self::Swaps => races::swaps(url),
            Self::Prunes => prunes(url),
        }
    }
}

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

fn append(store: &dyn Store, key: &str) {
    let lane = LaneId::new(account(), LaneKind::Consumer, key);
    store.perform(Request::Append(vec![Entry { lane, body: vec![1] }])).unwrap();
}

/// What claims visit: 300 lanes were due, one after the other, and none is.
fn visits(url: &str) -> bool {
    let session = Session::connect(url);
    session.run(
        "CREATE TABLE lp_test_clock (now bigint NOT NULL); INSERT INTO lp_test_clock VALUES (0);
         CREATE OR REPLACE FUNCTION lp_now() RETURNS bigint LANGUAGE sql VOLATILE AS
             'SELECT now FROM lp_test_clock';",
    );
    let reader = Session::connect(url);
    reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM lp_lane");
    session.run(
        "CREATE TABLE lp_test_claimed AS SELECT * FROM lp_claim(''::bytea, 0, 0, 0, 1, 0, 0);
         DO $$ BEGIN FOR i IN 1 .. 300 LOOP
             UPDATE lp_test_clock SET now = i * 1000000000::bigint;
             PERFORM lp_append(ARRAY['1'], ARRAY[1::smallint], ARRAY[i::text], ARRAY['x'::bytea]);
             DELETE FROM lp_test_claimed;
             INSERT INTO lp_test_claimed SELECT * FROM lp_claim(decode(lpad(i::text, 32, '0'), 'hex'), 9, 9, 900000000000, 1,
                 (i - 5) * 1000000000::bigint, 9999);
             PERFORM lp_commit(ARRAY['1'], ARRAY[1::smallint], ARRAY[key], ARRAY[fence],
                 ARRAY[decode(lpad(i::text, 32, '0'), 'hex')], ARRAY[1::bigint], ARRAY[1::bigint], ARRAY[true], ARRAY[0],
                 ARRAY[''::bytea], ARRAY[2::smallint], ARRAY[0::bigint], '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')
             FROM lp_test_claimed;
         END LOOP; END $$;",
    );
    assert_eq!(session.number("SELECT count(*) FROM lp_lane WHERE due IS NOT NULL"), 0);
    let visited = |low: &str| {
        let claim = format!("SELECT count(*) FROM lp_claim('', 9, 9, 9, 1, {low}, 9999)");
        let count = "SELECT pg_stat_get_xact_tuples_returned('lp_due'::regclass)";
        let before = session.number(count);
        session.run(&claim);
        session.number(count) - before
    };
    let (bounded, all) = (visited("295000000000"), visited("(-9223372036854775808)"));
    println!("entries of the index that a claim visits: {bounded} of {all}");
    assert!(all >= 300, "the snapshot keeps what was due");
    bounded > 30
}

fn notifies(url: &str) -> bool {
    let listener = Session::connect(url);
    listener.run("LISTEN lp");
    // Nothing is taken out of the server's queue while somebody who listens is busy.
    listener.run("BEGIN; SELECT 1");
    let store = meeting::connect(url);
    for number in 0..200_u32 {
        append(&store, &format!("{number:0>80}"));
        let claim = Request::Claim {
            holder: Holder(number.into()),
            lanes: 1,
            entries: 1,
            term: Duration::ZERO,
            speaks: 1,
        };
        let Answer::Claimed(claimed) = store.perform(claim).unwrap() else { panic!() };
        let commits = claimed.into_iter().map(|one| {
            use lp_connector_core::bridge::store::Commit;
            Commit::new(one.lane, one.fence, Holder(number.into())).through(1)
        });
        store.perform(Request::Commit(commits.collect())).unwrap();
    }
    let session = Session::connect(url);
    let sent = session.rows("SELECT pg_notification_queue_usage() > 0")[0][0] == "t";
    let speaks = session.number(
        "SELECT count(*) FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND prosrc ~* 'notify'",
    );
    let triggers = session.number(
        "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal
            AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)",
    );
    sent || speaks + triggers > 0
}

/// Cells that have expired, one that does so in a while, and one that stays.
fn prunes(url: &str) -> bool {
    let session = Session::connect(url);
    session.run(
        "INSERT INTO lp_cell SELECT '1', i::text, 1, i, 'x' FROM generate_series(1, 5) AS i;
         INSERT INTO lp_cell VALUES ('1', 'later', 1, lp_now() + 3600000000000, 'x'), ('1', 'stays', 1, NULL, 'x')",
    );
    let pruned = [3, 3, 3].map(|most| session.number(&format!("SELECT lp_prune({most})")));
    pruned != [3, 2, 0]
}
