//! Prints how many durable requests a second one file takes, by how many are asked at a time.
//!
//! `cargo run --release -p lp-connector-sqlite --example throughput [DIRECTORY]`
//!
//! Each asker appends an entry of 900 bytes to a lane of its own, claims it, and commits a record of 800 bytes: three
//! requests, each on the disk before it is answered. The directory's disk is what is measured.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lp_connector_core::bridge::store::{
    Answer, Commit, Entry, Holder, LaneId, LaneKind, Record, Request, Store, StoreError,
};
use lp_connector_core::id::AccountId;
use lp_connector_sqlite::Sqlite;

const TIME: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn Error>> {
    let base = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let account = AccountId::new("91827364")?;
    println!("asked at a time   appends/s   messages/s (append, claim, commit)");
    for askers in [1, 8, 64] {
        let directory = tempfile::tempdir_in(&base)?;
        let store = Sqlite::open(directory.path().join("bridge.db"))?;
        let appends = rate(askers, |asker, round| {
            let lane = LaneId::new(account.clone(), LaneKind::Status, format!("{asker}-{round}"));
            store.perform(Request::Append(vec![Entry { lane, body: vec![b'x'; 900] }])).map(drop)
        })?;
        drop(store);
        let store = Sqlite::open(directory.path().join("cycle.db"))?;
        let messages = rate(askers, |asker, round| cycle(&store, &account, asker, round))?;
        println!("{askers:>15} {appends:>11} {messages:>12}");
    }
    Ok(())
}

/// How many times a second the work is done, by this many threads.
fn rate(
    askers: u64,
    work: impl Fn(u64, u64) -> Result<(), StoreError> + Sync,
) -> Result<u64, StoreError> {
    let done = AtomicU64::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let (work, done) = (&work, &done);
        let threads: Vec<_> = (0..askers)
            .map(|asker| {
                scope.spawn(move || {
                    for round in 0.. {
                        if started.elapsed() > TIME {
                            break;
                        }
                        work(asker, round)?;
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })?;
    Ok(done.into_inner() / started.elapsed().as_secs().max(1))
}

fn cycle(store: &Sqlite, account: &AccountId, asker: u64, round: u64) -> Result<(), StoreError> {
    let lane = LaneId::new(account.clone(), LaneKind::Consumer, asker.to_string());
    store.perform(Request::Append(vec![Entry { lane, body: vec![b'x'; 900] }]))?;
    let holder = Holder((u128::from(asker) << 64) | u128::from(round));
    let term = Duration::from_secs(60);
    let claim = Request::Claim { holder, lanes: 1, entries: 100, term, speaks: 1 };
    let Answer::Claimed(claimed) = store.perform(claim)? else { return Ok(()) };
    let commits = claimed.into_iter().map(|one| {
        let last = one.entries.last().map_or(0, |(number, _)| *number);
        let record = Record { version: 1, body: vec![b'r'; 800] };
        Commit::new(one.lane, one.fence, holder).through(last).seen(last).record(record)
    });
    store.perform(Request::Commit(commits.collect())).map(drop)
}
