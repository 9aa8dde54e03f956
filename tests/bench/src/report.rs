//! The report: all figures that were measured.

use serde::{Deserialize, Serialize};

use crate::spread;

/// All figures; `--json` prints this.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// What else ran meanwhile.
    #[serde(default)]
    pub(crate) sections: Vec<Section>,
    /// Our figures to those of the alternatives; below 1 is better, except for rates.
    pub(crate) ratios: Vec<Ratio>,
    pub(crate) cases: Vec<Measured>,
    pub(crate) contention: Option<Contention>,
    pub(crate) token: Option<Token>,
    pub(crate) memory: Vec<MemoryUse>,
    pub(crate) load: Vec<Load>,
    #[serde(default)]
    pub(crate) bridge: Vec<BridgeRun>,
    #[serde(default)]
    pub(crate) durability: Vec<Durability>,
    #[serde(default)]
    pub(crate) simulation: Option<SimulationRun>,
    #[serde(default)]
    pub(crate) weight: Vec<Weight>,
    #[serde(default)]
    pub(crate) profiles: Vec<Profile>,
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, ..Self::default() }
    }

    pub(crate) fn case(&self, id: &str) -> Option<&Measured> {
        self.cases.iter().find(|case| case.id() == id)
    }

    pub(crate) fn load(&self, client: &str, callers: usize) -> Option<&Load> {
        self.load.iter().find(|load| load.client == client && load.callers == callers)
    }
}

/// The machine of the measurements.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) system: String,
    pub(crate) compiler: String,
    pub(crate) valgrind: Option<String>,
}

/// What the machine did while a section was measured.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) seconds: f64,
    /// The load average of the minute before, if it is known.
    pub(crate) load_before: Option<f64>,
    /// How many processors' time others used, on average: other programs, and servers that outlive the section.
    pub(crate) others: Option<f64>,
}

/// The median, minimum and maximum of several rounds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rounds {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// In the order in which they were measured.
    pub(crate) rounds: Vec<f64>,
}

impl Rounds {
    pub(crate) fn of(rounds: Vec<f64>) -> Self {
        let mut sorted = rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        Self {
            median: spread::median(&sorted),
            min: at(0),
            max: at(sorted.len().saturating_sub(1)),
            rounds,
        }
    }
}

/// The figures of a case.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) nanoseconds: Option<Rounds>,
    pub(crate) instructions: Option<f64>,
    pub(crate) allocations: Option<f64>,
    pub(crate) bytes: Option<f64>,
}

impl Measured {
    pub(crate) fn id(&self) -> String {
        format!("{}: {}", self.group, self.name)
    }
}

/// The figures of callers that wait for one token.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Contention {
    pub(crate) callers: usize,
    /// From the token's arrival until all have sent, in milliseconds.
    pub(crate) milliseconds: Rounds,
    pub(crate) polls_per_caller: f64,
    pub(crate) polls_per_caller_after_arrival: f64,
}

/// The cost of a cached token.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Token {
    /// A call that needs a token, minus one that needs none, in nanoseconds.
    pub(crate) alone_ns: Rounds,
    /// A lock that nobody else wants, taken and given back, in nanoseconds.
    pub(crate) lock_ns: Rounds,
    /// Whole calls by several threads under the adapters' lock.
    pub(crate) under_lock: Vec<LockContention>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct LockContention {
    pub(crate) threads: usize,
    /// A whole call in memory, with one lock for all threads.
    pub(crate) ns_per_call: Rounds,
    /// The same with a lock for each thread.
    pub(crate) ns_per_call_apart: Rounds,
}

/// The memory of cache entries.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct MemoryUse {
    pub(crate) what: String,
    pub(crate) count: usize,
    pub(crate) bytes_each: f64,
}

/// The figures of a client under load.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) client: String,
    pub(crate) callers: usize,
    pub(crate) messages_per_second: Rounds,
    /// Of the client's process alone, in microseconds.
    pub(crate) cpu_per_message: Rounds,
    /// Of that, the system's part: the time in the kernel, from 0 to 1.
    pub(crate) system_share: Option<f64>,
}

/// A ratio of our figure to that of an alternative.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ratio {
    pub(crate) what: String,
    pub(crate) of: String,
    pub(crate) to: String,
    pub(crate) unit: String,
    pub(crate) ratio: f64,
    /// Where several rounds were measured: how sure it is.
    pub(crate) sureness: Option<Sureness>,
    /// The target: `<=` or `>=`, and a number.
    pub(crate) target: Option<String>,
    pub(crate) met: Option<bool>,
}

/// The figures of bridges on one store.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct BridgeRun {
    pub(crate) store: String,
    pub(crate) instances: usize,
    pub(crate) conversations: usize,
    /// Flat out.
    pub(crate) messages_per_second: f64,
    /// Flat out: commits that took effect, each after an append and a claim.
    pub(crate) cycles_per_second: f64,
    /// Bytes, flat out: of PostgreSQL's log, or all writes for SQLite.
    pub(crate) written_per_message: Option<f64>,
    /// Microseconds of load and bridges together, without the database's server.
    pub(crate) cpu_per_message: f64,
    /// Messages a second, at the steady rate.
    pub(crate) steady_rate: f64,
    /// From post to hand-over, at the steady rate.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// Of PostgreSQL's log, at the steady rate.
    #[serde(default)]
    pub(crate) flushes: Option<Flushes>,
    /// At the steady rate: how much of all processors' time was used, from 0 to 1.
    #[serde(default)]
    pub(crate) busy: Option<f64>,
    /// At the steady rate: sessions of PostgreSQL at work at a time.
    #[serde(default)]
    pub(crate) at_work: Option<f64>,
    /// What those wait for, the most frequent first.
    #[serde(default)]
    pub(crate) waits: Vec<Wait>,
}

/// How often a session at work was seen to wait for something.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Wait {
    /// PostgreSQL's name of it.
    pub(crate) name: String,
    pub(crate) share: f64,
}

/// How often a log was flushed to the disk, and how long that took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Flushes {
    pub(crate) per_second: f64,
    pub(crate) ms_each: f64,
}

/// How sure a ratio of two series is.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sureness {
    /// The ratio's bounds, with a confidence of 95 %, and somewhat less where rounds were added until they are close.
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) rounds: usize,
    /// The bounds are no further apart than 5 % of the ratio.
    pub(crate) steady: bool,
}

/// The soak of the simulation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SimulationRun {
    pub(crate) seeds: u64,
    pub(crate) calls_per_second_and_core: f64,
}

/// A program that sends one message: what it is built from.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Weight {
    pub(crate) name: String,
    /// Each once, without the program itself.
    pub(crate) crates: usize,
    /// The most that it may have.
    pub(crate) most: Option<usize>,
    /// Seconds, from nothing.
    pub(crate) release_build: Option<f64>,
    /// Of the stripped program.
    pub(crate) bytes: Option<u64>,
}

/// What sending costs with a store below it, or without.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Durability {
    /// The store; `None` for the client alone.
    pub(crate) store: Option<String>,
    pub(crate) messages_per_second: f64,
    /// Microseconds of this process, without the database's server.
    pub(crate) cpu_per_message: f64,
    /// Bytes: of PostgreSQL's log, or all writes for SQLite.
    pub(crate) written_per_message: Option<f64>,
    pub(crate) requests: Vec<StoreRequests>,
}

/// The requests of one kind to the store.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct StoreRequests {
    pub(crate) verb: String,
    pub(crate) per_message: f64,
    /// From the request to its answer, on average; many are under way at a time.
    pub(crate) milliseconds: f64,
}

/// Where the instructions of a case go.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) case: String,
    /// Of one run.
    pub(crate) instructions: f64,
    /// The functions with most of them.
    pub(crate) top: Vec<Function>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Of its own, without those of what it calls.
    pub(crate) instructions: f64,
}
