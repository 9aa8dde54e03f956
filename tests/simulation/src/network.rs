//! The network between a process and the cloud: faults and latencies.

use std::fmt;
use std::time::Duration;

use lp_connector_core::connector::{Failure, FailureKind, Outcome};

/// A fault that one request meets in the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "tests choose among all of them")]
pub enum NetworkFault {
    /// No fault: request and response arrive.
    None,
    /// The connection is refused.
    Refused,
    /// The host's name does not resolve.
    Unresolved,
    /// All connections of the client are in use.
    NoFreeConnection,
    /// There is no trusted TLS connection.
    NoTls,
    /// The server demands a client certificate, after the request has left.
    CertificateDemanded,
    /// The proxy demands other credentials.
    ProxyRefused,
    /// The request is lost.
    RequestLost,
    /// The request arrives, and the response is lost.
    ResponseLost,
    /// The response is delayed by this time.
    SlowResponse(Duration),
    /// The request is delayed by this time; later ones may overtake it.
    SlowRequest(Duration),
    /// The connection closes after this many thousandths of the response.
    Truncated(u16),
    /// The response arrives, and a second time after this delay.
    Duplicated(Duration),
    /// The response arrives, followed by bytes that belong to no response.
    StrayBytes,
}

impl fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no fault"),
            Self::Refused => f.write_str("connection refused"),
            Self::Unresolved => f.write_str("host not resolved"),
            Self::NoFreeConnection => f.write_str("no free connection"),
            Self::NoTls => f.write_str("no trusted TLS connection"),
            Self::CertificateDemanded => f.write_str("client certificate demanded"),
            Self::ProxyRefused => f.write_str("refused by the proxy"),
            Self::RequestLost => f.write_str("request lost"),
            Self::ResponseLost => f.write_str("response lost"),
            Self::SlowResponse(by) => write!(f, "response delayed by {by:?}"),
            Self::SlowRequest(by) => write!(f, "request delayed by {by:?}"),
            Self::Truncated(share) => {
                write!(f, "response truncated after {share} thousandths")
            }
            Self::Duplicated(after) => {
                write!(f, "response duplicated after {after:?}")
            }
            Self::StrayBytes => f.write_str("stray bytes after the response"),
        }
    }
}

/// The latencies of one request and its response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latencies {
    pub(crate) request: Duration,
    pub(crate) response: Duration,
}

impl Latencies {
    /// `latency` for both ways; with a seed, random values from `latency` to three times as much.
    pub(crate) fn new(
        latency: Duration,
        latency_seed: Option<u64>,
        caller: usize,
        number: u32,
    ) -> Self {
        let Some(latency_seed) = latency_seed else {
            return Self { request: latency, response: latency };
        };
        // Derived from caller and number: other requests do not change this one's latencies.
        let mut random = lp_connector_sandbox::Random::new(
            latency_seed ^ (caller as u64).rotate_left(32) ^ u64::from(number).rotate_left(48),
        );
        let mut one_way = || latency + latency.mul_f64((random.next() % 1024) as f64 / 512.0);
        Self { request: one_way(), response: one_way() }
    }
}

/// The failure that an adapter reports for a fault after which no response can come.
pub(crate) fn failure_without_response(fault: NetworkFault) -> Option<Outcome> {
    let never_sent = |kind| Some(Outcome::Failed(Failure::never_sent(kind)));
    match fault {
        NetworkFault::Refused => never_sent(FailureKind::Connect),
        NetworkFault::Unresolved => never_sent(FailureKind::Resolve),
        NetworkFault::NoFreeConnection => never_sent(FailureKind::NoFreeConnection),
        NetworkFault::NoTls => never_sent(FailureKind::Tls),
        NetworkFault::ProxyRefused => never_sent(FailureKind::ProxyAuthentication),
        NetworkFault::CertificateDemanded => {
            Some(Outcome::Failed(Failure::answer_lost(FailureKind::ClientCertificate)))
        }
        NetworkFault::RequestLost => Some(response_lost()),
        _ => None,
    }
}

/// The outcome that an adapter reports for a missing or incomplete response.
pub(crate) fn response_lost() -> Outcome {
    Outcome::Failed(Failure::answer_lost(FailureKind::Broken))
}

/// The outcome that an adapter reports at the attempt's deadline.
pub(crate) fn timed_out() -> Outcome {
    Outcome::Failed(Failure::answer_lost(FailureKind::Timeout))
}
