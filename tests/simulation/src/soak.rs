//! The soak: many scenarios, each generated from a seed, each checked for every invariant.
//!
//! ```
//! use lp_connector_simulation::soak;
//!
//! let summary = soak::run(0..20, 1).map_err(|broken| broken.to_string())?;
//! assert_eq!(summary.seeds, 20);
//! # Ok::<(), String>(())
//! ```

use std::fmt;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::coverage::{Coverage, calls};
use crate::invariant::{Invariant, Violation};
use crate::runner::{CheckLevel, report, run_scenario};
use crate::scenario::Scenario;
use crate::shrink::shrink;

/// One scenario in this many is searched for secrets in all `Debug` texts.
const SECRETS_EVERY: u64 = 16;
/// One scenario in this many is run twice, and the traces compared.
const REPEAT_EVERY: u64 = 64;
/// How many scenarios a thread takes at a time.
const BATCH: u64 = 64;

/// Counts over many scenarios.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Scenarios run.
    pub seeds: u64,
    /// Calls started.
    pub calls: u64,
    /// Requests sent.
    pub requests: u64,
    /// Messages processed from notifications.
    pub notifications: u64,
    /// Steps of all worlds.
    pub events: u64,
    /// The virtual time of all worlds together.
    pub virtual_time: Duration,
    /// What the scenarios reached.
    pub coverage: Coverage,
}

/// A scenario that breaks an invariant. Its `Display` text is the shrunk scenario with its trace, and
/// the command that repeats it.
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
        write!(f, "repeat with: cargo run -p lp-connector-simulation --release -- --seed {seed}")
    }
}

/// Runs the scenarios of these seeds on this many threads.
///
/// # Errors
/// The broken invariant of the lowest seed that was found to break one.
pub fn run(seeds: Range<u64>, threads: usize) -> Result<Summary, Box<Broken>> {
    run_watched(seeds, threads, &|_| {})
}

/// As [`run`], and tells how many seeds are done now and then.
///
/// # Errors
/// As [`run`].
pub fn run_watched(
    seeds: Range<u64>,
    threads: usize,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Summary, Box<Broken>> {
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
                    let mut summary = Summary { coverage: calls::empty(), ..Summary::default() };
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
                    done(found.0.seeds);
                }
            });
        }
    });
    let (summary, broken) = found.into_inner().unwrap_or_default();
    match broken {
        None => Ok(summary),
        Some((seed, violation)) => {
            let scenario = shrink(&Scenario::from_seed(seed), violation.invariant);
            let (_, trace) = run_scenario(&scenario, CheckLevel { secrets: true, trace: true });
            let shrunk = report(&scenario, &trace);
            Err(Box::new(Broken { seed, violation, shrunk }))
        }
    }
}

/// Runs the scenario of one seed. Returns its text and trace, and whether all invariants hold.
#[must_use]
pub fn replay(seed: u64) -> (String, bool) {
    let scenario = Scenario::from_seed(seed);
    let (result, trace) = run_scenario(&scenario, CheckLevel { secrets: true, trace: true });
    let mut text = report(&scenario, &trace);
    match result {
        Ok(_) => (text, true),
        Err(violation) => {
            text.push_str(&format!("\n{violation}\n"));
            (text, false)
        }
    }
}

/// All invariants: the name and the description of each.
pub fn invariants() -> impl Iterator<Item = (String, &'static str)> {
    Invariant::ALL.into_iter().map(|invariant| (format!("{invariant:?}"), invariant.description()))
}

fn check_seed(seed: u64, summary: &mut Summary) -> Result<(), Violation> {
    let scenario = Scenario::from_seed(seed);
    let level = CheckLevel {
        secrets: seed.is_multiple_of(SECRETS_EVERY),
        trace: seed.is_multiple_of(REPEAT_EVERY),
    };
    let (result, trace) = run_scenario(&scenario, level);
    let (stats, reached) = result?;
    if level.trace {
        let (_, repeated) = run_scenario(&scenario, level);
        if repeated != trace {
            let lines = trace.lines().zip(repeated.lines()).find(|(one, two)| one != two);
            let why = format!("the traces differ at {lines:?}");
            return Err(Violation::new(Invariant::Deterministic, Duration::ZERO, why));
        }
    }
    summary.coverage.add_scenario(&reached);
    summary.add(&Summary {
        seeds: 1,
        calls: stats.calls,
        requests: stats.requests,
        notifications: stats.notifications,
        events: stats.events,
        virtual_time: stats.virtual_time,
        coverage: Coverage::default(),
    });
    Ok(())
}

impl Summary {
    fn add(&mut self, more: &Self) {
        self.seeds += more.seeds;
        self.calls += more.calls;
        self.requests += more.requests;
        self.notifications += more.notifications;
        self.events += more.events;
        self.virtual_time = self.virtual_time.saturating_add(more.virtual_time);
        self.coverage.add(&more.coverage);
    }
}
