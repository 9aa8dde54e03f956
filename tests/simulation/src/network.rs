//! What happens to a request and its answer between a process and the cloud.

use std::fmt;
use std::time::Duration;

use lp_connector_core::connector::{Failure, FailureKind, Outcome};

/// What the network does with one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "tests choose among all of them")]
pub enum Weather {
    /// It arrives, and so does the answer.
    Fine,
    /// No connection is made.
    Refused,
    /// It is lost on its way there.
    LostBefore,
    /// It arrives, and the answer is lost.
    LostAfter,
    /// It arrives, and the answer takes so long.
    Slow(Duration),
    /// It takes so long to arrive, while others overtake it.
    Overtaken(Duration),
    /// The connection ends after so many thousandths of the answer.
    Cut(u16),
    /// The answer comes, and once more after this time.
    Twice(Duration),
    /// The answer comes, and bytes after it that nobody asked for.
    Stray,
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fine => f.write_str("arrives"),
            Self::Refused => f.write_str("finds nobody who would connect"),
            Self::LostBefore => f.write_str("is lost on its way"),
            Self::LostAfter => f.write_str("arrives, and its answer is lost"),
            Self::Slow(by) => write!(f, "arrives, and its answer takes {by:?} more"),
            Self::Overtaken(by) => write!(f, "takes {by:?} more to arrive"),
            Self::Cut(share) => write!(f, "arrives; {share} thousandths of its answer come back"),
            Self::Twice(after) => write!(f, "arrives; its answer comes, and again after {after:?}"),
            Self::Stray => f.write_str("arrives; its answer comes with stray bytes behind it"),
        }
    }
}

/// How long a request and its answer are on their ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways {
    pub(crate) there: Duration,
    pub(crate) back: Duration,
}

impl Ways {
    /// One way in one time; where `mixed`, each request has its own, up to three times as long.
    pub(crate) fn new(latency: Duration, mixed: Option<u64>, caller: usize, number: u32) -> Self {
        let Some(mixed) = mixed else {
            return Self { there: latency, back: latency };
        };
        // By caller and number alone: what one request meets does not hang on what others do.
        let mut chance = lp_connector_sandbox::Random::new(
            mixed ^ (caller as u64).rotate_left(32) ^ u64::from(number).rotate_left(48),
        );
        let mut way = || latency + latency.mul_f64((chance.next() % 1024) as f64 / 512.0);
        Self { there: way(), back: way() }
    }
}

/// What an adapter reports when nothing arrived, if that is the weather.
pub(crate) fn nothing_arrives(weather: Weather) -> Option<Outcome> {
    match weather {
        Weather::Refused => Some(Outcome::Failed(Failure::never_sent(FailureKind::Connect))),
        Weather::LostBefore => Some(broken()),
        _ => None,
    }
}

/// What an adapter reports when the answer did not come back whole.
pub(crate) fn broken() -> Outcome {
    Outcome::Failed(Failure::answer_lost(FailureKind::Broken))
}

/// What an adapter reports when the time was up.
pub(crate) fn timed_out() -> Outcome {
    Outcome::Failed(Failure::answer_lost(FailureKind::Timeout))
}
