//! What happens to a request and its answer between a process and the cloud.

use std::fmt;
use std::time::Duration;

use lp_connector_core::connector::{Failure, FailureKind, Outcome};

/// What the network does with one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "tests choose among all of them")]
pub enum NetworkFault {
    /// It arrives, and so does the answer.
    None,
    /// No connection is made.
    Refused,
    /// It is lost on its way there.
    RequestLost,
    /// It arrives, and the answer is lost.
    ResponseLost,
    /// It arrives, and the answer takes so long.
    SlowResponse(Duration),
    /// It takes so long to arrive, while others overtake it.
    SlowRequest(Duration),
    /// The connection ends after so many thousandths of the answer.
    Truncated(u16),
    /// The answer comes, and once more after this time.
    Duplicated(Duration),
    /// The answer comes, and bytes after it that nobody asked for.
    StrayBytes,
}

impl fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("arrives"),
            Self::Refused => f.write_str("finds nobody who would connect"),
            Self::RequestLost => f.write_str("is lost on its way"),
            Self::ResponseLost => f.write_str("arrives, and its answer is lost"),
            Self::SlowResponse(by) => write!(f, "arrives, and its answer takes {by:?} more"),
            Self::SlowRequest(by) => write!(f, "takes {by:?} more to arrive"),
            Self::Truncated(share) => {
                write!(f, "arrives; {share} thousandths of its answer come back")
            }
            Self::Duplicated(after) => {
                write!(f, "arrives; its answer comes, and again after {after:?}")
            }
            Self::StrayBytes => f.write_str("arrives; its answer comes with stray bytes behind it"),
        }
    }
}

/// How long a request and its answer are on their ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latencies {
    pub(crate) request: Duration,
    pub(crate) response: Duration,
}

impl Latencies {
    /// One way in one time; where `mixed`, each request has its own, up to three times as long.
    pub(crate) fn new(
        latency: Duration,
        latency_seed: Option<u64>,
        caller: usize,
        number: u32,
    ) -> Self {
        let Some(latency_seed) = latency_seed else {
            return Self { request: latency, response: latency };
        };
        // By caller and number alone: what one request meets does not hang on what others do.
        let mut random = lp_connector_sandbox::Random::new(
            latency_seed ^ (caller as u64).rotate_left(32) ^ u64::from(number).rotate_left(48),
        );
        let mut one_way = || latency + latency.mul_f64((random.next() % 1024) as f64 / 512.0);
        Self { request: one_way(), response: one_way() }
    }
}

/// What an adapter reports when nothing arrived, if that is the weather.
pub(crate) fn failure_without_answer(fault: NetworkFault) -> Option<Outcome> {
    match fault {
        NetworkFault::Refused => Some(Outcome::Failed(Failure::never_sent(FailureKind::Connect))),
        NetworkFault::RequestLost => Some(answer_lost()),
        _ => None,
    }
}

/// What an adapter reports when the answer did not come back whole.
pub(crate) fn answer_lost() -> Outcome {
    Outcome::Failed(Failure::answer_lost(FailureKind::Broken))
}

/// What an adapter reports when the time was up.
pub(crate) fn timed_out() -> Outcome {
    Outcome::Failed(Failure::answer_lost(FailureKind::Timeout))
}
