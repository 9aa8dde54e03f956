//! An account moves between two databases to and fro, while programs work on it: nothing is lost, doubled or out of
//! order, and the other accounts notice nothing.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use lp_connector_bridge::Pods;
use lp_connector_core::bridge::store::{
    Answer, Commit, Entry, Holder, LaneId, LaneKind, Next, Record, Request, Store, StoreErrorKind,
};
use lp_connector_core::id::AccountId;
use lp_connector_postgres::PostgresOptions;
use lp_connector_stores::PostgresServer;

/// How often the account moves.
const MOVES: u64 = 6;
/// How often each move is cut off, at most.
const CUTS: u64 = 3;
const LANES: u64 = 5;
/// Something is stuck.
const LIMIT: Duration = Duration::from_secs(240);
const TERM: Duration = Duration::from_millis(300);

fn lane(account: &str, number: u64) -> LaneId {
    LaneId::new(AccountId::new(account).unwrap(), LaneKind::Consumer, format!("c{number}"))
}

fn options() -> PostgresOptions {
    // No answer is given up: whatever failed did not happen.
    PostgresOptions::default()
        .accept_loss_on_failover()
        .accept_loss_in_crash()
        .time_limit(Duration::from_secs(120))
}

/// What everybody sees.
struct Shared {
    began: Instant,
    moved: AtomicU64,
    is_over: AtomicBool,
    holder: AtomicU64,
    /// Of each lane, the last entry that was taken, and the last that a commit consumed.
    appended: Mutex<BTreeMap<LaneId, u64>>,
    consumed: Mutex<BTreeMap<LaneId, u64>>,
    refused: AtomicU64,
    lost: AtomicU64,
}

impl Shared {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            moved: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            holder: AtomicU64::new(0),
            appended: Mutex::default(),
            consumed: Mutex::default(),
            refused: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }

    fn append(&self, store: &dyn Store, account: &str) {
        for number in 1_u64.. {
            if self.moved.load(Ordering::SeqCst) >= MOVES || self.is_over.load(Ordering::SeqCst) {
                return;
            }
            for lane in (0..LANES).map(|one| lane(account, one)) {
                let entry = Entry { lane: lane.clone(), body: number.to_be_bytes().to_vec() };
                while !self.is_over.load(Ordering::SeqCst)
                    && let Err(error) = store.perform(Request::Append(vec![entry.clone()]))
                {
                    assert_eq!(account, "moves", "{error}");
                    assert!(
                        matches!(error.kind(), StoreErrorKind::Unavailable | StoreErrorKind::Moved),
                        "{error}"
                    );
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    thread::yield_now();
                }
                self.appended.lock().unwrap().insert(lane, number);
            }
        }
    }

    fn consume(&self, store: &dyn Store) {
        while !self.is_over.load(Ordering::SeqCst) {
            let holder = Holder(u128::from(self.holder.fetch_add(1, Ordering::Relaxed)) + 1);
            let claim = Request::Claim { holder, lanes: 4, entries: 3, term: TERM, speaks: 1 };
            let Ok(Answer::Claimed(claimed)) = store.perform(claim) else { continue };
            let commits: Vec<(Commit, u64)> = claimed
                .into_iter()
                .map(|one| {
                    let record =
                        one.record.map_or([0; 8], |record| record.body.try_into().unwrap());
                    let mut last = u64::from_be_bytes(record);
                    for (_, body) in &one.entries {
                        let number = u64::from_be_bytes(body.as_slice().try_into().unwrap());
                        assert_eq!(number, last + 1, "{:?}", one.lane);
                        last = number;
                    }
                    let through = one.entries.last().map_or(0, |(number, _)| *number);
                    let record = Record { version: 1, body: last.to_be_bytes().to_vec() };
                    let commit = Commit::new(one.lane, one.fence, holder)
                        .record(record)
                        .through(through)
                        .next(Next::Idle);
                    (commit, last)
                })
                .collect();
            let all = commits.iter().map(|(commit, _)| commit.clone()).collect();
            let Ok(Answer::Committed(done)) = store.perform(Request::Commit(all)) else { continue };
            let mut consumed = self.consumed.lock().unwrap();
            for ((commit, last), done) in commits.into_iter().zip(done) {
                match done {
                    Some(_) => {
                        let before = consumed.entry(commit.lease.lane).or_default();
                        *before = last.max(*before);
                    }
                    None => {
                        self.lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            drop(consumed);
            self.look();
        }
    }

    /// It is over when everything that was appended is consumed.
    fn look(&self) {
        let is_late = self.began.elapsed() > LIMIT;
        self.is_over.fetch_or(is_late, Ordering::SeqCst);
        if self.moved.load(Ordering::SeqCst) >= MOVES {
            let is_over = *self.appended.lock().unwrap() == *self.consumed.lock().unwrap();
            self.is_over.fetch_or(is_over, Ordering::SeqCst);
        }
    }
}

#[test]
fn an_account_moves_in_postgres_while_it_is_served() {
    let Some(server) = PostgresServer::from_env() else { return };
    let urls = [server.new_schema(), server.new_schema()];
    let connect = |url: &String| options().connect(url).unwrap();
    let pods = || Pods::new("one", connect(&urls[0])).pod("two", connect(&urls[1]));
    let programs = [pods(), pods()];
    let shared = Shared::new();
    let accounts = ["moves", "stays", "stays-too", "stays-as-well"];
    for account in accounts {
        let entry = Entry { lane: lane(account, LANES), body: 1_u64.to_be_bytes().to_vec() };
        programs[0].perform(Request::Append(vec![entry])).unwrap();
        shared.appended.lock().unwrap().insert(lane(account, LANES), 1);
    }
    let of = AccountId::new("moves").unwrap();
    let is_at = |url: &String| {
        let session = lp_connector_stores::Session::connect(url);
        session.number("SELECT count(*) FROM lp_lane WHERE account = 'moves'") > 0
    };
    let mut way = urls.clone();
    if is_at(&urls[1]) {
        way.reverse();
    }
    // The name by which its connections are known.
    let name = format!("mover{}", std::process::id());
    let as_mover = |url: &String| match url.contains("://") {
        true => format!("{url}&application_name={name}"),
        false => format!("{url} application_name={name}"),
    };
    let cut = Arc::new(AtomicU64::new(CUTS));
    let cuts = AtomicU64::new(0);
    thread::scope(|scope| {
        for (number, account) in accounts.into_iter().enumerate() {
            let (shared, store) = (&shared, &programs[number % 2]);
            scope.spawn(move || shared.append(store, account));
        }
        for store in [&programs[0], &programs[1], &programs[0]] {
            scope.spawn(|| shared.consume(store));
        }
        scope.spawn(|| {
            let session = server.session();
            let end = format!(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE application_name = '{name}' AND pg_sleep(random() * 0.1) IS NOT NULL"
            );
            while shared.moved.load(Ordering::SeqCst) < MOVES
                && !shared.is_over.load(Ordering::SeqCst)
            {
                if cut.load(Ordering::SeqCst) > 0 && session.number(&end) > 0 {
                    cut.fetch_sub(1, Ordering::SeqCst);
                    cuts.fetch_add(1, Ordering::SeqCst);
                }
                thread::yield_now();
            }
        });
        scope.spawn(|| {
            for _ in 0..MOVES {
                while let Err(error) =
                    options().move_account(&of, &as_mover(&way[0]), &as_mover(&way[1]))
                {
                    assert_ne!(error.kind(), StoreErrorKind::Damaged, "{error}");
                    assert_ne!(error.kind(), StoreErrorKind::Refused, "{error}");
                    assert!(!shared.is_over.load(Ordering::SeqCst), "{error}");
                }
                way.reverse();
                cut.store(CUTS, Ordering::SeqCst);
                shared.moved.fetch_add(1, Ordering::SeqCst);
            }
        });
    });
    let (consumed, appended) =
        (shared.consumed.into_inner().unwrap(), shared.appended.into_inner().unwrap());
    assert_eq!(consumed, appended);
    println!(
        "{MOVES} moves, cut off {cuts:?} times; {} entries; refused {:?}, leases lost {:?}",
        appended.values().sum::<u64>(),
        shared.refused,
        shared.lost
    );
}
