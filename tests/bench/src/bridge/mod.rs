//! The bridge over its stores: how many notifications go through it, how long each takes, and what is written for it.
//!
//! A message of an agent takes two cycles of append, claim and commit: one in the conversation's lane, which hands it
//! over to the channel, and one in the consumer's, which hears of it for receipts and choices. Load, bridges and the
//! database's server share the cores of one machine.

mod fleet;
mod load;
mod place;
pub(crate) mod sending;
mod waits;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use self::fleet::Fleet;
use self::place::{Place, on_own_thread};
use self::waits::Sampling;
use crate::BenchError;
use crate::report::{BridgeRun, Flushes};

/// The section of the report.
pub(crate) const SECTION: &str = "the bridge over its stores";

/// Set where this program has made a server for itself.
const MADE: &str = "LP_BENCH_SERVER_MADE";

/// The store of a measurement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StoreKind {
    /// `lp-connector-sqlite`.
    Sqlite,
    /// `lp-connector-postgres`.
    Postgres,
}

impl StoreKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// The cycles a second that two cores must do.
    const fn target(self) -> f64 {
        match self {
            Self::Sqlite => 2500.0,
            Self::Postgres => 3000.0,
        }
    }
}

/// The cycles a second that two cores must do over the store of this name.
pub(crate) fn cycles_target(store: &str) -> Option<f64> {
    let kinds = [StoreKind::Sqlite, StoreKind::Postgres];
    kinds.into_iter().find(|kind| kind.name() == store).map(StoreKind::target)
}

/// The most time from a post to its hand-over, of 99 in 100 messages at half of the target's rate, in milliseconds.
pub(crate) const P99_TARGET: f64 = 100.0;

/// Runs this program again where `pg_virtualenv` makes a PostgreSQL server for it. `None` if there is one already, or
/// no way to make one.
pub(crate) fn with_server() -> Result<Option<i32>, BenchError> {
    let is_set = |name: &&str| std::env::var_os(name).is_some();
    if ["PGHOST", "LP_TEST_POSTGRES", MADE].iter().any(is_set) {
        return Ok(None);
    }
    // Its own messages go to standard error: the report alone goes to standard output.
    let within = "command -v pg_virtualenv >/dev/null || exit 127
        exec 3>&1 1>&2
        exec pg_virtualenv -o fsync=on -o track_wal_io_timing=on sh -c 'exec \"$0\" \"$@\" >&3' \"$0\" \"$@\"";
    let made = Command::new("sh")
        .args(["-c", within])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(MADE, "1")
        .status()?;
    Ok(match made.code() {
        Some(127) => None,
        code => Some(code.unwrap_or(1)),
    })
}

/// Measures each store with one and three bridges. Where there is no PostgreSQL server, it says so.
pub(crate) fn measure(quick: bool) -> Result<Vec<BridgeRun>, BenchError> {
    let mut runs = Vec::new();
    for kind in [StoreKind::Sqlite, StoreKind::Postgres] {
        for instances in [1, 3] {
            let Some(place) = Place::new(kind)? else {
                eprintln!(
                    "skipped: there is no PostgreSQL server, and no pg_virtualenv to make one"
                );
                break;
            };
            eprintln!("{} with {instances} bridges", kind.name());
            runs.push(run(kind, &place, instances, quick)?);
        }
    }
    Ok(runs)
}

fn run(
    kind: StoreKind,
    place: &Place,
    instances: usize,
    quick: bool,
) -> Result<BridgeRun, BenchError> {
    let seconds = Duration::from_secs(if quick { 2 } else { 12 });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let fleet = Arc::new(Fleet::start(place, instances)?);
        let conversations = load::prepare(&fleet).await?;
        let flat_out = load::flat_out(&fleet, &conversations, place, seconds).await?;
        let (before, rate) = (place.flushes(), kind.target() / 2.0);
        let sampling = on_own_thread(|| Sampling::begin(place));
        let steady = load::steady(&fleet, &conversations, rate, seconds).await?;
        let sampled = sampling.end()?;
        fleet.rest().await?;
        // Nothing is written while the bridges come to rest.
        let flushes = flushes(before, place.flushes(), seconds.mul_f64(rate / steady.rate));
        Ok(BridgeRun {
            store: kind.name().to_owned(),
            instances,
            conversations: load::CONVERSATIONS,
            messages_per_second: flat_out.messages,
            cycles_per_second: flat_out.cycles,
            written_per_message: flat_out.written,
            cpu_per_message: flat_out.cpu,
            steady_rate: steady.rate,
            p50_ms: steady.p50.as_secs_f64() * 1e3,
            p99_ms: steady.p99.as_secs_f64() * 1e3,
            max_ms: steady.max.as_secs_f64() * 1e3,
            flushes,
            busy: sampled.busy,
            at_work: sampled.at_work,
            waits: sampled.waits,
        })
    })
}

type Counted = Option<(u64, Duration)>;

fn flushes(before: Counted, after: Counted, time: Duration) -> Option<Flushes> {
    let ((before, spent_before), (after, spent)) = (before?, after?);
    let count = after.saturating_sub(before) as f64;
    let spent = spent.saturating_sub(spent_before).as_secs_f64() * 1e3;
    Some(Flushes { per_second: count / time.as_secs_f64(), ms_each: spent / count.max(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushes_are_those_between_two_counts() {
        let ms = Duration::from_millis;
        let two_seconds = Duration::from_secs(2);
        let counted = flushes(Some((100, ms(50))), Some((300, ms(450))), two_seconds).unwrap();
        assert_eq!((counted.per_second, counted.ms_each), (100.0, 2.0));
        let none = flushes(Some((100, ms(50))), Some((100, ms(50))), two_seconds).unwrap();
        assert_eq!((none.per_second, none.ms_each), (0.0, 0.0));
        assert!(flushes(None, Some((1, ms(1))), two_seconds).is_none());
        assert!(flushes(Some((1, ms(1))), None, two_seconds).is_none());
    }
}
