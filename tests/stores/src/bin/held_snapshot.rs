//! How fast lanes are claimed while another program holds a snapshot.
//!
//! `held_snapshot [SECONDS]`, on the server of `LP_TEST_POSTGRES` or `pg_virtualenv`: it measures without a snapshot for
//! a quarter of the time, 5 s at least, and then under a `REPEATABLE READ` snapshot for the whole of it, 60 s if nothing
//! is said. It fails if the last part of that is slower than a tenth of the rate without.

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lp_connector_core::bridge::store::{
    Answer, Commit, Entry, Holder, LaneId, LaneKind, Request, Store, StoreError,
};
use lp_connector_core::id::AccountId;
use lp_connector_postgres::{Postgres, PostgresOptions};
use lp_connector_stores::{PostgresServer, Session};

const THREADS: u64 = 8;
const LANES: u64 = 20_000;
const PART: Duration = Duration::from_secs(5);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(60), |seconds| seconds.parse())?;
    let Some(server) = PostgresServer::from_env() else { return Ok(ExitCode::SUCCESS) };
    let url = server.new_schema();
    let store = PostgresOptions::default()
        .accept_loss_on_failover()
        .accept_loss_in_crash()
        .connect(&url)?;
    let (claimed, ends) = (AtomicU64::new(0), AtomicBool::new(false));
    let (without, under) = std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, claimed, ends) = (&store, &claimed, &ends);
            scope.spawn(move || {
                for round in 0_u64.. {
                    if ends.load(Ordering::Relaxed) {
                        return;
                    }
                    match work(store, thread, round) {
                        Ok(lanes) => drop(claimed.fetch_add(lanes, Ordering::Relaxed)),
                        Err(error) => println!("{error}"),
                    }
                }
            });
        }
        let without = measure(&store, &claimed, Duration::from_secs(seconds / 4).max(PART));
        let session = Session::connect(&url);
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM lp_lane");
        println!("a snapshot is held");
        let under = measure(&store, &claimed, Duration::from_secs(seconds));
        ends.store(true, Ordering::Relaxed);
        (without, under)
    });
    let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    let (without, last) = (mean(&without), under.last().copied().unwrap_or_default());
    println!(
        "claims without a snapshot: {without:.0} lanes/s; under one held for {seconds} s: {:.0} lanes/s on average, \
         {last:.0} lanes/s in the last {} s: {:.0} %",
        mean(&under),
        PART.as_secs(),
        100.0 * last / without
    );
    Ok(if last >= without / 10.0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The lanes claimed in a second, part by part.
fn measure(store: &Postgres, claimed: &AtomicU64, time: Duration) -> Vec<f64> {
    let (started, mut rates) = (Instant::now(), Vec::new());
    while started.elapsed() < time {
        let (before, began) = (claimed.load(Ordering::Relaxed), Instant::now());
        std::thread::sleep(PART);
        let lanes = claimed.load(Ordering::Relaxed) - before;
        let rate = lanes as f64 / began.elapsed().as_secs_f64();
        let facts = store.facts().unwrap_or_default();
        let dead: u64 = facts.parts.iter().map(|part| part.dead).sum();
        println!("{rate:>8.0} lanes/s, {} due, {dead} dead rows", facts.due_lanes);
        rates.push(rate);
    }
    rates
}

/// Appends to four lanes, and claims and commits what is due. Returns how many lanes that were.
fn work(store: &Postgres, thread: u64, round: u64) -> Result<u64, StoreError> {
    let refused = |_| {
        StoreError::new(lp_connector_core::bridge::store::StoreErrorKind::Refused, "no account")
    };
    let account = AccountId::new("91827364").map_err(refused)?;
    let entries = (0..4_u64).map(|place| {
        // Each time another one, far from the last.
        let number =
            (thread * 7_919 + round * 4 + place).wrapping_mul(6_364_136_223_846_793_005) >> 33;
        let lane = LaneId::new(account.clone(), LaneKind::Consumer, (number % LANES).to_string());
        Entry { lane, body: vec![b'x'; 900] }
    });
    store.perform(Request::Append(entries.collect()))?;
    let holder = Holder(u128::from(thread) << 64 | u128::from(round));
    let term = Duration::from_secs(15);
    let claim = Request::Claim { holder, lanes: 46, entries: 16, term, speaks: 1 };
    let Answer::Claimed(claimed) = store.perform(claim)? else { return Ok(0) };
    let lanes = claimed.len() as u64;
    let commits = claimed.into_iter().map(|one| {
        let last = one.entries.last().map_or(0, |(number, _)| *number);
        Commit::new(one.lane, one.fence, holder).through(last).seen(last)
    });
    store.perform(Request::Commit(commits.collect()))?;
    Ok(lanes)
}
