//! The bridge in a virtual world: one to three instances with a worker each, a store with faults, the cloud, and
//! a channel that keeps books.
//!
//! Instances die and freeze before any of their turns. Requests to the store, to LivePerson and to the channel,
//! and the posts of notifications, are lost, lose their answers and are late; those of dead instances arrive all
//! the same. A notification is answered 200 once the store has it, and 503 after 2 s. When the faults are over,
//! everything must come to rest, and the books of the channel and of the cloud must agree.
//!
//! Some scenarios break an assumption of settlement on purpose. Messages may be reported then, and none is there
//! twice. The one exception: when requests are processed more than 30 s after their attempts, what was proven to
//! be absent may come after all, and be there twice.
//!
//! ```
//! use lp_connector_simulation::bridge;
//!
//! let summary = bridge::run(0..5, 1).map_err(|broken| broken.to_string())?;
//! assert_eq!(summary.seeds, 5);
//! # Ok::<(), String>(())
//! ```

mod calls;
mod channel;
mod check;
mod generator;
mod instance;
mod invariant;
mod observer;
mod outside;
mod scale;
mod scenario;
mod shrink;
mod store;
mod world;

use std::fmt;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::check::{Level, run_scenario};
use self::invariant::{Broken as Violation, Invariant};
pub use self::scale::{Scale, ScaleSummary, run_scale};
use self::scenario::Scenario;
use crate::coverage::Coverage;

/// One scenario in this many is run twice, and the traces compared.
const REPEAT_EVERY: u64 = 64;
/// One scenario in this many goes on until everything is forgotten.
const RETENTION_EVERY: u64 = 8;
/// How many scenarios a thread takes at a time.
const BATCH: u64 = 32;

/// Counts over many scenarios.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Scenarios run.
    pub seeds: u64,
    /// Messages that the channel handed in.
    pub messages: u64,
    /// Messages of agents that the channel took.
    pub delivered: u64,
    /// Lanes that passed from a silent holder to another one.
    pub takeovers: u64,
    /// Messages that were reported as unconfirmed.
    pub unconfirmed: u64,
    /// Steps of all worlds.
    pub events: u64,
    /// The virtual time of all worlds together.
    pub virtual_time: Duration,
    /// What the scenarios reached.
    pub coverage: Coverage,
}

/// A scenario that breaks an invariant. Its `Display` text is the shrunk scenario with its trace, and the command
/// that repeats it.
#[derive(Debug)]
pub struct Broken {
    /// The seed of the scenario.
    pub seed: u64,
    violation: Violation,
    shrunk: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, violation, shrunk } = self;
        writeln!(f, "seed {seed} breaks an invariant: {violation}\n")?;
        writeln!(f, "the shrunk scenario:\n\n{shrunk}")?;
        write!(
            f,
            "repeat with: cargo run -p lp-connector-simulation --release -- --bridge --seed {seed}"
        )
    }
}

/// Runs the scenarios of these seeds on this many threads.
///
/// # Errors
/// The broken invariant of the lowest seed that was found to break one.
pub fn run(seeds: Range<u64>, threads: usize) -> Result<Summary, Box<Broken>> {
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new((Summary::default(), None::<(u64, Violation)>));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= seeds.end {
                        return;
                    }
                    let mut summary = Summary { coverage: observer::empty(), ..Summary::default() };
                    for seed in first..(first + BATCH).min(seeds.end) {
                        if let Err(violation) = check_seed(seed, &mut summary) {
                            // The other threads stop after their batches.
                            next.store(seeds.end, Ordering::Relaxed);
                            let Ok(mut found) = found.lock() else { return };
                            if found.1.as_ref().is_none_or(|(lowest, _)| seed < *lowest) {
                                found.1 = Some((seed, violation));
                            }
                            return;
                        }
                    }
                    let Ok(mut found) = found.lock() else { return };
                    found.0.add(&summary);
                }
            });
        }
    });
    let (summary, broken) = found.into_inner().unwrap_or_default();
    match broken {
        None => Ok(summary),
        Some((seed, violation)) => {
            let level = Level { trace: true, ..level_of(seed) };
            let scenario = shrink::shrink(&Scenario::from_seed(seed), violation.invariant, level);
            let (_, trace) = run_scenario(&scenario, level);
            let shrunk = format!("{scenario:#?}\n\n{trace}");
            Err(Box::new(Broken { seed, violation, shrunk }))
        }
    }
}

/// Runs the scenario of one seed. Returns its text and trace, and whether all invariants hold.
#[must_use]
pub fn replay(seed: u64) -> (String, bool) {
    let scenario = Scenario::from_seed(seed);
    let (result, trace) = run_scenario(&scenario, Level { trace: true, ..level_of(seed) });
    let text = format!("{scenario:#?}\n\n{trace}");
    match result {
        Ok(_) => (text, true),
        Err(violation) => (format!("{text}\n{violation}\n"), false),
    }
}

/// All invariants: the name and the description of each.
pub fn invariants() -> impl Iterator<Item = (String, &'static str)> {
    Invariant::ALL.into_iter().map(|invariant| (format!("{invariant:?}"), invariant.description()))
}

fn level_of(seed: u64) -> Level {
    Level {
        trace: seed.is_multiple_of(REPEAT_EVERY),
        retention: seed.is_multiple_of(RETENTION_EVERY),
    }
}

fn check_seed(seed: u64, summary: &mut Summary) -> Result<(), Violation> {
    let scenario = Scenario::from_seed(seed);
    let level = level_of(seed);
    let (result, trace) = run_scenario(&scenario, level);
    let (stats, reached) = result?;
    if level.trace {
        let (_, repeated) = run_scenario(&scenario, level);
        if repeated != trace {
            let lines = trace.lines().zip(repeated.lines()).find(|(one, two)| one != two);
            let why = format!("the traces differ at {lines:?}");
            return Err(Violation::new(Invariant::Deterministic, why));
        }
    }
    summary.coverage.add_scenario(&reached);
    summary.add(&Summary {
        seeds: 1,
        messages: stats.messages,
        delivered: stats.delivered,
        takeovers: stats.takeovers,
        unconfirmed: stats.unconfirmed,
        events: stats.events,
        virtual_time: stats.virtual_time,
        coverage: Coverage::default(),
    });
    Ok(())
}

impl Summary {
    fn add(&mut self, more: &Self) {
        self.seeds += more.seeds;
        self.messages += more.messages;
        self.delivered += more.delivered;
        self.takeovers += more.takeovers;
        self.unconfirmed += more.unconfirmed;
        self.events += more.events;
        self.virtual_time = self.virtual_time.saturating_add(more.virtual_time);
        self.coverage.add(&more.coverage);
    }
}
