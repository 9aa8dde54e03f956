//! The clock of a file: it follows the machine while that runs, and the date where the machine was off.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Commit, Entry, Holder, LaneId, LaneKind, Next, Request, Store,
};
use lp_connector_core::id::AccountId;
use lp_connector_sqlite::{ClockReading, Sqlite, SqliteOptions};
use rusqlite::Connection;
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A machine with a file on which one lane is due an hour after its start.
struct Machine {
    directory: TempDir,
    clocks: Arc<Mutex<ClockReading>>,
}

impl Machine {
    fn start() -> Self {
        let clocks = ClockReading { boot: "first".into(), uptime: HOUR * 5, date: HOUR * 400_000 };
        let directory = tempfile::tempdir().unwrap();
        let machine = Self { directory, clocks: Arc::new(Mutex::new(clocks)) };
        let lane = LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, "ada");
        let store = machine.open();
        let entry = Entry { lane: lane.clone(), body: Vec::new() };
        store.perform(Request::Append(vec![entry])).unwrap();
        let Answer::Claimed(claimed) = store.perform(claim()).unwrap() else { panic!() };
        let commit = Commit::new(lane, claimed[0].fence, Holder(1)).seen(1).next(Next::After(HOUR));
        store.perform(Request::Commit(vec![commit])).unwrap();
        machine
    }

    fn open(&self) -> Sqlite {
        let clocks = Arc::clone(&self.clocks);
        let options = SqliteOptions::default().clock(move || clocks.lock().unwrap().clone());
        // However long a test takes, the journal stays as it is.
        options.journal_age(Duration::MAX).open(self.path()).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("bridge.db")
    }

    fn set(&self, change: impl FnOnce(&mut ClockReading)) {
        change(&mut self.clocks.lock().unwrap());
    }

    /// The time since the commit, if the lane is due.
    fn due(&self, store: &Sqlite) -> Option<Duration> {
        let Answer::Claimed(claimed) = store.perform(claim()).unwrap() else { panic!() };
        claimed.first().map(|claimed| claimed.elapsed)
    }
}

fn claim() -> Request {
    let term = Duration::from_secs(15);
    Request::Claim { holder: Holder(1), lanes: 1, entries: 1, term, speaks: 1 }
}

#[test]
fn a_date_that_jumps_changes_nothing() {
    let machine = Machine::start();
    let store = machine.open();
    machine.set(|clocks| clocks.date += HOUR * 1000);
    assert_eq!(machine.due(&store), None);
    machine.set(|clocks| clocks.date = Duration::ZERO);
    machine.set(|clocks| clocks.uptime += HOUR - SECOND);
    assert_eq!(machine.due(&store), None);
    machine.set(|clocks| clocks.uptime += SECOND);
    assert_eq!(machine.due(&store), Some(HOUR));
}

#[test]
fn over_a_restart_the_date_goes_on() {
    // The machine may have run for longer than before by the time that the store is asked again.
    for uptime in [SECOND, HOUR * 6] {
        let machine = Machine::start();
        let restart = |date| ClockReading { boot: "second".into(), uptime, date };
        machine.set(|clocks| *clocks = restart(clocks.date + HOUR - SECOND));
        let store = machine.open();
        assert_eq!(machine.due(&store), None);
        // From there on the machine's own clock counts.
        machine.set(|clocks| clocks.date += HOUR * 1000);
        assert_eq!(machine.due(&store), None);
        machine.set(|clocks| clocks.uptime += SECOND);
        assert_eq!(machine.due(&store), Some(HOUR));
        machine.set(|clocks| clocks.uptime += SECOND * 15);
        assert_eq!(machine.due(&store), Some(HOUR + SECOND * 15));
    }
}

#[test]
fn a_restart_into_the_past_costs_no_time_twice() {
    let machine = Machine::start();
    machine.set(|clocks| {
        *clocks = ClockReading { boot: "second".into(), uptime: SECOND, date: Duration::ZERO };
    });
    let store = machine.open();
    assert_eq!(machine.due(&store), None);
    // The clock is measured from here, though nothing was stored.
    machine.set(|clocks| clocks.uptime += HOUR);
    assert_eq!(machine.due(&store), Some(HOUR));
}

#[test]
fn a_clock_that_goes_back_goes_on_from_there() {
    let machine = Machine::start();
    let store = machine.open();
    machine.set(|clocks| clocks.uptime -= HOUR * 5);
    assert_eq!(machine.due(&store), None);
    machine.set(|clocks| clocks.uptime += HOUR);
    assert_eq!(machine.due(&store), Some(HOUR));
}

#[test]
fn a_claim_that_gives_nothing_writes_nothing() {
    let machine = Machine::start();
    let store = machine.open();
    let other = Connection::open(machine.path()).unwrap();
    let version =
        || -> i64 { other.query_row("PRAGMA data_version", (), |row| row.get(0)).unwrap() };
    let before = version();
    // In the moment of the last change, which is no clock that went back, and later.
    machine.set(|clocks| clocks.date += HOUR);
    assert_eq!(machine.due(&store), None);
    machine.set(|clocks| clocks.uptime += SECOND);
    assert_eq!(machine.due(&store), None);
    assert_eq!(version(), before);
    // A change is seen.
    machine.set(|clocks| clocks.uptime += HOUR);
    assert_eq!(machine.due(&store), Some(HOUR + SECOND));
    assert_ne!(version(), before);
}
