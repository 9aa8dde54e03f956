//! The report: all figures that were measured.

use serde::{Deserialize, Serialize};

/// All figures; `--json` prints this.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// Our figures to those of the alternatives; below 1 is better, except for rates.
    pub(crate) ratios: Vec<Ratio>,
    pub(crate) cases: Vec<Measured>,
    pub(crate) contention: Option<Contention>,
    pub(crate) token: Option<Token>,
    pub(crate) memory: Vec<MemoryUse>,
    pub(crate) load: Vec<Load>,
    #[serde(default)]
    pub(crate) bridge: Vec<BridgeRun>,
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
    /// The load average of the minute before.
    pub(crate) load_before: Option<f64>,
}

/// The median, minimum and maximum of several rounds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rounds {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) rounds: usize,
}

impl Rounds {
    pub(crate) fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        let at = |index: usize| all.get(index).copied().unwrap_or_default();
        let middle = all.len() / 2;
        let median = if all.len() % 2 == 1 || all.is_empty() {
            at(middle)
        } else {
            f64::midpoint(at(middle - 1), at(middle))
        };
        Self { median, min: at(0), max: at(all.len().saturating_sub(1)), rounds: all.len() }
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
}

/// A ratio of our figure to that of an alternative.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ratio {
    pub(crate) what: String,
    pub(crate) of: String,
    pub(crate) to: String,
    pub(crate) unit: String,
    pub(crate) ratio: f64,
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
}
