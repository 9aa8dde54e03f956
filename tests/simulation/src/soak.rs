//! Many stories, each from one number, each watched for every promise.
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

use crate::invariant::{Invariant, Violation};
use crate::runner::{CheckLevel, report, run_scenario};
use crate::scenario::Scenario;
use crate::shrink::shrink;

/// Of so many stories one has all that can be printed looked at.
const THOROUGH: u64 = 16;
/// Of so many stories one is told twice, and compared.
const TWICE: u64 = 64;
/// So many stories are taken at a time.
const BATCH: u64 = 64;

/// What many stories came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Stories.
    pub seeds: u64,
    /// Calls in them.
    pub calls: u64,
    /// Requests sent.
    pub requests: u64,
    /// Notifications acted on.
    pub notifications: u64,
    /// Things that happened.
    pub events: u64,
    /// How much time went by in them.
    pub virtual_time: Duration,
}

/// A story in which a promise was not kept.
#[derive(Debug)]
pub struct Broken {
    /// Its seed.
    pub seed: u64,
    violation: Violation,
    shrunk: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, violation, shrunk } = self;
        writeln!(f, "seed {seed} breaks a promise. {violation}\n")?;
        writeln!(f, "what it takes to break it:\n\n{shrunk}")?;
        write!(f, "again: cargo run -p lp-connector-simulation --release -- --seed {seed}")
    }
}

/// Tells the stories of these seeds, in so many threads; each story in one alone.
///
/// # Errors
/// The broken promise of the lowest seed that was found to break one.
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
                    let mut summary = Summary::default();
                    for seed in first..(first + BATCH).min(seeds.end) {
                        if let Err(violation) = check_seed(seed, &mut summary) {
                            // Nothing after it need be told.
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
            let scenario = shrink(&Scenario::of(seed), violation.invariant);
            let (_, trace) = run_scenario(&scenario, CheckLevel { thorough: true, traced: true });
            let shrunk = report(&scenario, &trace);
            Err(Box::new(Broken { seed, violation, shrunk }))
        }
    }
}

/// Tells the story of one seed, with all that happens.
#[must_use]
pub fn replay(seed: u64) -> (String, bool) {
    let scenario = Scenario::of(seed);
    let (result, trace) = run_scenario(&scenario, CheckLevel { thorough: true, traced: true });
    let mut text = report(&scenario, &trace);
    match result {
        Ok(_) => (text, true),
        Err(violation) => {
            text.push_str(&format!("\n{violation}\n"));
            (text, false)
        }
    }
}

/// What is watched for: a name and a sentence each.
pub fn invariants() -> impl Iterator<Item = (String, &'static str)> {
    Invariant::ALL.into_iter().map(|invariant| (format!("{invariant:?}"), invariant.description()))
}

fn check_seed(seed: u64, summary: &mut Summary) -> Result<(), Violation> {
    let scenario = Scenario::of(seed);
    let thorough = seed.is_multiple_of(THOROUGH);
    let traced = seed.is_multiple_of(TWICE);
    let (result, trace) = run_scenario(&scenario, CheckLevel { thorough, traced });
    let result = result?;
    if traced {
        let (_, again) = run_scenario(&scenario, CheckLevel { thorough, traced });
        if again != trace {
            let lines = trace.lines().zip(again.lines()).find(|(one, two)| one != two);
            let why = format!("it differs at {lines:?}");
            return Err(Violation::new(Invariant::Deterministic, Duration::ZERO, why));
        }
    }
    summary.add(&Summary {
        seeds: 1,
        calls: result.calls,
        requests: result.requests,
        notifications: result.notifications,
        events: result.events,
        virtual_time: result.virtual_time,
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
    }
}
