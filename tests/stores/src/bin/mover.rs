//! A program to kill: it moves entries from lane to lane, and says what was answered.
//!
//! `mover FILE PROGRAM SECONDS`: the number of the program, and the time at which its clock stands. Each of its threads
//! appends entries to a lane and says `a ENTRY`. Whoever claims the lane moves its first entry in one commit, which
//! consumes it, appends it to another lane, and counts it in the record and in a cell; it says `c LANE COUNT`. It
//! never ends by itself.

use std::error::Error;
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, CellId, Claimed, Commit, Entry, Holder, LaneId, LaneKind, Next, Record, Request, Store,
    StoreError,
};
use lp_connector_core::id::AccountId;
use lp_connector_sqlite::{ClockReading, Sqlite, SqliteOptions};

/// Longer than any run: the clock stands. The next run's clock is beyond it.
const TERM: Duration = Duration::from_secs(900);
const THREADS: u128 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, program, seconds] = arguments.as_slice() else {
        return Err("usage: mover FILE PROGRAM SECONDS".into());
    };
    let program: u128 = program.parse()?;
    let now = Duration::from_secs(seconds.parse()?);
    let reading = ClockReading { boot: "test".into(), uptime: now, date: now };
    let store = SqliteOptions::default()
        .busy_timeout(Duration::from_secs(60))
        .clock(move || reading.clone())
        .open(path)?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let store = &store;
                scope.spawn(move || work(store, program * THREADS + thread, thread))
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })?;
    Ok(())
}

/// What a thread of a program does, for ever.
fn work(store: &Sqlite, worker: u128, thread: u128) -> Result<(), StoreError> {
    let account = account()?;
    for round in 0_u64.. {
        let name = format!("{worker}.{round}");
        let from = LaneId::new(account.clone(), LaneKind::Consumer, thread.to_string());
        let entry = Entry { lane: from, body: name.clone().into_bytes() };
        store.perform(Request::Append(vec![entry]))?;
        println!("a {name}");
        let holder = Holder((worker << 64) + u128::from(round));
        let claim = Request::Claim { holder, lanes: 3, entries: 1, term: TERM, speaks: 1 };
        let Answer::Claimed(claimed) = store.perform(claim)? else { continue };
        let commits: Vec<Commit> = claimed.iter().map(|one| step(one, holder)).collect();
        let Answer::Committed(done) = store.perform(Request::Commit(commits))? else { continue };
        for (one, _) in claimed.iter().zip(done).filter(|(_, fence)| fence.is_some()) {
            if one.lane.kind() == LaneKind::Consumer && !one.entries.is_empty() {
                println!("c {} {}", one.lane.key(), moved(one) + 1);
            }
        }
    }
    Ok(())
}

fn account() -> Result<AccountId, StoreError> {
    use lp_connector_core::bridge::store::StoreErrorKind::Refused;
    AccountId::new("91827364").map_err(|error| StoreError::new(Refused, error.to_string()))
}

/// How many entries of a lane were moved, by its record.
fn moved(claimed: &Claimed) -> u64 {
    let text = claimed.record.as_ref().and_then(|record| std::str::from_utf8(&record.body).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The commit that moves the first entry; where the entries arrive, nothing is done.
fn step(claimed: &Claimed, holder: Holder) -> Commit {
    let commit = Commit::new(claimed.lane.clone(), claimed.fence, holder);
    match claimed.entries.first() {
        Some((number, body)) if claimed.lane.kind() == LaneKind::Consumer => {
            let (account, key) = (claimed.lane.account().clone(), claimed.lane.key());
            let count = (moved(claimed) + 1).to_string().into_bytes();
            let to = LaneId::new(account.clone(), LaneKind::Conversation, key);
            commit
                .through(*number)
                .seen(*number)
                .record(Record { version: 1, body: count.clone() })
                .append(Entry { lane: to, body: body.clone() })
                .cell(CellId { account, key: key.into() }, count)
        }
        _ => commit.seen(u64::MAX).next(Next::Idle),
    }
}
